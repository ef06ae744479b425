"""WordPairs: how much more a document is worth for a query with one word if it holds another, learned from examples.

    worth(query, document) = b + m * match + sum of pair[v, w]      v in the query's words, w in the document's

`match` is the share of the query's words that the document holds, rare words counting more. The pairs are a translation table
(Berger and Lafferty, SIGIR 1999) whose entries are fitted together by ridge regression (Hoerl and Kennard, Technometrics 12(1),
1970): what one word explains is not put down to its neighbours, and what few examples say is shrunk toward nothing. An example
that is wrong is outvoted by those of other queries that share a word, so the model knows less of chance than its examples do.

How strongly it is shrunk is chosen on a fifth of the queries, held out; on these, isotonic regression turns its sums into the
worth to expect.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from leser.holes.calibration import Calibration
from leser.text import content_stems, stem, words

if TYPE_CHECKING:
    from numpy.typing import NDArray

RIDGES = (3.0, 10.0, 30.0, 100.0, 300.0)
"""Strengths of shrinkage that are tried."""
HELD_OUT = 5
"""One query in so many says which is best."""
MOST_ENTRIES = 8_000_000
"""Entries of the table of examples and pairs, at most: beyond it examples are left out, drawn by the seed."""
LEAST_EXAMPLES = 3
"""Examples that must hold a pair."""
TOO_COMMON = 0.5
"""Share of the documents beyond which a word says nothing."""
_ROUNDS = 40
_MATCH_SCALE = 10.0
"""The one column that all queries share is hardly shrunk."""


@dataclass(frozen=True, slots=True)
class WorthExample:
    """A document, by its number, shown for a query, by its number, and what it was worth, 0 to 1."""

    query: int
    document: int
    worth: float


def matched(asked: Sequence[str], held: Sequence[str], rarity: Mapping[str, float], usual: float) -> float:
    """The share of the query's stems that a document holds, by their rarity; `usual` is that of a stem no document holds."""
    weight, own = {word: rarity.get(word, usual) for word in asked}, set(held)
    return sum(value for word, value in weight.items() if word in own) / (sum(weight.values()) or 1.0)


class WordPairs:
    """A fitted table, ready to say what any document is worth for any query."""

    def __init__(
        self,
        examples: Sequence[WorthExample],
        queries: Sequence[str],
        documents: Sequence[str],
        seed: int = 0,
        most: int = 100,
    ) -> None:
        self.most = most
        table = _Table(
            examples, [content_stems(text) for text in queries], [content_stems(text, most) for text in documents], seed
        )
        held = np.isin(table.rows[:, 0], table.order[::HELD_OUT])
        told, asked = table.part(~held), table.part(held)
        fits = [told.fit(ridge) for ridge in RIDGES]
        errors = [float(np.mean((asked.sums(fit) - asked.worths) ** 2)) for fit in fits]
        best = int(np.argmin(errors))
        self.ridge, self.error = RIDGES[best], errors[best]
        self.spread = float(np.mean((asked.worths - told.worths.mean()) ** 2))
        self.calibration = Calibration.of(asked.sums(fits[best]), asked.worths)
        fitted = table.part(np.ones(len(held), dtype=bool)).fit(self.ridge)
        self.base, self.match = fitted[0], fitted[1] * _MATCH_SCALE
        self.rarity, self.terms, self._usual = table.rarity, table.terms, table.usual
        self._pairs = table.by_word(fitted[2:])
        shown = Counter((stem(word), word) for text in documents for word in set(words(text)))
        best_form: dict[str, str] = {}
        for (key, word), _ in sorted(shown.items(), key=lambda item: (-item[1], item[0])):
            best_form.setdefault(key, word)
        self._forms = [best_form[key] for key in self.terms]
        self._last: tuple[str, NDArray[np.float64]] | None = None

    def query(self, text: str) -> NDArray[np.float64]:
        """What each known word of a document is worth for a query, shape (terms,)."""
        if self._last is None or self._last[0] != text:
            total = np.zeros(len(self.terms))
            for word in content_stems(text):
                known = self._pairs.get(word)
                if known is not None:
                    total[known[0]] += known[1]
            self._last = (text, total)
        return self._last[1]

    def worths(self, query: str, documents: Sequence[tuple[str, ...]]) -> NDArray[np.float64]:
        """The worth to expect of documents, given as their stems, shape (documents,), 0 to 1."""
        asked, per_term = content_stems(query), self.query(query)
        sums = np.empty(len(documents))
        for number, held in enumerate(documents):
            match = matched(asked, held, self.rarity, self._usual)
            places = [self.terms[word] for word in held if word in self.terms]
            sums[number] = self.base + self.match * match + per_term[places].sum()
        return np.clip(self.calibration(sums), 0.0, 1.0)

    def suggested(self, query: str, count: int) -> list[str]:
        """Words whose presence is worth most for a query, those above 0, best first, as most documents write them."""
        per_term, own, names = self.query(query), set(content_stems(query)), list(self.terms)
        order = np.argsort(-per_term, kind="stable")[: count + len(own)].tolist()
        return [self._forms[n] for n in order if per_term[n] > 0 and names[n] not in own][:count]


