"""Several rewards together: weights, gates, exclusion, and what a broken plugin is told."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from leser_coverage import Coverage, UnionRecall
from leser_relevance import NDCG, Recall
from leser_shape import Format, Kept

from leser.backend import Ranking
from leser.errors import LeserError
from leser.expansion import Code, Expansion
from leser.reward import Outcome, Reward
from leser.scoring import RewardSet
from leser.task import Query
from leser.testing.reward_contract import ranking

CLASSES: dict[str, type[Reward]] = {cls.name: cls for cls in (NDCG, Recall, Coverage, UnionRecall, Format, Kept)}
GRADES = {"a": 1, "b": 1}
VAGUE = Query("vague", "gift", subtopics={"one": frozenset({"a"}), "two": frozenset({"z"})})


def outcome(expanded: Ranking | None, code: Code = Code.OK, query: Query = VAGUE, group: int = 0) -> Outcome:
    return Outcome(query, group, "x", (Expansion("x"),), ranking("a", "b"), expanded, GRADES, code)


def test_total_is_the_weighted_sum_of_what_applies() -> None:
    rewards = RewardSet.from_specs(["R(rel=1)@10=0.7", "coverage@10 = 0.3"], CLASSES)
    plain = Query("plain", "sofa")
    scores = rewards.score([outcome(ranking("a", "z")), outcome(ranking("a"), query=plain, group=1)])
    assert scores.names == ("R(rel=1)@10", "coverage@10")
    np.testing.assert_allclose(scores.total, [0.7 * 0.5 + 0.3 * 1.0, 0.7 * 0.5])
    assert math.isnan(scores.values[1, 1])
    assert not scores.gated.any()
    assert not scores.excluded.any()


def test_gated_completions_earn_less_than_any_other_and_failed_searches_nothing() -> None:
    rewards = RewardSet.from_specs(["nDCG@10", "format", "kept(min=0.8)@10"], CLASSES)
    scores = rewards.score(
        [
            outcome(None, Code.PARSE_ERROR),
            outcome(None, Code.RULE_VIOLATION),
            outcome(None, Code.ENGINE_ERROR),
            outcome(ranking("a")),  # keeps one of two
            outcome(ranking(), Code.NOTHING_FOUND),  # keeps none
            outcome(ranking("x", "a", "b")),
        ]
    )
    assert scores.gated.tolist() == [True, True, False, True, True, False]
    assert scores.excluded.tolist() == [False, False, True, False, False, False]
    assert math.isnan(scores.total[2])
    assert scores.total[[0, 1, 3, 4]].tolist() == [rewards.gated_reward] * 4
    assert scores.total[5] > rewards.gated_reward
    assert scores.values[0, 1] == 0.0  # format is asked about what was never searched
    assert math.isnan(scores.values[0, 0])


def test_default_gated_reward_lies_below_the_least_total() -> None:
    assert RewardSet.from_specs(["nDCG@10"], CLASSES).gated_reward < 0.0
    assert RewardSet.from_specs(["nDCG@10", "coverage@10=-0.5"], CLASSES).gated_reward < -0.5
    assert RewardSet.from_specs(["nDCG@10"], CLASSES, gated_reward=-2.0).gated_reward == -2.0
    with pytest.raises(LeserError, match=r"gated_reward 0\.1 is above 0"):
        RewardSet.from_specs(["nDCG@10"], CLASSES, gated_reward=0.1)


def test_a_query_nothing_applies_to_is_excluded() -> None:
    scores = RewardSet.from_specs(["coverage@10"], CLASSES).score([outcome(ranking("a"), query=Query("p", "sofa"))])
    assert scores.excluded.tolist() == [True]


def test_what_the_set_needs_is_what_its_rewards_need() -> None:
    rewards = RewardSet.from_specs(["nDCG@20", "union_R@5", "kept(min=0.5)@30"], CLASSES)
    assert rewards.depth == 30
    assert rewards.requires == {"per_expansion"}
    assert rewards.fields == ()
    assert rewards.two_rankings_only().names == ("nDCG@20",)


@pytest.mark.parametrize(
    ("specs", "complaint"),
    [
        ([], "No reward given"),
        (["nDGC@10"], "Unknown reward 'nDGC'. Did you mean 'nDCG'"),
        (["nDCG@10=much"], "weight 'much'"),
        (["nDCG@10=0"], "other than 0"),
        (["nDCG@10=inf"], "must be a number"),
        (["nDCG@10=0.5=0.5"], "Invalid reward"),
        (["nDCG@0"], "Invalid reward"),
        (["nDCG@10", "nDCG@10=0.5"], "given twice"),
        (["format"], "nothing but gates"),
        (["nDCG@10", "format=0.5"], "takes no weight"),
    ],
)
def test_bad_configurations_are_refused(specs: list[str], complaint: str) -> None:
    with pytest.raises(LeserError, match=complaint):
        RewardSet.from_specs(specs, CLASSES)


def broken(answer: list[float | None] | Exception) -> dict[str, type[Reward]]:
    class Broken(Reward):
        """A plugin that breaks its contract."""

        name = "broken"

        def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
            if isinstance(answer, Exception):
                raise answer
            return answer

    return {"broken": Broken}


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (KeyError("price"), "raised KeyError: 'price'.*'vague'"),
        ([1.0], "gave 1 values for 2 outcomes"),
        ([1.0, math.nan], "gave nan for query 'vague', outside its range 0 to 1"),
        ([1.0, 1.5], "gave 1.5 for query 'vague'"),
        ([1.0, None], "applies to some completions for query 'vague'"),
    ],
)
def test_a_broken_plugin_is_named_with_the_query(answer: list[float | None] | Exception, complaint: str) -> None:
    rewards = RewardSet.from_specs(["broken"], broken(answer))
    with pytest.raises(LeserError, match=r"The reward 'broken' \(.*Broken\)") as raised:
        rewards.score([outcome(ranking("a")), outcome(ranking("b"))])
    assert raised.match(complaint)


def test_a_ranking_that_contradicts_its_code_is_refused() -> None:
    with pytest.raises(LeserError, match="contradict"):
        RewardSet.from_specs(["nDCG@10"], CLASSES).score([outcome(None, Code.OK)])
