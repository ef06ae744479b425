"""Needs reached, union recall at a fixed budget of results, and rescued queries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest

from pydantic import Field

from leser.options import Options
from leser.reward import Outcome, Reward


class UnionParameters(Options):
    """Parameters of union recall."""

    rel: int = Field(1, ge=1, description="least grade that counts as relevant")
    original: bool = Field(True, description="the original query's ranking takes part in the union")


class RescuedParameters(Options):
    """Parameters of rescued."""

    rel: int = Field(0, ge=0, description="least grade a document found must have; 0: any document counts")


class Coverage(Reward):
    """Share of the needs behind a query that the top k reaches: subtopic recall (coverage@k).

    Zhai, Cohen and Lafferty, SIGIR 2003. Does not apply to a query without needs; a need no document serves is left
    out.
    """

    name = "coverage"

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """Needs with a document in the top k over all needs."""
        return [self._share(outcome) for outcome in outcomes]

    def _share(self, outcome: Outcome) -> float | None:
        needs = [documents for documents in outcome.query.subtopics.values() if documents]
        if not needs or outcome.expanded is None:
            return None
        top = set(outcome.expanded.top(self.depth, outcome.withheld))
        return sum(not top.isdisjoint(documents) for documents in needs) / len(needs)


class UnionRecall(Reward):
    """Recall of k results drawn in turn from the rankings of the single expansions (union_R@k).

    The budget is fixed: k different documents in all, first every ranking's first hit, then every second one, so that
    more expansions do not mean more results. Costs one search an expansion.
    """

    name = "union_R"
    Options = UnionParameters
    options: UnionParameters
    requires = frozenset({"per_expansion"})

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """Relevant documents among the k over all relevant ones; None for a query without a relevant document."""
        values: list[float | None] = []
        for outcome in outcomes:
            relevant = {doc for doc, grade in outcome.grades.items() if grade >= self.options.rel}
            if relevant:
                values.append(sum(doc in relevant for doc in islice(self._union(outcome), self.depth)) / len(relevant))
            else:
                values.append(None)
        return values

    def _union(self, outcome: Outcome) -> Iterator[str]:
        rankings = [ranking.ids for ranking in outcome.per_expansion or ()]
        if self.options.original:
            rankings.insert(0, outcome.original.ids)
        rounds = (doc for turn in zip_longest(*rankings) for doc in turn if doc is not None)
        return (doc for doc in dict.fromkeys(rounds) if doc not in outcome.withheld)


class Rescued(Reward):
    """1 where a query that found nothing now finds something, 0 where it still does not (rescued, rescued(rel=1)@10).

    Does not apply to a query that found something by itself.
    """

    name = "rescued"
    Options = RescuedParameters
    options: RescuedParameters

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """1.0, 0.0, or None for a query whose original ranking is not empty."""
        return [None if outcome.original.hits else float(self._found(outcome)) for outcome in outcomes]

    def _found(self, outcome: Outcome) -> bool:
        # without a least grade any document counts, also one whose grade is withheld
        withheld = outcome.withheld if self.options.rel else frozenset()
        top = outcome.expanded.top(self.depth, withheld) if outcome.expanded else ()
        return any(outcome.grades.get(doc, 0) >= self.options.rel for doc in top)
