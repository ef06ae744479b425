"""RewardSet: several rewards asked together about a batch of outcomes, and checked where they answer.

Total = sum of weight x value over the rewards that apply to the query, less `term_cost` for each expansion. It is not
divided by the weights that apply: what applies is the same for a whole group, so advantages do not see it.

A gated completion gets one value below the least possible total, and in each component one beyond the end of its range that
is worst under the component's weight: a gate is a loss however the rewards are combined.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from leser.composition import Clipped, RewardProduct, read_composed
from leser.errors import LeserError, unknown_name
from leser.expansion import Code, ExpansionOptions
from leser.reward import Outcome, Reward, RewardOptions, parse_spec
from leser.reward_calls import TOLERANCE, ask_reward, make_reward

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WEIGHTED = re.compile(r"(?P<spec>[^=()]+(?:\([^()]*\))?(?:@\d+)?)\s*(?:=\s*(?P<weight>[^=()]+))?")
GATED_MARGIN = 0.1
"""How far below the least possible total a gated completion lies by default: enough to prefer a readable one."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What a batch of n outcomes earned under r rewards.

    `values` is (n, r), NaN where a reward does not apply or was not asked; `total` is (n,), NaN where `excluded`.
    `gated` completions hold the gated reward. `excluded` ones leave baseline, loss and token count: their search
    failed, or no reward applies to their query.
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    values: NDArray[np.float64]
    total: NDArray[np.float64]
    gated: NDArray[np.bool_]
    excluded: NDArray[np.bool_]


