"""alpha-nDCG over the needs behind a query, and what each expansion adds to those before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import log2

from pydantic import Field

from leser.errors import LeserError
from leser.options import Options
from leser.reward import Outcome, Reward, RewardSpec

Needs = Mapping[str, tuple[int, ...]]
"""Document id to the numbers of the needs that it serves."""


class AlphaParameters(Options):
    """Parameters of alpha-nDCG."""

    alpha: float = Field(0.5, ge=0, le=1, description="what a further document for a need already served loses")


class MarginalParameters(Options):
    """Parameters of marginal."""

    rel: int = Field(1, ge=1, description="least grade that counts as relevant")


class AlphaNDCG(Reward):
    """Discounted gain of the top k where each need counts less the more often it was served (alpha_nDCG@k).

    A document at rank r gains the sum over its needs of (1 - alpha)^(earlier documents that serve the need), divided by
    log2(r + 1); the whole is divided by that of the order which takes the best document next. Clarke et al., SIGIR 2008;
    values equal ir-measures' (pyndeval). Does not apply to a query without needs.

    Use when: queries are ambiguous, judgments name subtopics, and one page should serve several of them.
    Beware of: needs that list few documents: what serves one but is not listed counts as serving none.
    """

    name = "alpha_nDCG"
    Options = AlphaParameters
    options: AlphaParameters

    def __init__(self, spec: RewardSpec) -> None:
        super().__init__(spec)
        if spec.cutoff is None:
            raise LeserError(f"The reward '{spec.text}' needs a cutoff. Write it as {spec.text}@10.")
        self._known: dict[str, tuple[Mapping[str, frozenset[str]], Needs, float]] = {}

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """The measure of each expanded ranking; None for a query no need of which lists a document."""
        values: list[float | None] = []
        for outcome in outcomes:
            needs, best = self._prepared(outcome)
            if not needs or outcome.expanded is None:
                values.append(None)
            else:
                top = outcome.expanded.top(self.depth, outcome.withheld)
                values.append(min(self._gain(top, needs) / best, 1.0))
        return values

    def _prepared(self, outcome: Outcome) -> tuple[Needs, float]:
        query = outcome.query
        known = self._known.get(query.id)
        if known is None or (known[0] is not query.subtopics and known[0] != query.subtopics):
            held: dict[str, list[int]] = {}
            for number, documents in enumerate(query.subtopics.values()):
                for document in documents:
                    held.setdefault(document, []).append(number)
            needs = {document: tuple(numbers) for document, numbers in held.items()}
            known = self._known[query.id] = (query.subtopics, needs, self._gain(self._ideal(needs), needs))
        return known[1], known[2]

    def _gain(self, ids: Iterable[str], needs: Needs) -> float:
        served: dict[int, int] = {}
        total = 0.0
        for place, document in enumerate(ids):
            total += self._novelty(needs.get(document, ()), served) / log2(place + 2)
            for number in needs.get(document, ()):
                served[number] = served.get(number, 0) + 1
        return total

    def _novelty(self, numbers: Sequence[int], served: Mapping[int, int]) -> float:
        return sum((1.0 - self.options.alpha) ** served.get(number, 0) for number in numbers)

    def _ideal(self, needs: Needs) -> list[str]:
        """The order that takes the document of the greatest gain next, of equal ones the later id, as ndeval does."""
        left, served, order = dict(needs), dict[int, int](), list[str]()
        while left and len(order) < self.depth:
            best = max(left, key=lambda document: (self._novelty(left[document], served), document))
            for number in left.pop(best):
                served[number] = served.get(number, 0) + 1
            order.append(best)
        return order


class Marginal(Reward):
    """How much of what is still missing each expansion brings, on average over the expansions (marginal@k).

    An expansion is worth the relevant documents in its own top k that neither the original's top k nor an expansion before it
    holds, divided by those that could be new there: k or all still missing, if fewer. 0 without expansions, and for one that
    comes when nothing is missing. Does not apply where the original's top k holds all relevant documents. Costs one search an
    expansion.

    Use when: completions repeat one idea in other words, and each phrase should earn its place.
    Beware of: judgments with holes: what nobody judged is worth nothing, so that the safest phrase repeats the known.
    """

    name = "marginal"
    Options = MarginalParameters
    options: MarginalParameters
    requires = frozenset({"per_expansion"})

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """The mean gain of a completion's expansions, 0 to 1."""
        return [self._mean(outcome) for outcome in outcomes]

    def _mean(self, outcome: Outcome) -> float | None:
        missing = {doc for doc, grade in outcome.grades.items() if grade >= self.options.rel}
        missing.difference_update(outcome.original.top(self.depth, outcome.withheld))
        if not missing or outcome.expanded is None:
            return None
        rankings = outcome.per_expansion or ()
        gained = 0.0
        for ranking in rankings:
            new = missing.intersection(ranking.top(self.depth, outcome.withheld))
            gained += len(new) / min(self.depth, len(missing)) if missing else 0.0
            missing -= new
        return gained / len(rankings) if rankings else 0.0
