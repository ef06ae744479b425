"""A gate is a loss however rewards are combined: under a negative weight, beside a term cost, summed or one by one."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from leser_relevance import NDCG

from leser.backend import Hit, Ranking
from leser.errors import LeserError
from leser.expansion import Code, Expansion, ExpansionOptions
from leser.grpo.advantage import group_advantages
from leser.grpo.options import GrpoOptions
from leser.reward import Outcome, Reward, RewardOptions
from leser.scoring import RewardSet
from leser.task import Query

QUERY = Query("q", "sofa")


class Price(Reward):
    """The price of the first hit, from 0 to 1."""

    name = "price"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    depth = 1

    def score(self, outcomes: list[Outcome]) -> list[float | None]:
        return [float(o.expanded.hits[0].id) for o in outcomes if o.expanded]


def outcome(price: str | None, terms: int = 1) -> Outcome:
    """A completion whose first hit has this price; None: it could not be read."""
    ranking = None if price is None else Ranking((Hit(price, 1.0),))
    code = Code.PARSE_ERROR if price is None else Code.OK
    expansions = () if price is None else tuple(Expansion(f"t{n}") for n in range(terms))
    return Outcome(QUERY, 0, "x", expansions, Ranking(()), ranking, {"0.5": 1}, code)


def advantages(rewards: RewardSet, outcomes: list[Outcome], combine: str) -> np.ndarray:
    scores = rewards.score(outcomes)
    parts, weights = rewards.components(outcomes, scores)
    got = group_advantages(
        scores.total[None],
        excluded=scores.excluded[None],
        components=parts[None],
        weights=weights,
        options=GrpoOptions.model_validate({"combine": combine}),
    )
    return got.advantages[0]


@pytest.mark.parametrize("combine", ["sum", "each"])
def test_a_gated_completion_earns_less_than_any_other_under_a_negative_weight(combine: str) -> None:
    rewards = RewardSet.from_specs(["price=-1"], {"price": Price})
    got = advantages(rewards, [outcome(None), outcome("0.1"), outcome("0.5"), outcome("0.9")], combine)
    assert got[0] < got[3] < got[2] < got[1]


def test_components_of_what_is_gated_lie_beyond_the_worst_end() -> None:
    rewards = RewardSet.from_specs(["price=-1", "nDCG@10=0.5"], {"price": Price, "nDCG": NDCG}, None, 0.01, 4)
    outcomes = [outcome(None), outcome("0.5", 3)]
    parts, weights = rewards.components(outcomes, rewards.score(outcomes))
    assert weights == (-1.0, 0.5, 0.01)
    assert parts[0].tolist() == pytest.approx([1.1, -0.1, -4.1])
    assert parts[1].tolist() == pytest.approx([0.5, 1.0, -3.0])


def test_a_term_costs_when_rewards_are_combined_one_by_one() -> None:
    rewards = RewardSet.from_specs(["price"], {"price": Price}, None, 0.02)
    got = advantages(rewards, [outcome("0.5", 5), outcome("0.5", 1)], "each")
    assert got[0] < 0 < got[1]
    free = RewardSet.from_specs(["price"], {"price": Price})
    assert not advantages(free, [outcome("0.5", 5), outcome("0.5", 1)], "each").any()


def test_the_worst_readable_completion_earns_more_than_a_gated_one() -> None:
    """Five useless terms at .03 each are worth -.15; by default what cannot be read lies below that."""
    rewards = RewardSet.from_specs(["price"], {"price": Price}, None, 0.03)
    scores = rewards.score([outcome("0.0", 5), outcome(None)])
    assert scores.total.tolist() == pytest.approx([-0.15, -0.25])


def test_a_gated_reward_above_the_cost_of_terms_is_refused() -> None:
    with pytest.raises(LeserError, match=r"gated_reward 0 is above -0\.15"):
        RewardSet.from_specs(["price"], {"price": Price}, 0.0, 0.03)
    assert RewardSet.from_specs(["price"], {"price": Price}, -0.15, 0.03).gated_reward == -0.15


def test_the_longest_completion_is_that_of_the_configuration() -> None:
    options = RewardOptions(weights=("price",), term_cost=0.03)
    rewards = RewardSet.of(options, {"price": Price}, ExpansionOptions(max_expansions=10))
    assert rewards.gated_reward == pytest.approx(-0.4)
