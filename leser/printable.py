"""Text from outside, fit to be shown: queries, titles and completions are data and may hold anything."""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # controls: a terminal obeys them
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # turn or hide text
    "\ud800-\udfff]"  # lone surrogates: no file can hold them
)


def printable(text: str, limit: int | None = None) -> str:
    """One line of `text` without control characters, direction overrides, invisible marks and lone surrogates.

    Runs of white space become one space. What is longer than `limit` characters ends in an ellipsis.
    """
    shown = _UNSEEN.sub("", " ".join(text.split()))
    return shown if limit is None or len(shown) <= limit else shown[: limit - 1].rstrip() + "…"


def printable_lines(text: str) -> str:
    """`text` with its lines and spaces as they are, but without what `printable` takes out; a tab becomes a space."""
    return "\n".join(_UNSEEN.sub("", line.replace("\t", " ")) for line in text.split("\n"))