class RewardSet:
    """Rewards with their weights; a reward that breaks its contract raises LeserError naming it and the query."""

    def __init__(
        self,
        rewards: Sequence[Reward],
        weights: Sequence[float],
        gated_reward: float | None = None,
        term_cost: float = 0.0,
        max_expansions: int = ExpansionOptions().max_expansions,
    ) -> None:
        self.term_cost = term_cost
        self.max_expansions = max_expansions
        if not any(not reward.gate for reward in rewards):
            raise LeserError(
                "The rewards hold nothing but gates. Add one that measures success, e.g. --reward nDCG@10."
            )
        self.rewards = tuple(rewards)
        self.weights = tuple(weights)
        self.starts: tuple[float, ...] = self.weights
        """The weights at the first step of GRPO; `weights` are those of the last, and of everything else."""
        least = sum(min(0.0, *(w * bound for bound in r.range)) for r, w in self._weighted())
        least -= term_cost * max_expansions
        if gated_reward is not None and gated_reward > least:
            raise LeserError(
                f"gated_reward {gated_reward:g} is above {least:g}, the least these rewards can sum to: a completion"
                f" that cannot be read would be worth more than a bad one. Set it to {least:g} or less."
            )
        self.gated_reward = least - GATED_MARGIN if gated_reward is None else gated_reward

    @classmethod
    def of(
        cls, options: RewardOptions, classes: Mapping[str, type[Reward]], expansion: ExpansionOptions | None = None
    ) -> RewardSet:
        """The rewards that options name, out of `classes`, for completions of `expansion`; raises as `from_specs` does."""
        most = (expansion or ExpansionOptions()).max_expansions
        return cls.from_specs(options.weights, classes, options.gated_reward, options.term_cost, most)

    @classmethod
    def from_specs(
        cls,
        specs: Iterable[str],
        classes: Mapping[str, type[Reward]],
        gated_reward: float | None = None,
        term_cost: float = 0.0,
        max_expansions: int = ExpansionOptions().max_expansions,
    ) -> RewardSet:
        """Build from strings `NAME[=WEIGHT]` such as "nDCG@10=0.7"; `classes` maps family names to reward classes."""
        rewards: list[Reward] = []
        weights: list[float] = []
        starts: list[float] = []
        for text in specs:
            reward, weight, start = _build(text, classes)
            if any(reward.spec.text == other.spec.text for other in rewards):
                raise LeserError(f"The reward '{reward.spec.text}' is given twice. Drop one, or add up their weights.")
            rewards.append(reward)
            weights.append(weight)
            starts.append(start)
        if not rewards:
            raise LeserError("No reward given. Name at least one, e.g. --reward nDCG@10.")
        made = cls(rewards, weights, gated_reward, term_cost, max_expansions)
        if starts != weights:
            made.starts = tuple(starts)
            # one reward of gated completions that is the least all through training
            made.gated_reward = min(
                made.gated_reward, cls(rewards, starts, gated_reward, term_cost, max_expansions).gated_reward
            )
        return made

    def at(self, progress: float) -> RewardSet:
        """These rewards with the weights of a moment of GRPO: 0 is its first step, 1 its last."""
        if self.starts == self.weights:
            return self
        then = copy(self)
        pairs = zip(self.starts, self.weights, strict=True)
        then.weights = then.starts = tuple(start + (end - start) * progress for start, end in pairs)
        return then

    @property
    def formula(self) -> str:
        """The total in words: what each reward counts, and what a gate does."""
        rows = zip(self.rewards, self.starts, self.weights, strict=True)
        parts = [
            f"{end:g} x {r.spec.text}" if start == end else f"({start:g} -> {end:g} over GRPO) x {r.spec.text}"
            for r, start, end in rows
            if not r.gate
        ]
        cost = f" - {self.term_cost:g} per expansion" if self.term_cost else ""
        gates = "".join(f", or not {r.spec.text}" for r in self.rewards if r.gate)
        return f"{' + '.join(parts)}{cost}; {self.gated_reward:g} where unreadable, against a rule{gates}"

    @property
    def names(self) -> tuple[str, ...]:
        """The rewards' strings, in order."""
        return tuple(reward.spec.text for reward in self.rewards)

    @property
    def depth(self) -> int:
        """How many hits the deepest reward reads."""
        return max(reward.depth for reward in self.rewards)

    @property
    def fields(self) -> tuple[str, ...]:
        """Document fields to prefetch for all rewards."""
        return tuple(dict.fromkeys(field for reward in self.rewards for field in reward.fields))

    @property
    def requires(self) -> frozenset[str]:
        """What the rewards need beyond the two rankings."""
        return frozenset().union(*(reward.requires for reward in self.rewards))

    def two_rankings_only(self) -> RewardSet:
        """The rewards, gates left out, that read only the two rankings: what a baseline is tuned on."""
        kept = [(r, w) for r, w in self._weighted() if not r.requires]
        if not kept:
            raise LeserError(
                f"Baselines are tuned on searches alone, and {', '.join(self.names)} need more. Add e.g. nDCG@10."
            )
        return RewardSet([r for r, _ in kept], [w for _, w in kept])

    def score(self, outcomes: Sequence[Outcome]) -> Scores:
        """Ask every reward about the batch; shapes in `Scores`."""
        values = np.full((len(outcomes), len(self.rewards)), np.nan)
        codes = [outcome.code for outcome in outcomes]
        failed = np.array([code is Code.ENGINE_ERROR for code in codes], dtype=bool)
        gated = np.array([code in (Code.PARSE_ERROR, Code.RULE_VIOLATION) for code in codes], dtype=bool)
        unsearched = gated.copy()
        for outcome, searchless in zip(outcomes, failed | gated, strict=True):
            if (outcome.expanded is None) != searchless:
                raise LeserError(
                    f"Outcome of query '{outcome.query.id}': code '{outcome.code}' and its ranking contradict."
                )
        for column, reward in enumerate(self.rewards):
            asked = np.flatnonzero(~failed if reward.unsearched else ~(failed | unsearched))
            values[asked, column] = ask_reward(reward, [outcomes[row] for row in asked.tolist()])
            if reward.gate:
                gated |= values[:, column] < 1.0 - TOLERANCE
        measured = values[:, [not reward.gate for reward in self.rewards]]
        weights = np.array([weight for _, weight in self._weighted()])
        total = np.nansum(measured * weights, axis=1)
        total -= self.term_cost * np.array([len(outcome.expansions) for outcome in outcomes], dtype=float)
        total[gated] = self.gated_reward
        excluded = failed | (~gated & np.isnan(measured).all(axis=1))
        total[excluded] = np.nan
        return Scores(self.names, self.weights, values, total, gated & ~excluded, excluded)

    def reads_labels(self, outcomes: Sequence[Outcome], scores: Scores) -> bool:
        """Whether the judgments of these outcomes' own queries had a part in their scores: without them something differs."""
        blind = self.score([outcome.unlabelled() for outcome in outcomes])
        return bool((~np.isnan(scores.values) & (scores.values != blind.values)).any())

    def components(self, outcomes: Sequence[Outcome], scores: Scores) -> tuple[NDArray[np.float64], tuple[float, ...]]:
        """The parts of the total one by one, (n, K), and their weights (K,): each reward, gates left out, and the term cost.

        The cost is the negative number of expansions with the weight `term_cost`. NaN where a reward does not apply.
        """
        pairs = self._weighted()
        columns = [scores.values[:, [not reward.gate for reward in self.rewards]]]
        bounds, weights = [r.range for r, _ in pairs], [w for _, w in pairs]
        if self.term_cost:
            columns.append(-np.array([[len(outcome.expansions)] for outcome in outcomes], dtype=np.float64))
            bounds.append((-float(self.max_expansions), 0.0))
            weights.append(self.term_cost)
        values = np.concatenate(columns, axis=1)
        values[scores.gated] = [
            min(bound) - GATED_MARGIN if weight > 0 else max(bound) + GATED_MARGIN
            for bound, weight in zip(bounds, weights, strict=True)
        ]
        return values, tuple(weights)

    def _weighted(self) -> list[tuple[Reward, float]]:
        return [(r, w) for r, w in zip(self.rewards, self.weights, strict=True) if not r.gate]


