"""Support: what a term is worth for a query, in the light of what it brings to queries that share a word.

The best of many candidates is partly luck of one query. So a term's gain is shrunk toward what like queries gain by it:

    worth = m + trust * (gain - m)          m = mu + Z * (mean - mu)          Z = n / (n + sigma^2 / tau^2)

`mean` is the term's mean gain over the n other queries that share an analysed word with this one and tried the same term
at the same weight. `mu` is the mean gain of all terms at that weight, `sigma^2` the variance of gains between queries of
one (word, term) cell and `tau^2` that between cells, both estimated from the gains themselves by the analysis of variance
of an unbalanced one-way layout (Searle, Casella and McCulloch, Variance Components, 1992, ch. 3). Z is Buehlmann's
credibility factor (ASTIN Bulletin 4, 1967), the empirical Bayes weight of Efron and Morris (JASA 70, 1975) with these
variances put in. A query of two words stands in the cells of both, which the estimate takes as independent. Fewer than
`min_like` like queries say nothing: m is then mu.

How much of (gain - m) is the query's own and how much the judge's noise cannot be told from one reading: `trust` is given.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class TermGain:
    """One reading: query number, the query's analysed words, the term's analysed form, the weight it was tried at."""

    query: int
    words: frozenset[str]
    term: str
    weight: float
    value: float


@dataclass(frozen=True, slots=True)
class Variances:
    """Mean gain, variance within a cell of like queries and variance between cells, at one weight."""

    mean: float
    within: float
    between: float

    def credibility(self, count: int) -> float:
        """Buehlmann's Z for a mean of `count` queries: 0 trusts the overall mean, 1 the cell's."""
        if self.between <= 0:
            return 0.0
        return count / (count + self.within / self.between)


class Support:
    """Gains of many queries, ready to say what a term is worth for one of them."""

    def __init__(self, gains: Iterable[TermGain], trust: float, min_like: int) -> None:
        self.trust, self.min_like = trust, min_like
        self._cells: dict[tuple[str, str, float], dict[int, float]] = defaultdict(dict)
        by_weight: dict[float, list[float]] = defaultdict(list)
        for gain in gains:
            by_weight[gain.weight].append(gain.value)
            for word in gain.words:
                self._cells[word, gain.term, gain.weight][gain.query] = gain.value
        self._variances = {
            weight: variances_of(
                [list(cell.values()) for (_, _, at), cell in self._cells.items() if at == weight],
                float(np.mean(values)),
            )
            for weight, values in by_weight.items()
        }

    def worth(self, gain: TermGain) -> float:
        """The gain, shrunk toward that of like queries."""
        if self.trust == 1:
            return gain.value
        known = self._variances[gain.weight]
        others: dict[int, float] = {}
        for word in sorted(gain.words):
            others |= self._cells.get((word, gain.term, gain.weight), {})
        others.pop(gain.query, None)
        expected = known.mean
        if len(others) >= self.min_like:
            mean = float(np.mean([others[query] for query in sorted(others)]))
            expected += known.credibility(len(others)) * (mean - known.mean)
        return expected + self.trust * (gain.value - expected)


def variances_of(cells: Sequence[Sequence[float]], mean: float) -> Variances:
    """Variance components of an unbalanced one-way layout by the analysis of variance; cells of one query tell nothing."""
    cells = [cell for cell in cells if len(cell) > 1]
    if len(cells) < 2:
        return Variances(mean, 0.0, 0.0)
    sizes = np.array([len(cell) for cell in cells], dtype=np.float64)
    means = np.array([np.mean(cell) for cell in cells])
    total, count = float(sizes.sum()), len(cells)
    within = sum(float(((np.asarray(cell) - m) ** 2).sum()) for cell, m in zip(cells, means, strict=True)) / (
        total - count
    )
    centre = float((sizes * means).sum()) / total
    between_square = float((sizes * (means - centre) ** 2).sum()) / (count - 1)
    size = (total - float((sizes**2).sum()) / total) / (count - 1)
    return Variances(mean, within, max(0.0, (between_square - within) / size))
