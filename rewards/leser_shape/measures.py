"""The format gate, and the share of the original's relevant results that an expansion keeps."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from leser.expansion import Code
from leser.options import Options
from leser.reward import Outcome, Reward, RewardSpec


class FormatParameters(Options):
    """Parameters of the format gate."""

    none: bool = Field(True, description="'none' (leave the query alone) is an acceptable answer")
    distinct: bool = Field(False, description="an expansion given twice in one completion is gated")


class KeptParameters(Options):
    """Parameters of kept."""

    rel: int = Field(1, ge=1, description="least grade that counts as relevant")
    all: bool = Field(False, description="every hit of the original counts, judged or not: no label is needed")
    min: float | None = Field(None, gt=0, le=1, description="least share that must be kept; makes this reward a gate")


class Format(Reward):
    """1 for a completion that could be read and breaks no rule, else 0: a gate (format, format(none=False)).

    A completion that cannot be read is never searched and is gated with or without this reward; the parameters gate
    more.
    """

    name = "format"
    Options = FormatParameters
    options: FormatParameters
    gate = True
    unsearched = True

    @property
    def depth(self) -> int:
        """Reads no hit; 1 is the least a search can ask for."""
        return 1

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """1.0 or 0.0 for every completion."""
        return [float(self._acceptable(outcome)) for outcome in outcomes]

    def _acceptable(self, outcome: Outcome) -> bool:
        if outcome.code in (Code.PARSE_ERROR, Code.RULE_VIOLATION):
            return False
        if not outcome.expansions:
            return self.options.none
        texts = [expansion.text.casefold() for expansion in outcome.expansions]
        return not self.options.distinct or len(set(texts)) == len(texts)


class Kept(Reward):
    """Share of the original's relevant top k that is still in the expanded top k (kept@k, kept(min=0.8)@10).

    With `min` it is a gate: 1 where at least that share is kept, else 0. Does not apply where the original's top k
    holds nothing relevant. With `all` every hit counts (kept(all=true)@10): an anchor for judges that need no labels,
    which drift where nothing holds what the original found.
    """

    name = "kept"
    Options = KeptParameters
    options: KeptParameters

    def __init__(self, spec: RewardSpec) -> None:
        super().__init__(spec)
        self.gate = self.options.min is not None

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """The share, or with a threshold whether it is met."""
        return [self._share(outcome) for outcome in outcomes]

    def _share(self, outcome: Outcome) -> float | None:
        withheld = frozenset() if self.options.all else outcome.withheld
        top = outcome.original.top(self.depth, withheld)
        relevant = {doc for doc in top if self.options.all or outcome.grades.get(doc, 0) >= self.options.rel}
        if not relevant or outcome.expanded is None:
            return None
        share = len(relevant.intersection(outcome.expanded.top(self.depth, withheld))) / len(relevant)
        return share if self.options.min is None else float(share >= self.options.min)
