"""The judge's noise: how far its gains scatter where people saw none, estimated on judgments of train queries.

    gain = a + b * people's gain + noise

over the first pass's trials of queries with judgments, by least squares; the noise is the standard deviation of what is left.
People's gain is that of the discounted mean grade of judged documents alone (a condensed list: Sakai, SIGIR 2007), because
most documents that an expansion brings were never judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from leser.backend import Ranking
from leser.similarity import discounted_mean

LEAST_TRIALS = 30
"""Fewer trials than this say nothing of a judge's noise."""


def people_value(ranking: Ranking, grades: Mapping[str, int], depth: int) -> float | None:
    """Discounted mean grade of the ranking's first `depth` judged documents, of the best grade; None without a positive."""
    best = max(grades.values(), default=0)
    if best <= 0:
        return None
    listed = [max(0, grades[id]) / best for id in ranking.ids if id in grades][:depth]
    return float(discounted_mean(np.array(listed), depth))


def noise_of(gains: Sequence[tuple[float, float]]) -> float:
    """Standard deviation of the judge's gains around a line through people's, given as (judge, people); 0 for too few."""
    if len(gains) < LEAST_TRIALS:
        return 0.0
    judge, people = np.array(gains).T
    spread = people - people.mean()
    slope = float(spread @ judge / (spread @ spread)) if spread.any() else 0.0
    rest = judge - judge.mean() - slope * spread
    return float(np.sqrt(rest @ rest / (len(gains) - 2)))
