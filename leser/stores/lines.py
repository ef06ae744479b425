"""Entries as stores keep them: one line of JSON each."""

from __future__ import annotations

import json
from typing import Any

from leser.errors import LeserError
from leser.expansion_store import StoredEntry


def entry_of(line: str | bytes, place: str) -> StoredEntry:
    """The entry of a stored line; raises LeserError naming the store."""
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        raise LeserError(f"The store {place} is damaged: a line is not JSON. Write it again, or go back.") from error
    if not isinstance(row, dict):
        raise LeserError(f"The store {place} is damaged: a line is not an entry. Write it again, or go back.")
    return StoredEntry.of(row, f"An entry of {place}")
