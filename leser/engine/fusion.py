"""Reciprocal rank fusion: several rankings of one query made into one (Cormack, Clarke and Büttcher, SIGIR 2009)."""

from __future__ import annotations

from collections.abc import Sequence

from leser.backend import Hit, Ranking


def reciprocal_rank_fusion(
    rankings: Sequence[Ranking], weights: Sequence[float], k: int, *, constant: float = 60.0, only_first: bool = False
) -> Ranking:
    """Merge by sum(weight / (constant + rank)), rank from 1; of equals the one met first, list by list, comes first.

    `only_first` keeps to the hits of the first ranking (match = "rerank"). A total, where every list has one, is the least
    that can have matched, so it is not exact.
    """
    scores: dict[str, float] = {}
    for ranking, weight in zip(rankings, weights, strict=True):
        for rank, hit in enumerate(ranking.hits, 1):
            scores[hit.id] = scores.get(hit.id, 0.0) + weight / (constant + rank)
    if only_first:
        scores = {id: scores[id] for id in rankings[0].ids}
    best = sorted(scores.items(), key=lambda item: -item[1])[:k]
    totals = [ranking.total for ranking in (rankings[:1] if only_first else rankings)]
    known = [total for total in totals if total is not None]
    total = max(*known, len(scores)) if len(known) == len(totals) else None
    took = [ranking.took_ms for ranking in rankings if ranking.took_ms is not None]
    return Ranking(
        tuple(Hit(id, score) for id, score in best),
        total=total,
        total_exact=only_first and rankings[0].total_exact,
        took_ms=sum(took) if took else None,
    )
