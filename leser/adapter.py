"""What every adapter of an engine needs."""

from __future__ import annotations

from math import isfinite

from leser.indexing import KEYWORD_LENGTH


def filter_values(text: str) -> tuple[str | None, float | None]:
    """What a stored text is to a filter: the string itself, unless it is longer than 256 characters, and its number if any."""
    try:
        number: float | None = float(text)
    except ValueError:
        number = None
    if number is not None and not isfinite(number):
        number = None
    return text if len(text) <= KEYWORD_LENGTH else None, number
