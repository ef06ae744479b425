"""How many judged pairs of documents a judge orders as people did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from leser.evaluation.statistics import bootstrap_interval

if TYPE_CHECKING:
    from leser.holes.judge import DocumentJudge
    from leser.task import Query, Split

MOST_QUERIES = 300
MOST_OF_QUERY = 40


@dataclass(frozen=True, slots=True)
class Ordered:
    """A judge, the share of pairs with different grades that it orders rightly (equal scores count half), its interval."""

    judge: str
    queries: int
    pairs: int
    share: float
    ci95: tuple[float, float]


def ordered_rightly(judge: DocumentJudge, splits: Sequence[Split], seed: int = 0) -> Ordered | None:
    """The judge on a sample of the splits' queries; None where no query has documents of different grades."""
    draw = Random(f"{seed} pairs")
    asked = [(q, split.qrels.get(q.id, {})) for split in splits for q in (*split.queries, *split.no_result)]
    asked = [(query, grades) for query, grades in asked if len(set(grades.values())) > 1]
    asked = draw.sample(asked, min(MOST_QUERIES, len(asked)))
    chosen = {query: draw.sample(sorted(grades), min(MOST_OF_QUERY, len(grades))) for query, grades in asked}
    pairs = [(query, id) for query, ids in chosen.items() for id in ids]
    scores = dict(zip(pairs, judge.scores(pairs).tolist(), strict=True))
    counts = [_of_query(query, {id: grades[id] for id in chosen[query]}, scores) for query, grades in asked]
    counted = np.array([count for count in counts if count[1]], dtype=float)
    if not len(counted):
        return None
    right, total = counted[:, 0], counted[:, 1]
    share = right.sum() / total.sum()
    # the ratio of two means, linearised at the whole sample, so that the interval is one of means over queries
    low, high = bootstrap_interval(((right - share * total) / total.mean())[:, None], resamples=2000, seed=seed)
    interval = (float(share + low[0]), float(share + high[0]))
    return Ordered(judge.name, len(counted), int(total.sum()), float(share), interval)


def _of_query(query: Query, grades: Mapping[str, int], scores: Mapping[tuple[Query, str], float]) -> tuple[float, int]:
    """Pairs of one query ordered rightly, and all of them."""
    known = [(grade, scores[query, id]) for id, grade in grades.items() if scores[query, id] == scores[query, id]]
    right, total = 0.0, 0
    for grade, score in known:
        for other, lower in known:
            if grade > other:
                total += 1
                right += 1.0 if score > lower else 0.5 if score == lower else 0.0
    return right, total
