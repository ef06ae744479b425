"""Rewards composed in a configuration: products, clipped values, and weights that move over training.

    [rewards]
    weights = ["nDCG@10 * coverage@10=0.7", "encoder@10[0.2:0.8]=0.3", "kept@10=1.0->0.2"]

A product is worth nothing where one factor is 0, so that none can be bought with the other. A clipped reward moves only
between its bounds. A weight A->B is A at the first step of GRPO, B at the last, and in between in proportion; the warm-up
and every evaluation take B, so that what is compared was measured alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from leser.errors import LeserError
from leser.reward import Outcome, Reward, RewardSpec

_CLIP = re.compile(r"(?P<reward>.*)\[(?P<low>[^\[\]:]*):(?P<high>[^\[\]:]*)\]\s*", re.DOTALL)
_OPENING, _CLOSING = "([{", ")]}"


@dataclass(frozen=True, slots=True)
class Factor:
    """One reward of a product, as it is written, and the bounds it is clipped to."""

    text: str
    clip: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Composed:
    """A reward of a configuration, read: its factors, and its weight at the start and at the end (None: not given)."""

    factors: tuple[Factor, ...]
    weight: tuple[str, str] | None

    @property
    def plain(self) -> bool:
        """Whether it is one reward as it stands, at a weight that does not move."""
        return (
            len(self.factors) == 1
            and self.factors[0].clip is None
            and (self.weight is None or len(set(self.weight)) == 1)
        )


def read_composed(text: str) -> Composed:
    """Read `FACTOR * FACTOR ...=WEIGHT`, a factor being NAME(...)@k or NAME(...)@k[LOW:HIGH]; raises LeserError."""
    body, *weight = _parts(text, "=")
    factors = tuple(_factor(factor, text) for factor in _parts(body, "*"))
    if not weight:
        return Composed(factors, None)
    start, arrow, end = weight[-1].partition("->")
    return Composed(factors, (start.strip(), end.strip() if arrow else start.strip()))


def _factor(text: str, whole: str) -> Factor:
    match = _CLIP.fullmatch(text)
    if match is None:
        return Factor(text.strip(), None)
    try:
        low, high = float(match["low"]), float(match["high"])
    except ValueError:
        low = high = 0.0
    if not low < high:
        raise LeserError(
            f"'[{match['low']}:{match['high']}]' in the reward '{whole}' is not a range. Write the lower bound first, e.g. "
            "nDCG@10[0.2:0.8]."
        )
    return Factor(match["reward"].strip(), (low, high))


def _parts(text: str, sign: str) -> list[str]:
    """The text cut at every sign that stands in no bracket and no quotes."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"" and depth:
            quote = character
        elif character in _OPENING or character in _CLOSING:
            depth += 1 if character in _OPENING else -1
        elif character == sign and depth == 0:
            parts.append("")
            continue
        parts[-1] += character
    return parts


def leaves(rewards: Iterable[object]) -> Iterator[object]:
    """The rewards that these are made of, each as its class made it."""
    for reward in rewards:
        if isinstance(reward, RewardProduct):
            yield from leaves(reward.rewards)
        elif isinstance(reward, Clipped):
            yield from leaves([reward.reward])
        else:
            yield reward


class Clipped(Reward):
    """Another reward, held between two bounds: what lies beyond them makes no difference."""

    name = "clipped"

    def __init__(self, reward: Reward, low: float, high: float) -> None:
        self.reward, self.low, self.high = reward, low, high
        self.spec = RewardSpec(
            f"{reward.spec.text}[{low:g}:{high:g}]", reward.spec.family, reward.spec.params, reward.spec.cutoff
        )
        self.range = (low, high)  # type: ignore[misc]  # known only once it is made
        self.requires, self.fields = reward.requires, reward.fields

    @property
    def depth(self) -> int:
        """That of the reward itself."""
        return self.reward.depth

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """The reward's values within the bounds."""
        values = self.reward.score(outcomes)
        return [None if value is None else min(max(value, self.low), self.high) for value in values]


class RewardProduct(Reward):
    """Several rewards multiplied; does not apply where one of them does not."""

    name = "product"

    def __init__(self, rewards: Sequence[Reward]) -> None:
        self.rewards = tuple(rewards)
        self.spec = RewardSpec(" * ".join(reward.spec.text for reward in rewards), "product", {}, None)
        corners = [prod(corner) for corner in product(*(reward.range for reward in rewards))]
        self.range = (min(corners), max(corners))  # type: ignore[misc]
        self.requires = frozenset().union(*(reward.requires for reward in rewards))
        self.fields = tuple(dict.fromkeys(field for reward in rewards for field in reward.fields))

    @property
    def depth(self) -> int:
        """That of the deepest factor."""
        return max(reward.depth for reward in self.rewards)

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """The product of the factors' values."""
        rows = zip(*(reward.score(outcomes) for reward in self.rewards), strict=True)
        return [None if None in row else prod(value for value in row if value is not None) for row in rows]
