"""Shares in words: no figure says nothing or everything where it is neither."""

from __future__ import annotations

import pytest

from leser.shares import in_words


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, "none"),
        (0.004, "under 1%"),
        (0.01, "1%"),
        (0.333, "33%"),
        (0.99, "99%"),
        (0.997, "over 99%"),
        (1.0, "all"),
    ],
)
def test_only_nothing_is_none_and_only_everything_is_all(share: float, words: str) -> None:
    assert in_words(share) == words
