"""The measures, for whole batches: a step scores thousands of rankings at one dictionary look-up a hit.

Values equal those of ir-measures (trec_eval) on the ranking with repeated documents removed: a document counts once,
where it is first seen, and the hits after it close up. Unjudged documents have grade 0; with `holes=skip` they are
removed before the cutoff, and so are documents of negative grade, which trec_eval counts as unjudged. With `holes=expected`
each is worth what judged documents are worth on average to which a judge gives the same score (leser.holes.expected); what
the measure divides by then holds the filled holes of the original's top k too, so that it is the same for a query's
completions, and the plain value where there is no hole.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from math import log2
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from leser.backend import Ranking
from leser.errors import LeserError
from leser.options import Options
from leser.reward import Outcome, Reward, RewardSpec

if TYPE_CHECKING:
    from leser.holes.expected import ExpectedGrades

WHOLE_RANKING = 1000  # TREC's customary depth, for a measure without a cutoff
_DISCOUNTS = [1.0 / log2(rank + 1) for rank in range(1, WHOLE_RANKING + 1)]


class Holes(Options):
    """The parameters every measure has."""

    holes: Literal["zero", "skip", "expected"] = Field(
        "zero", description="a document without a judgment is not relevant, left out, or as relevant as a judge expects"
    )
    judged_only: bool = Field(False, description="the same as holes=skip, by ir-measures' name")

    @model_validator(mode="after")
    def _one_treatment(self) -> Self:
        if self.judged_only and "holes" in self.model_fields_set and self.holes != "skip":
            raise ValueError(f"judged_only=True means holes=skip, and holes={self.holes} is given. Drop one of them")
        return self

    @property
    def skip(self) -> bool:
        """Whether holes are left out."""
        return self.judged_only or self.holes == "skip"


class Level(Holes):
    """Parameters of the measures that know only relevant and not relevant."""

    rel: int = Field(1, ge=1, description="least grade that counts as relevant")


class Gains(Holes):
    """Parameters of nDCG."""

    dcg: Literal["log2", "exp-log2"] = Field("log2", description="gain of a grade g: g itself, or 2^g - 1")
    gains: dict[int, float] = Field(
        default_factory=dict, description="gain of each grade, where it is not the grade itself"
    )


class RelevanceReward(Reward):
    """What they share: parameters, the cutoff, and a query's judgments prepared once and kept.

    Judgments are taken as constant: a query's prepared judgments are made again only for a mapping that differs.
    """

    Options = Holes
    options: Holes
    cutoff_required: ClassVar[bool] = True

    def __init__(self, spec: RewardSpec) -> None:
        super().__init__(spec)
        if spec.cutoff is None and self.cutoff_required:
            raise LeserError(f"The reward '{spec.text}' needs a cutoff. Write it as {spec.text}@10.")
        self._prepared: dict[str, tuple[Mapping[str, int], Mapping[str, float], float]] = {}
        self._expected: ExpectedGrades | None = None

    @property
    def fills(self) -> bool:
        """Whether holes are worth what a judge expects."""
        return self.options.holes == "expected"

    def fill_with(self, expected: ExpectedGrades) -> None:
        """Take what holes are worth; a run does it before anything is scored."""
        self._expected = expected

    @property
    def depth(self) -> int:
        """The cutoff, or 1,000 without one; holes=skip reads past the cutoff, to 1,000 too."""
        if self.spec.cutoff is None or self.options.skip:
            return max(WHOLE_RANKING, self.spec.cutoff or 0)
        return self.spec.cutoff

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """The measure of each expanded ranking; None for a query without a relevant document, and where a judge failed."""
        if self.fills:
            return self._filled(outcomes)
        values: list[float | None] = []
        for outcome in outcomes:
            gains, best = self._judgments(outcome.query.id, outcome.grades)
            if not gains or outcome.expanded is None:
                values.append(None)
            else:
                whole = self.spec.cutoff is None or self.depth > self.spec.cutoff or self.depth >= WHOLE_RANKING
                found = outcome.expanded
                ids = self._ids(found, outcome) if whole or outcome.withheld else found.top(self.depth)
                values.append(self.value(ids, gains, best))
        return values

    def _filled(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """The same with holes filled. A judge's failure on one document takes the whole group out."""
        if self._expected is None:
            raise LeserError(f"'{self.spec.text}' needs a judge. Set -o evaluation.judge=encoder.")
        holes = [tuple(self._holes(r, o) for r in (o.original, o.expanded)) for o in outcomes]
        self._expected.read(
            (o.query, doc) for o, both in zip(outcomes, holes, strict=True) for ids in both for doc in ids
        )
        values: list[float | None] = []
        failed = set()
        for outcome, (before, after) in zip(outcomes, holes, strict=True):
            gains, _ = self._judgments(outcome.query.id, outcome.grades)
            if not gains or outcome.expanded is None:
                values.append(None)
                continue
            known = self._expected.worths(outcome.query, before, self.worth)
            added = self._expected.worths(outcome.query, after, self.worth)
            if any(value != value for value in (*known, *added)):
                failed.add((outcome.query.id, outcome.group))
            best = self.ideal([*gains.values(), *known])
            both = {**gains, **dict(zip(after, added, strict=True))}
            values.append(min(self.value(self._ids(outcome.expanded, outcome), both, best), 1.0))
        lost = [(o.query.id, o.group) in failed for o in outcomes]
        return [None if gone else value for gone, value in zip(lost, values, strict=True)]

    def _holes(self, ranking: Ranking | None, outcome: Outcome) -> tuple[str, ...]:
        """The documents without a judgment among those that the measure reads."""
        ids = self._ids(ranking, outcome) if ranking else ()
        return tuple(doc for doc in ids[: self.depth] if outcome.grades.get(doc, -1) < 0)

    @abstractmethod
    def worth(self, grade: int) -> float:
        """What a document of this grade counts, 0 or more."""

    @abstractmethod
    def ideal(self, worths: Iterable[float]) -> float:
        """The number the measure divides by, from what the documents that count are worth."""

    def prepare(self, grades: Mapping[str, int]) -> tuple[Mapping[str, float], float]:
        """What each document that counts is worth, and the number the measure divides by."""
        gains = {doc: worth for doc, grade in grades.items() if (worth := self.worth(grade)) > 0}
        return gains, self.ideal(gains.values())

    @abstractmethod
    def value(self, ids: Sequence[str], gains: Mapping[str, float], best: float) -> float:
        """The measure of a ranking that is free of repeats, and not longer than the cutoff."""

    def _judgments(self, query_id: str, grades: Mapping[str, int]) -> tuple[Mapping[str, float], float]:
        known = self._prepared.get(query_id)
        if known is None or (known[0] is not grades and known[0] != grades):
            known = self._prepared[query_id] = (grades, *self.prepare(grades))
        return known[1], known[2]

    def _ids(self, ranking: Ranking, outcome: Outcome) -> Sequence[str]:
        """The documents that the measure reads, in their order; those withheld are as if they were not there."""
        unique: Sequence[str] = list(dict.fromkeys(ranking.ids))
        if outcome.withheld:
            unique = [doc for doc in unique if doc not in outcome.withheld]
        if self.options.skip:
            unique = [doc for doc in unique if outcome.grades.get(doc, -1) >= 0]
        return unique if self.spec.cutoff is None else unique[: self.spec.cutoff]


