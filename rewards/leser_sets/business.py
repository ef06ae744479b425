"""business(field=...)@k: what the shop itself prefers to show, read from a field of its documents."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Self

from pydantic import Field, model_validator

from leser.options import Options
from leser.reward import Outcome, Reward, RewardSpec
from leser.similarity import discounts

_WORDS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}


class BusinessParameters(Options):
    """Which field, and which of its numbers are worth nothing and all."""

    field: str = Field("", min_length=1, description="document field that holds a number, or true and false")
    low: float = Field(0.0, allow_inf_nan=False, description="a document of this number, or below, is worth 0")
    high: float = Field(1.0, allow_inf_nan=False, description="a document of this number, or above, is worth 1")

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.low == self.high:
            raise ValueError("low and high are equal: no document could be distinguished from another")
        return self


class Business(Reward):
    """Discounted mean of a document field over the top k, scaled to 0 to 1 (business(field='margin', high=50)@k).

    `low` counts 0 and `high` counts 1, what lies between in proportion, under DCG's discount and divided by the sum of all k
    discounts. With `low` above `high` less is better: business(field='price', low=500, high=0). A document without a number
    in the field counts 0, and so does a rank without a document.

    Use when: stock, margin or freshness matter beside relevance, at a small weight or in a product with a relevance reward.
    Beware of: it knows nothing of the query. Alone, it teaches the policy to turn every query into what sells best.
    """

    name = "business"
    Options = BusinessParameters
    options: BusinessParameters

    def __init__(self, spec: RewardSpec) -> None:
        super().__init__(spec)
        self.fields = (self.options.field,)
        self._weights = discounts(self.depth).tolist()
        self._sum = sum(self._weights)

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """One mean for each expanded ranking."""
        return [self._mean(outcome) for outcome in outcomes]

    def _mean(self, outcome: Outcome) -> float:
        top = outcome.expanded.top(self.depth) if outcome.expanded else ()
        worth = sum(w * self._worth(outcome, id) for w, id in zip(self._weights, top, strict=False))
        return min(float(worth / self._sum), 1.0)

    def _worth(self, outcome: Outcome, id: str) -> float:
        document = outcome.documents.get(id)
        number = _number(document.fields.get(self.options.field, "")) if document else None
        if number is None:
            return 0.0
        return min(max((number - self.options.low) / (self.options.high - self.options.low), 0.0), 1.0)


def _number(text: str) -> float | None:
    plain = text.strip().casefold()
    if plain in _WORDS:
        return _WORDS[plain]
    try:
        number = float(plain)
    except ValueError:
        return None
    return number if isfinite(number) else None
