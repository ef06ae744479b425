"""Spelling neighbours: words of the index that look like a query word which the index hardly knows.

After Norvig's corrector (2007): a neighbour is one edit away (a letter dropped, added, changed, or two exchanged), for long
words two, and the more documents hold it the better. With a list of the catalogue's words both are looked up in it; without
one, all words one edit away are made, and the engine says which of them it holds. Two words of a query that are one word in
the index ("head set") count as neighbours, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from leser.engine.words import EngineWords
from leser.task import Query
from leser.text import STOP_WORDS, words

LETTERS = "abcdefghijklmnopqrstuvwxyz"
SHORTEST = 4
"""Shorter words are abbreviations as often as misspellings, and have too many neighbours."""
LONG = 8
"""From so many letters on, two edits still leave a word recognisable."""
RARE = 5
"""A word that so many documents hold is taken as spelled on purpose."""
TIMES = 10
"""A neighbour must be held by so many times more documents."""
MOST = 3
"""Neighbours tried for a word."""


class SpellingNeighbours:
    """Candidates by spelling; needs an engine that can say document frequencies (`supported`)."""

    def __init__(self, engine: EngineWords, vocabulary: Iterable[str] | None = None) -> None:
        self.engine = engine
        self._known = None if vocabulary is None else Deletions(vocabulary)

    @staticmethod
    def supported(engine: EngineWords) -> bool:
        """Whether the engine can tell what its index holds."""
        return {"analyze", "doc_freq"} <= engine.capabilities

    def __call__(self, queries: Sequence[Query]) -> list[list[str]]:
        """Neighbours of each query's rare words, and its neighbouring words written together."""
        tokens = [words(query.text) for query in queries]
        asked = sorted({w for row in tokens for w in row if self._eligible(w)})
        held = self._held(asked)
        near = {word: self._near(word, count) for word, count in held.items() if count < RARE}
        joined = [[a + b for a, b in pairwise(row) if a not in STOP_WORDS] for row in tokens]
        known = self._held(sorted({word for row in joined for word in row}))
        return [
            list(dict.fromkeys([*(w for w in pair if known[w]), *(n for w in row for n in near.get(w, ()))]))
            for row, pair in zip(tokens, joined, strict=True)
        ]

    @staticmethod
    def _eligible(word: str) -> bool:
        return len(word) >= SHORTEST and word.isalpha() and word not in STOP_WORDS

    def _held(self, texts: Sequence[str]) -> dict[str, int]:
        """Documents that hold each text, which must be one word to the engine; else 0."""
        analysed = self.engine.analyze(texts)
        single = {text: terms[0] for text, terms in zip(texts, analysed, strict=True) if len(terms) == 1}
        terms = list(dict.fromkeys(single.values()))
        counts = dict(zip(terms, self.engine.doc_freq(terms), strict=True)) if terms else {}
        return {text: counts[single[text]] if text in single else 0 for text in texts}

    def _near(self, word: str, count: int) -> list[str]:
        found = sorted(edits(word)) if self._known is None else self._known.near(word, 2 if len(word) >= LONG else 1)
        held = self._held(found)
        least = TIMES * max(count, 1) if count else 1
        kept = [w for w in found if held[w] >= least]
        return sorted(kept, key=lambda w: (distance(word, w), -held[w], w))[:MOST]


class Deletions:
    """Words by what is left of them when up to two letters are dropped (the index of SymSpell, Garbe 2012)."""

    def __init__(self, vocabulary: Iterable[str]) -> None:
        self._words: dict[str, set[str]] = defaultdict(set)
        for word in set(vocabulary):
            if len(word) >= SHORTEST - 1 and word.isalpha():
                for rest in _without(word, 2 if len(word) >= LONG - 1 else 1):
                    self._words[rest].add(word)

    def near(self, word: str, most: int) -> list[str]:
        """Other words at most `most` edits away."""
        found = {other for rest in _without(word, most) for other in self._words.get(rest, ())}
        return sorted(other for other in found - {word} if distance(word, other) <= most)


def _without(word: str, most: int) -> set[str]:
    """The word, and what is left of it without up to `most` letters."""
    rests = latest = {word}
    for _ in range(most):
        latest = {rest[:i] + rest[i + 1 :] for rest in latest for i in range(len(rest))}
        rests = rests | latest
    return rests


def edits(word: str) -> set[str]:
    """Every string one edit away, in the letters a to z and those of the word."""
    letters = LETTERS + "".join(sorted(set(word) - set(LETTERS)))
    splits = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    return {
        *(a + b[1:] for a, b in splits if b),
        *(a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1),
        *(a + c + b[1:] for a, b in splits if b for c in letters),
        *(a + c + b for a, b in splits for c in letters),
    } - {word}


def distance(first: str, second: str) -> int:
    """Edits between two words, an exchange of neighbours being one (optimal string alignment distance)."""
    rows = [list(range(len(second) + 1))]
    for i, a in enumerate(first, 1):
        above, row = rows[-1], [i]
        for j, b in enumerate(second, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == second[j - 2] and first[i - 2] == b:
                cost = min(cost, rows[-2][j - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1]
