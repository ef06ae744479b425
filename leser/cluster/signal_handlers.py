"""What this process does at a signal, kept over a library that takes it: a Java machine's null checks are crash signals."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CRASHES = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL")
"""Signals that a Java machine handles as a part of its normal work."""
ENOUGH = 512
"""Bytes: more than a C library's struct sigaction, which begins with the handler's address; the rest is of no interest here."""


def crash_handlers() -> dict[int, bytes]:
    """The C library's struct sigaction of each crash signal, as it is stored; nothing on Windows."""
    if sys.platform == "win32":
        return {}
    found = {}
    for name in CRASHES:
        number, buffer = int(getattr(signal, name)), ctypes.create_string_buffer(ENOUGH)
        if ctypes.CDLL(None).sigaction(number, None, buffer) == 0:
            found[number] = buffer.raw
    return found


@contextmanager
def crash_handlers_kept() -> Iterator[None]:
    """Put the handlers of crash signals back, in the end, as they are at the start."""
    before = crash_handlers()
    try:
        yield
    finally:
        for number, stored in before.items():
            ctypes.CDLL(None).sigaction(number, ctypes.create_string_buffer(stored, ENOUGH), None)


@contextmanager
def termination_kept() -> Iterator[None]:
    """Put Python's handler of SIGTERM back, in the end, as it is at the start: a run says by it why it was ended."""
    if threading.current_thread() is not threading.main_thread():  # no other may set one
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
