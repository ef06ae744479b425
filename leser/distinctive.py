"""Distinctive words: those that a query's documents hold far more often than the index at large does.

    worth = p * log(p / q)      p: share of the query's documents that hold the word      q: share of all documents

the contribution of the word to the Kullback-Leibler divergence between the two (Carpineto, de Mori, Romano and Bigi, TOIS
19(1), 2001), on documents instead of occurrences. Where documents are ranked, p may weigh them by DCG's discounts of their
ranks. Whole descriptions can be read this way: the phrases that all of them repeat ("colour", "country of origin") are as
frequent everywhere, so they are not distinctive.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import log
from typing import Protocol

from leser.engine.checked import CheckedBackend
from leser.engine.words import EngineWords
from leser.similarity import discounts
from leser.text import STOP_WORDS, stem, words

DIGIT = re.compile(r"\d")
LONGEST = 20
"""Longer tokens are codes and addresses."""


class Distinctness(Protocol):
    """How distinctive a word must be: `lift` times more of the query's documents than of the index must hold it, and at
    least `min_documents` of the former; `digits` says whether it may hold one."""

    @property
    def lift(self) -> float: ...

    @property
    def min_documents(self) -> int: ...

    @property
    def digits(self) -> bool: ...


class Distinctive:
    """Ranks the words of a query's documents against the whole index; needs `size_of` to know how large that is."""

    def __init__(self, engine: EngineWords, options: Distinctness, size: int) -> None:
        self.engine, self.options, self.size = engine, options, size

    def __call__(self, rows: Sequence[Sequence[str]], *, ranked: bool = False) -> list[list[str]]:
        """For each query's documents, as texts, the words that enough of them hold, the most distinctive first.

        `ranked`: the texts are in the order of their ranks, and earlier ones count more.
        """
        held = [self._held(texts, ranked) for texts in rows]
        shares = self._shares({word for row in held for word in row})
        return [self._ordered(row, shares) for row in held]

    def _held(self, texts: Sequence[str], ranked: bool) -> dict[str, float]:
        """The share of the texts that hold each word, by the form in which it is met first."""
        weights = discounts(len(texts)).tolist() if ranked else [1.0] * len(texts)
        counts: Counter[str] = Counter()
        weighed: dict[str, float] = defaultdict(float)
        shown: dict[str, str] = {}
        for text, weight in zip(texts, weights, strict=True):
            for key, word in _vocabulary(text):
                counts[key] += 1
                weighed[key] += weight
                shown.setdefault(key, word)
        wanted = (key for key, count in counts.items() if count >= self.options.min_documents)
        total = sum(weights)
        return {
            shown[key]: weighed[key] / total for key in wanted if self.options.digits or not DIGIT.search(shown[key])
        }

    def _shares(self, wanted: Iterable[str]) -> dict[str, float]:
        """The share of all documents that hold each word; words that the index lacks are left out: they would find nothing."""
        asked = sorted(wanted)
        analysed = dict(zip(asked, self.engine.analyze(asked), strict=True))
        terms = sorted({term for row in analysed.values() for term in row})
        known = dict(zip(terms, self.engine.doc_freq(terms), strict=True)) if terms else {}
        counts = {word: min(known[term] for term in row) for word, row in analysed.items() if row}
        return {word: count / self.size for word, count in counts.items() if count}

    def _ordered(self, held: dict[str, float], shares: dict[str, float]) -> list[str]:
        found = []
        for word, share in held.items():
            everywhere = shares.get(word)
            if everywhere is not None and share >= self.options.lift * everywhere:
                found.append((-share * log(share / everywhere), word))
        return [word for _, word in sorted(found)]


def size_of(engine: EngineWords) -> int:
    """How many documents the index holds; 0 where the engine cannot say it, or not how many of them hold a word."""
    if not {"analyze", "doc_freq"} <= engine.capabilities:
        return 0
    size = CheckedBackend(engine.backend).check().get("documents")
    return size if isinstance(size, int) else 0


@lru_cache(maxsize=20_000)  # whole texts: some 100 MB of long descriptions at most
def _vocabulary(text: str) -> tuple[tuple[str, str], ...]:
    """A text's words by stem, each as it is shown first; no function words."""
    shown: dict[str, str] = {}
    for word in words(text):
        if 1 < len(word) <= LONGEST and word not in STOP_WORDS:
            shown.setdefault(stem(word), word)
    return tuple(shown.items())
