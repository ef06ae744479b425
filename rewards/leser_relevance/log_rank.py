"""log_rank@k: how near the top the judged relevant documents stand, on a logarithmic scale of ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log

from leser_relevance.measures import WHOLE_RANKING, Binary


class LogRank(Binary):
    """Mean of 1 - log(rank) / log(k + 1) over the judged relevant documents, 0 for one below rank k (log_rank@k).

    1 where a relevant document is first, and each halving of its rank is worth the same wherever it stands: a document that
    moves from rank 200 to 100 counts as much as one from 2 to 1. With several relevant documents, which cannot all be
    first, the best value is below 1.

    Use when: a top-10 measure is silent on most groups, because what an expansion moves stands further down.
    Beware of: it reads as deep as k (1,000 without a cutoff), and people see only the top: pair it with nDCG@10.
    """

    name = "log_rank"
    cutoff_required = False

    def value(self, ids: Sequence[str], gains: Mapping[str, float], best: float) -> float:
        """The sum over relevant documents found, over how many there are."""
        depth = log((self.spec.cutoff or WHOLE_RANKING) + 1)
        found = sum(gains[doc] * (1.0 - log(rank) / depth) for rank, doc in enumerate(ids, start=1) if doc in gains)
        return max(found / best, 0.0)
