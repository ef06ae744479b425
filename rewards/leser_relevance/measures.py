"""The four measures, for whole batches: a step scores thousands of rankings at one dictionary look-up a hit.

Values equal those of ir-measures (trec_eval) on the ranking with repeated documents removed: a document counts once,
where it is first seen, and the hits after it close up. Unjudged documents have grade 0; with `judged_only` they are
removed before the cutoff, and so are documents of negative grade, which trec_eval counts as unjudged.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from itertools import islice
from math import log2
from typing import ClassVar, Literal

from pydantic import Field

from leser.errors import LeserError
from leser.options import Options
from leser.reward import Outcome, Reward, RewardSpec

WHOLE_RANKING = 1000  # TREC's customary depth, for a measure without a cutoff
_DISCOUNTS = [1.0 / log2(rank + 1) for rank in range(1, WHOLE_RANKING + 1)]


class JudgedOnly(Options):
    """The parameter every measure has."""

    judged_only: bool = Field(False, description="leave documents without a judgment out of the ranking")


class Level(JudgedOnly):
    """Parameters of the measures that know only relevant and not relevant."""

    rel: int = Field(1, ge=1, description="least grade that counts as relevant")


class Gains(JudgedOnly):
    """Parameters of nDCG."""

    dcg: Literal["log2", "exp-log2"] = Field("log2", description="gain of a grade g: g itself, or 2^g - 1")
    gains: dict[int, float] = Field(
        default_factory=dict, description="gain of each grade, where it is not the grade itself"
    )


class RelevanceReward(Reward):
    """What the four share: parameters, the cutoff, and a query's judgments prepared once and kept.

    Judgments are taken as constant: a query's prepared judgments are made again only for a mapping that differs.
    """

    Options = JudgedOnly
    options: JudgedOnly
    cutoff_required: ClassVar[bool] = True

    def __init__(self, spec: RewardSpec) -> None:
        super().__init__(spec)
        if spec.cutoff is None and self.cutoff_required:
            raise LeserError(f"The reward '{spec.text}' needs a cutoff. Write it as {spec.text}@10.")
        self._prepared: dict[str, tuple[Mapping[str, int], Mapping[str, float], float]] = {}

    @property
    def depth(self) -> int:
        """The cutoff, or 1,000 without one; judged_only reads past the cutoff, to 1,000 too."""
        if self.spec.cutoff is None or self.options.judged_only:
            return max(WHOLE_RANKING, self.spec.cutoff or 0)
        return self.spec.cutoff

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """The measure of each expanded ranking; None for a query without a relevant document."""
        values: list[float | None] = []
        for outcome in outcomes:
            gains, best = self._judgments(outcome.query.id, outcome.grades)
            if not gains or outcome.expanded is None:
                values.append(None)
            else:
                values.append(self.value(self._ids(outcome.expanded.ids, outcome.grades), gains, best))
        return values

    @abstractmethod
    def prepare(self, grades: Mapping[str, int]) -> tuple[Mapping[str, float], float]:
        """What each document that counts is worth, and the number the measure divides by."""

    @abstractmethod
    def value(self, ids: Sequence[str], gains: Mapping[str, float], best: float) -> float:
        """The measure of a ranking that is free of repeats, and not longer than the cutoff."""

    def _judgments(self, query_id: str, grades: Mapping[str, int]) -> tuple[Mapping[str, float], float]:
        known = self._prepared.get(query_id)
        if known is None or (known[0] is not grades and known[0] != grades):
            known = self._prepared[query_id] = (grades, *self.prepare(grades))
        return known[1], known[2]

    def _ids(self, ids: Sequence[str], grades: Mapping[str, int]) -> Sequence[str]:
        unique: Sequence[str] = list(dict.fromkeys(ids))
        if self.options.judged_only:
            unique = [doc for doc in unique if grades.get(doc, -1) >= 0]
        return unique if self.spec.cutoff is None else unique[: self.spec.cutoff]


class NDCG(RelevanceReward):
    """Discounted gain of the top k relative to the best order the judgments allow (nDCG@k).

    Jarvelin and Kekalainen, TOIS 20(4), 2002, with trec_eval's discount 1/log2(rank + 1).
    """

    name = "nDCG"
    Options = Gains
    cutoff_required = False
    options: Gains

    def prepare(self, grades: Mapping[str, int]) -> tuple[Mapping[str, float], float]:
        """Positive gains, and the discounted gain of the ideal order."""
        gains = {doc: gain for doc, grade in grades.items() if (gain := self._gain(grade)) > 0}
        ideal = sorted(gains.values(), reverse=True)[: self.spec.cutoff]
        return gains, sum(gain * _discount(place) for place, gain in enumerate(ideal))

    def value(self, ids: Sequence[str], gains: Mapping[str, float], best: float) -> float:
        """Discounted gain over the ideal one."""
        found = 0.0
        for place, doc in enumerate(ids):
            gain = gains.get(doc)
            if gain is not None:
                found += gain * _discount(place)
        # Rounding can carry a perfect ranking past 1 by one unit in the last place.
        return min(found / best, 1.0)

    def _gain(self, grade: int) -> float:
        if grade in self.options.gains:
            return self.options.gains[grade]
        return float(grade) if self.options.dcg == "log2" else 2.0**grade - 1.0


class _Binary(RelevanceReward):
    Options = Level
    options: Level

    def prepare(self, grades: Mapping[str, int]) -> tuple[Mapping[str, float], float]:
        """The relevant documents, and how many they are."""
        gains = {doc: 1.0 for doc, grade in grades.items() if grade >= self.options.rel}
        return gains, float(len(gains))


class Recall(_Binary):
    """Share of the judged relevant documents found in the top k (R@k)."""

    name = "R"

    def value(self, ids: Sequence[str], gains: Mapping[str, float], best: float) -> float:
        """Relevant documents found over all of them."""
        return sum(doc in gains for doc in ids) / best


class ReciprocalRank(_Binary):
    """One over the rank of the first relevant document (RR@k)."""

    name = "RR"
    cutoff_required = False

    def value(self, ids: Sequence[str], gains: Mapping[str, float], best: float) -> float:  # noqa: ARG002
        """1 / rank of the first relevant document, 0 without one."""
        return next((1.0 / rank for rank, doc in enumerate(ids, start=1) if doc in gains), 0.0)


class Precision(_Binary):
    """Share of the top k that is relevant; a ranking shorter than k still counts as k (P@k)."""

    name = "P"

    def value(self, ids: Sequence[str], gains: Mapping[str, float], best: float) -> float:  # noqa: ARG002
        """Relevant documents found over the cutoff."""
        return sum(doc in gains for doc in islice(ids, self.spec.cutoff)) / (self.spec.cutoff or 1)


def _discount(place: int) -> float:
    return _DISCOUNTS[place] if place < WHOLE_RANKING else 1.0 / log2(place + 2)
