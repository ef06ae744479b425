"""Deep forms of relevance: nDCG at 100, at 1,000 and without a cutoff, and log_rank, against numbers worked by hand."""

from __future__ import annotations

from math import log, log2

import pytest
from leser_relevance import NDCG, LogRank
from verified_shop import SPLIT, environment_of

from leser.backend import Hit, Ranking
from leser.environment import Attempt
from leser.errors import LeserError
from leser.expansion import Code, Expansion
from leser.reward import Outcome, Reward, parse_spec
from leser.task import Query
from leser.testing import RewardContract


def value(reward: Reward, ids: list[str], grades: dict[str, int]) -> float | None:
    ranking = Ranking(tuple(Hit(id, float(len(ids) - n)) for n, id in enumerate(ids)))
    return reward.score([Outcome(Query("q", "couch"), 0, "", (), Ranking(()), ranking, grades, Code.OK)])[0]


@pytest.mark.parametrize(
    ("name", "depth"), [("nDCG@100", 100), ("nDCG@1000", 1000), ("nDCG", 1000), ("log_rank", 1000)]
)
def test_the_search_is_as_deep_as_the_reward_reads(name: str, depth: int) -> None:
    spec = parse_spec(name)
    reward: Reward = {"nDCG": NDCG, "log_rank": LogRank}[spec.family](spec)
    assert reward.depth == depth
    environment = environment_of(rewards=[reward])
    with environment.client:
        assert environment.depth == depth
        outcome = environment.judge([Attempt(SPLIT.queries[0], 0, environment.say((Expansion("sofa"),)))], SPLIT)
        assert 0 < environment.score(outcome).total[0] <= 1


def test_a_deep_measure_sees_what_moves_below_the_tenth_place() -> None:
    low, high = [f"x{n}" for n in range(60)] + ["good"], [f"x{n}" for n in range(30)] + ["good"]
    shallow, deep = NDCG(parse_spec("nDCG@10")), NDCG(parse_spec("nDCG@100"))
    assert value(shallow, low, {"good": 1}) == value(shallow, high, {"good": 1}) == 0.0
    assert value(deep, low, {"good": 1}) == pytest.approx(1 / log2(62))
    assert value(deep, high, {"good": 1}) == pytest.approx(1 / log2(32))


def test_log_rank_by_hand() -> None:
    reward = LogRank(parse_spec("log_rank@7"))
    assert value(reward, ["good"], {"good": 1}) == 1.0
    assert value(reward, ["x", "good"], {"good": 2}) == pytest.approx(1 - log(2) / log(8))
    assert value(reward, ["x", "good", "y", "fine"], {"good": 1, "fine": 1, "lost": 1}) == pytest.approx(
        (2 / 3 + 1 / 3) / 3
    )
    assert value(reward, [*"abcdefg", "good"], {"good": 1}) == 0.0
    assert value(reward, ["good"], {"good": 0}) is None
    assert value(LogRank(parse_spec("log_rank(rel=2)@7")), ["x", "good"], {"good": 1}) is None
    # each halving of the rank is worth the same
    ranks = [value(reward, ["x"] * 0 + [f"x{i}" for i in range(n - 1)] + ["good"], {"good": 1}) for n in (1, 2, 4)]
    assert ranks[0] - ranks[1] == pytest.approx(ranks[1] - ranks[2])  # type: ignore[operator]
    with pytest.raises(LeserError, match="judged_only=True means holes=skip"):
        LogRank(parse_spec("log_rank(judged_only=True, holes=zero)@7"))


class TestLogRank(RewardContract):
    """The contract that every reward holds."""

    @pytest.fixture
    def reward(self) -> Reward:
        return LogRank(parse_spec("log_rank@10"))
