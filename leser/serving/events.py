"""Events from the shop: appended, and on disk before they are acknowledged.

Many requests share one fsync: what came while the last one ran is written together. A line that a crash cut off was never
acknowledged, and is taken out when the file is opened again.
"""

from __future__ import annotations

import os
import queue
import threading
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from leser.errors import LeserError
from leser.serving.ubi import UbiEvent, UbiQuery


class EventLog:
    """A file that events are appended to; `append` gives a future that is done once they are on disk.

    Raises LeserError where the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            self._length = _whole_lines(self._file)
            os.ftruncate(self._file, self._length)
        except OSError as error:
            raise LeserError(
                f"The file of events {path} cannot be written: {error}. Give another with --events."
            ) from error
        self._torn = False
        self._waiting: queue.SimpleQueue[tuple[bytes, Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="events", daemon=True)
        self._thread.start()

    def append(self, events: list[UbiEvent | UbiQuery]) -> Future[None]:
        """Write events; the future raises OSError where they could not be written, and then none of them is in the file."""
        lines = "".join(event.model_dump_json(exclude_none=True) + "\n" for event in events)
        done: Future[None] = Future()
        self._waiting.put((lines.encode(), done))
        return done

    def close(self) -> None:
        """Write what waits, then close the file."""
        self._waiting.put(None)
        self._thread.join()
        os.close(self._file)

    def _write(self) -> None:
        ended = False
        while not ended:
            batch = [self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get())
            ended = None in batch
            given = [item for item in batch if item is not None]
            failure = self._appended(b"".join(lines for lines, _ in given)) if given else None
            for _, done in given:
                if failure is None:
                    done.set_result(None)
                else:
                    done.set_exception(failure)

    def _appended(self, data: bytes) -> OSError | None:
        """Put data at the end and flush it; what could not be written whole is taken back, before anything else is written."""
        try:
            if self._torn:
                os.ftruncate(self._file, self._length)
            self._torn, written = True, 0
            while written < len(data):
                written += os.pwrite(self._file, data[written:], self._length + written)
            os.fsync(self._file)
        except OSError as error:
            with suppress(OSError):  # it is tried again before the next line is written
                os.ftruncate(self._file, self._length)
                self._torn = False
            return error
        self._torn = False
        self._length += len(data)
        return None


def _whole_lines(file: int) -> int:
    """The file's length up to its last line break."""
    end = os.fstat(file).st_size
    while end > 0:
        start = max(0, end - 65_536)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
