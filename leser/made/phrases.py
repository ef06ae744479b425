"""Phrases of titles that say what a product is: words that stand together more often than chance, in several titles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import log

from leser.text import STOP_WORDS

LONGEST = 3


def is_word(word: str) -> bool:
    """Whether a word may stand in a made query: letters, two of them at least, and no stop word."""
    return len(word) > 1 and word.isalpha() and word not in STOP_WORDS


class Cohesion:
    """Normalised pointwise mutual information of neighbouring words (Bouma, GSCL 2009), -1 to 1, over a list of titles."""

    def __init__(self, titles: Iterable[Sequence[str]]) -> None:
        self.titles = 0
        self._words: Counter[str] = Counter()
        self._pairs: Counter[tuple[str, str]] = Counter()
        for title in titles:
            self.titles += 1
            self._words.update(set(title))
            self._pairs.update(set(pairwise(title)))

    def of(self, first: str, second: str) -> float:
        """The value for two words that stand side by side; -1 where they never do."""
        both = self._pairs[first, second]
        if not both:
            return -1.0
        if both == self.titles:
            return 1.0
        expected = self._words[first] * self._words[second] / self.titles**2
        return log(both / self.titles / expected) / -log(both / self.titles)


def phrases_of(title: Sequence[str], cohesion: Cohesion, least: float) -> set[tuple[str, ...]]:
    """The title's words by themselves and its phrases of up to three, each two neighbours of which cohere."""
    found: set[tuple[str, ...]] = set()
    for start, word in enumerate(title):
        if not is_word(word):
            continue
        phrase: tuple[str, ...] = (word,)
        found.add(phrase)
        for following in title[start + 1 : start + LONGEST]:
            if not is_word(following) or following in phrase or cohesion.of(phrase[-1], following) < least:
                break
            phrase = (*phrase, following)
            found.add(phrase)
    return found
