"""Words of displayed text: tokens, stop words, stems."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import regex  # type: ignore[import-untyped]
from Stemmer import Stemmer

from leser.letters import WORD

if TYPE_CHECKING:
    from Stemmer import Stemmer


_WORD = regex.compile(rf"{WORD}(?:['’]{WORD})?")


_ASCII_WORD = re.compile(r"[A-Za-z0-9]+(?:'[A-Za-z0-9]+)?")  # the same, faster


def words(text: str) -> tuple[str, ...]:
    """Word tokens of a text in order, lower-cased; an apostrophe inside a word belongs to it."""
    return tuple(word.lower() for word in (_ASCII_WORD if text.isascii() else _WORD).findall(text))


STOP_WORDS = frozenset(
    words(
        """
        a about above after again all also an and any are as at be because been before being below between both but by
        can could did do does doing down during each few for from further had has have having he her here hers him his
        how i if in into is it its itself just me more most my no nor not now of off on once only or other our ours
        out over own same she should so some such than that the their theirs them then there these they this those
        through to too under until up very was we were what when where which while who whom why will with would you
        your yours
        """
    )
)


def content_stems(text: str, most: int | None = None) -> tuple[str, ...]:
    """The different stems of a text's words, of the first `most` of them, in order; no function words."""
    found = [word for word in words(text) if word not in STOP_WORDS][:most]
    return tuple(dict.fromkeys(stem(word) for word in found))


def stem(word: str) -> str:
    """The Porter stem of a lower-cased word; a possessive ending is dropped first, as Lucene does."""
    return _stem(word)


@lru_cache(maxsize=1)
def _stemmer() -> Stemmer:

    return Stemmer("porter", 0)  # its own cache off: `_stem` caches


@lru_cache(maxsize=200_000)
def _stem(word: str) -> str:
    for ending in ("'s", "’s"):
        word = word.removesuffix(ending)
    stemmed: str = _stemmer().stemWord(word)
    return stemmed
