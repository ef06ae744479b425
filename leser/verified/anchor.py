"""The anchors: a judge alone can be fooled, so an expanded query must keep what the original found, and its order counts."""

from __future__ import annotations

import numpy as np

from leser.backend import Ranking
from leser.similarity import discounted_mean

BESIDE_A_JUDGE = 0.3
"""What `agreement` counts beside a judge where one setting is chosen for all queries: with a judge alone the heaviest wins."""


def kept_share(original: Ranking, expanded: Ranking, top: int, within: int) -> float:
    """kept@top: share of the original's first `top` hits among the expanded query's first `within`; 1 where it had none."""
    wanted = set(original.ids[:top])
    if not wanted:
        return 1.0
    return len(wanted.intersection(expanded.ids[:within])) / len(wanted)


def agreement(original: Ranking, expanded: Ranking, top: int) -> float:
    """What the engine itself thinks of the expanded query's first `top` hits: their scores for the original query.

    Each is divided by the original's best score, so that 1 is the best and 0 a document that the original does not list;
    the mean is taken under DCG's discount. 0 to 1. A judge and an engine err differently: their sum orders documents better
    than either (Fox and Shaw's CombSUM, TREC-2, 1994).
    """
    best = max((hit.score for hit in original.hits), default=0.0)
    if best <= 0:
        return 0.0
    scores = {hit.id: max(hit.score, 0.0) / best for hit in original.hits}
    return float(discounted_mean(np.array([scores.get(id, 0.0) for id in expanded.ids[:top]]), top))
