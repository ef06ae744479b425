"""The memory engine with a method that answers wrongly: a third party's mistakes, which a real engine does not make on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from leser_memory import MemoryBackend

from leser.testing import DOCUMENTS

Change = Callable[[Any], Any]


def sick(method: str, change: Change) -> MemoryBackend:
    """The memory engine, one of whose methods answers something else."""
    original = getattr(MemoryBackend, method)

    def changed(self: MemoryBackend, *values: Any, **named: Any) -> Any:
        return change(original(self, *values, **named))

    return type("Sick", (MemoryBackend,), {"name": "sick", method: changed, "__module__": __name__}).of(DOCUMENTS)