def _build(text: str, classes: Mapping[str, type[Reward]]) -> tuple[Reward, float, float]:
    """A reward with its weight at the end of training, and at its start."""
    composed = read_composed(text)
    if composed.plain:
        reward, weight = _plain(text, classes)
        return reward, weight, weight
    factors = [_factor(factor.text, factor.clip, classes) for factor in composed.factors]
    reward = factors[0] if len(factors) == 1 else RewardProduct(factors)
    start, end = (_weight(given, reward) for given in composed.weight or ("1", "1"))
    if start == end == 0:
        raise LeserError(f"The weight of the reward '{reward.spec.text}' must be a number other than 0.")
    return reward, end, start


def _factor(text: str, clip: tuple[float, float] | None, classes: Mapping[str, type[Reward]]) -> Reward:
    reward, _ = _plain(text, classes)
    if reward.gate or reward.unsearched:
        raise LeserError(
            f"The reward '{reward.spec.text}' is a gate: it cannot be clipped, multiplied or given a weight."
        )
    return reward if clip is None else Clipped(reward, *clip)


def _plain(text: str, classes: Mapping[str, type[Reward]]) -> tuple[Reward, float]:
    """One reward as it stands and its weight, 1 where none is given."""
    match = _WEIGHTED.fullmatch(text.strip())
    if match is None:
        raise LeserError(f"Invalid reward '{text}'. Expected NAME or NAME=WEIGHT, e.g. nDCG@10=0.7.")
    spec = parse_spec(match["spec"])
    if spec.family not in classes:
        raise unknown_name("reward", spec.family, classes)
    reward = make_reward(classes[spec.family], spec)
    given = match["weight"]
    if given is None:
        return reward, 1.0
    if reward.gate:
        raise LeserError(
            f"The reward '{spec.text}' is a gate and takes no weight. Write {spec.text} without ={given.strip()}."
        )
    weight = _weight(given, reward)
    if weight == 0:
        raise LeserError(f"The weight '{given.strip()}' of the reward '{spec.text}' must be a number other than 0.")
    return reward, weight


def _weight(given: str, reward: Reward) -> float:
    try:
        weight = float(given)
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight):
        raise LeserError(
            f"The weight '{given.strip()}' of the reward '{reward.spec.text}' must be a number other than 0."
        )
    return weight


def mean_of(values: NDArray[np.float64]) -> float:
    """The mean of the values that apply (not NaN), NaN when none does."""
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if kept.size else float("nan")
