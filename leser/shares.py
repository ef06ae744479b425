"""A share of things in words, as a sentence of a message has it."""

from __future__ import annotations


def in_words(share: float) -> str:
    """A share from 0 to 1: "none", "all", or a percentage that rounds to neither.

    What 0 % or 100 % would hide is said: "under 1%" of a thousand queries may be four, and "0%" of three is none.
    """
    if share <= 0:
        return "none"
    if share >= 1:
        return "all"
    return "under 1%" if share < 0.01 else "over 99%" if share > 0.99 else f"{share:.0%}"
