"""Ctrl-C during training: the update in progress is finished, a checkpoint is written, and the run ends with exit code 130."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_SAID = b"\nStopping after this update, with a checkpoint. Ctrl-C once more stops at once.\n"


class Interruption:
    """While entered, the first Ctrl-C only sets `asked`; the second raises KeyboardInterrupt wherever the run is.

    A KeyboardInterrupt in the middle of an update would leave weights and moments that belong to no step. Where Ctrl-C is
    not ours to handle (another thread than the main one, or a shell that ignores it for jobs in the background), nothing
    changes.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None
        self._installed = False

    def __enter__(self) -> Interruption:
        ours = threading.current_thread() is threading.main_thread()
        if ours and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            self._before = signal.signal(signal.SIGINT, self._ask)
            self._installed = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._installed:
            # None: a handler that was not set from Python, which Python cannot put back
            signal.signal(signal.SIGINT, signal.default_int_handler if self._before is None else self._before)
            self._installed = False

    def _ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - what `signal` hands over
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        os.write(2, _SAID)  # a print from a handler may meet a half-written line of the same stream
