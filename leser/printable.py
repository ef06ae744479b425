"""Text from outside, fit to be shown: queries, titles and completions are data and may hold anything."""

from __future__ import annotations

import re

from leser.characters import UNSEEN, well_formed

_UNSEEN = re.compile(f"[{UNSEEN}]")


def printable(text: str, limit: int | None = None) -> str:
    """One line of `text` without control characters, direction overrides and invisible marks.

    A lone surrogate, which no file can hold, becomes U+FFFD, and a run of white space one space. What is longer than `limit`
    characters ends in an ellipsis.
    """
    shown = _UNSEEN.sub("", " ".join(well_formed(text).split()))
    return shown if limit is None or len(shown) <= limit else shown[: limit - 1].rstrip() + "…"


def printable_lines(text: str) -> str:
    """`text` with its lines and spaces as they are, but without what `printable` takes out; a tab becomes a space."""
    return "\n".join(_UNSEEN.sub("", line.replace("\t", " ")) for line in well_formed(text).split("\n"))