@dataclass(frozen=True, slots=True)
class _Part:
    """Some examples: their rows of the table, and what each was worth."""

    matrix: Any
    worths: NDArray[np.float64]

    def fit(self, ridge: float) -> NDArray[np.float64]:
        """The base and all columns' entries, by ridge regression."""
        from scipy.sparse.linalg import lsqr

        base = float(self.worths.mean())
        found = lsqr(self.matrix, self.worths - base, damp=ridge**0.5, iter_lim=_ROUNDS)[0]
        return np.concatenate([[base], found])

    def sums(self, fitted: NDArray[np.float64]) -> NDArray[np.float64]:
        """What a fit says of each example, before calibration."""
        found: NDArray[np.float64] = self.matrix @ fitted[1:] + fitted[0]
        return found


class _Table:
    """Examples as rows and pairs as columns, behind two columns for the base and the match."""

    def __init__(
        self,
        examples: Sequence[WorthExample],
        queries: Sequence[tuple[str, ...]],
        documents: Sequence[tuple[str, ...]],
        seed: int,
    ) -> None:
        frequency = Counter(word for held in documents for word in held)
        common = TOO_COMMON * len(documents)
        self.terms = {w: n for n, w in enumerate(sorted(w for w, c in frequency.items() if 1 < c <= common))}
        self.rarity = {word: log(1 + len(documents) / count) for word, count in frequency.items()}
        self.words = {w: n for n, w in enumerate(sorted({word for asked in queries for word in asked}))}
        self.usual = log(1 + len(documents))
        rows = np.array([(e.query, e.document) for e in examples], dtype=np.int64)
        worths = np.array([e.worth for e in examples])
        asked = [np.array([self.words[w] for w in found], dtype=np.int64) for found in queries]
        held = [np.array([self.terms[w] for w in found if w in self.terms], dtype=np.int64) for found in documents]
        sizes = np.array([len(a) for a in asked])[rows[:, 0]] * np.array([len(h) for h in held])[rows[:, 1]]
        drawn = np.random.default_rng(seed).permutation(len(rows))
        kept = np.sort(drawn[np.cumsum(sizes[drawn]) <= MOST_ENTRIES])
        self.rows, self.worths = rows[kept], worths[kept]
        self.order = np.random.default_rng([seed, 1]).permutation(len(queries))
        matches = [matched(queries[q], documents[d], self.rarity, self.usual) for q, d in self.rows.tolist()]
        self._build(asked, held, np.array(matches))

    def _build(self, asked: Sequence[Any], held: Sequence[Any], matches: NDArray[np.float64]) -> None:
        from scipy.sparse import csr_matrix, hstack

        width = len(self.terms)
        cells = [(asked[q][:, None] * width + held[d][None, :]).ravel() for q, d in self.rows.tolist()]
        lengths = np.array([len(c) for c in cells])
        codes, column, counts = np.unique(np.concatenate(cells), return_inverse=True, return_counts=True)
        often = counts >= LEAST_EXAMPLES
        self.codes = codes[often]
        place = np.full(len(codes), -1)
        place[often] = np.arange(len(self.codes))
        row = np.repeat(np.arange(len(cells)), lengths)
        column = place[column]
        row, column = row[column >= 0], column[column >= 0]
        pairs = csr_matrix((np.ones(len(row)), (row, column)), shape=(len(cells), max(len(self.codes), 1)))
        self.matrix = hstack([csr_matrix((matches * _MATCH_SCALE)[:, None]), pairs], format="csr")

    def part(self, rows: NDArray[np.bool_]) -> _Part:
        """These examples."""
        return _Part(self.matrix[rows], self.worths[rows])

    def by_word(self, pairs: NDArray[np.float64]) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Query word to the numbers and entries of the terms that it is paired with."""
        width, names = len(self.terms), list(self.words)
        word, term = self.codes // width, self.codes % width
        starts = np.searchsorted(word, np.arange(len(names) + 1))
        return {
            name: (term[a:b], pairs[a:b]) for name, a, b in zip(names, starts[:-1], starts[1:], strict=True) if b > a
        }
