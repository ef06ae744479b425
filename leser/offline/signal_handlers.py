"""What this process does at a crash signal, kept over a library that takes it: a Java machine's null checks are such signals."""

from __future__ import annotations

import ctypes
import signal
import sys
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