class NDCG(RelevanceReward):
    """Discounted gain of the top k relative to the best order the judgments allow (nDCG@k).

    Jarvelin and Kekalainen, TOIS 20(4), 2002, with trec_eval's discount 1/log2(rank + 1).
    """

    name = "nDCG"
    Options = Gains
    cutoff_required = False
    options: Gains

    def worth(self, grade: int) -> float:
        """The grade's gain."""
        if grade in self.options.gains:
            return max(self.options.gains[grade], 0.0)
        return max(float(grade) if self.options.dcg == "log2" else 2.0**grade - 1.0, 0.0)

    def ideal(self, worths: Iterable[float]) -> float:
        """The discounted gain of the ideal order."""
        best = sorted(worths, reverse=True)[: self.spec.cutoff]
        return sum(gain * _discount(place) for place, gain in enumerate(best))

    def value(self, ids: Sequence[str], gains: Mapping[str, float], best: float) -> float:
        """Discounted gain over the ideal one."""
        found = 0.0
        for place, doc in enumerate(ids):
            gain = gains.get(doc)
            if gain is not None:
                found += gain * _discount(place)
        # Rounding can carry a perfect ranking past 1 by one unit in the last place.
        return min(found / best, 1.0)


class Binary(RelevanceReward):
    """Measures that know only relevant and not relevant."""

    Options = Level
    options: Level

    def worth(self, grade: int) -> float:
        """1 for a relevant document; expected: the probability that it is."""
        return float(grade >= self.options.rel)

    def ideal(self, worths: Iterable[float]) -> float:
        """How many relevant documents there are."""
        return float(sum(worths))


class Recall(Binary):
    """Share of the judged relevant documents found in the top k (R@k)."""

    name = "R"

    def value(self, ids: Sequence[str], gains: Mapping[str, float], best: float) -> float:
        """Relevant documents found over all of them."""
        return sum(gains[doc] for doc in ids if doc in gains) / best


class ReciprocalRank(Binary):
    """One over the rank of the first relevant document (RR@k)."""

    name = "RR"
    cutoff_required = False

    def value(self, ids: Sequence[str], gains: Mapping[str, float], best: float) -> float:  # noqa: ARG002
        """1 / rank of the first relevant document, 0 without one; over all of them where relevance is a probability.

        The expectation is the sum over ranks of p_r / r times the product of 1 - p of the ranks above it.
        """
        found, unseen = 0.0, 1.0
        for rank, doc in enumerate(ids, start=1):
            if doc in gains:
                found += unseen * gains[doc] / rank
                unseen *= 1.0 - gains[doc]
                if unseen <= 0.0:
                    break
        return found


class Precision(Binary):
    """Share of the top k that is relevant; a ranking shorter than k still counts as k (P@k)."""

    name = "P"

    def value(self, ids: Sequence[str], gains: Mapping[str, float], best: float) -> float:  # noqa: ARG002
        """Relevant documents found over the cutoff."""
        return sum(gains[doc] for doc in islice(ids, self.spec.cutoff) if doc in gains) / (self.spec.cutoff or 1)


def _discount(place: int) -> float:
    return _DISCOUNTS[place] if place < WHOLE_RANKING else 1.0 / log2(place + 2)
