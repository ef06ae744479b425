"""A judge that reads no label always earns more by more weight: the weight is chosen with the engine's own opinion beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from leser_memory import MemoryBackend
from leser_relevance import NDCG
from leser_shape.own_score import OwnScore
from verified_shop import COUCH, environment_of, shelf

from leser.environment import Attempt, Environment
from leser.reward import Outcome, Reward, parse_spec
from leser.task import Query, Split
from leser.training.weight import GRID, best_weight, weigh
from leser.verified.anchor import agreement

TITLES = {
    **{f"c{i}": "couch" for i in range(6)},
    **{f"s{i}": "couch shiny" for i in range(4)},
    **{f"x{i}": "shiny shiny shiny" for i in range(12)},
    **{f"y{i}": "lamp" for i in range(12)},
}
SAID = [[(COUCH, "shiny")]]


class Sparkle(Reward):
    """How often the titles of the top k say shiny, of twenty times each (sparkle@k): a judge that wants ever more of it."""

    name = "sparkle"
    fields = ("title",)

    def score(self, outcomes: Sequence[Outcome]) -> list[float | None]:
        """Counts the word."""
        return [
            None
            if o.expanded is None
            else sum(o.documents[i].fields["title"].count("shiny") for i in o.expanded.ids[: self.depth])
            / (20 * self.depth)
            for o in outcomes
        ]


def shop(*rewards: Reward) -> Environment:
    return environment_of(MemoryBackend.of(shelf(TITLES)), rewards)


def totals(environment: Environment, split: Split, weight: float) -> tuple[float, float]:
    """What the expansion earns at a weight, and the engine's opinion of what it finds."""
    environment.weigh(weight)
    (outcome,) = environment.judge([Attempt(COUCH, 0, "shiny")], split)
    assert outcome.expanded is not None
    return float(environment.score([outcome]).total[0]), agreement(outcome.original, outcome.expanded, 10)


def test_without_labels_the_engines_opinion_counts_beside_the_judge() -> None:
    split = Split("dev", (COUCH,), {"q1": {"c1": 1}})  # judgments that no reward reads
    environment = shop(Sparkle(parse_spec("sparkle@10")))
    values = weigh(environment, split, SAID, GRID)
    alone = {weight: totals(environment, split, weight) for weight in GRID}
    assert best_weight({weight: earned for weight, (earned, _) in alone.items()}, 0.5) >= 1.0
    assert best_weight(values, 0.5) <= 0.5
    for weight, (earned, agreed) in alone.items():
        assert values[weight] == pytest.approx(earned + 0.3 * agreed)


def test_with_labels_the_rewards_alone_decide() -> None:
    split = Split("dev", (COUCH,), {"q1": {"x1": 1, "x2": 1}})
    for rewards in ([NDCG(parse_spec("nDCG@5"))], [Sparkle(parse_spec("sparkle@10")), NDCG(parse_spec("nDCG@5"))]):
        environment = shop(*rewards)
        values = weigh(environment, split, SAID, GRID)
        assert values == {weight: totals(environment, split, weight)[0] for weight in GRID}


def test_the_engines_opinion_counts_once_where_a_reward_brings_it() -> None:
    split = Split("dev", (COUCH,), {})
    environment = shop(Sparkle(parse_spec("sparkle@10")), OwnScore(parse_spec("own_score@10")))
    values = weigh(environment, split, SAID, GRID)
    assert values == {weight: totals(environment, split, weight)[0] for weight in GRID}


def test_an_outcome_without_its_labels_has_no_subtopics_either() -> None:
    query = Query("q1", "couch", subtopics={"shiny": frozenset({"s1"})})
    environment = shop(Sparkle(parse_spec("sparkle@10")))
    (outcome,) = environment.judge([Attempt(query, 0, "shiny")], Split("dev", (query,), {"q1": {"s1": 1}}))
    blind = outcome.unlabelled()
    assert (dict(blind.grades), dict(blind.query.subtopics)) == ({}, {})
    assert blind.expanded is outcome.expanded
    assert np.array_equal(environment.score([blind]).total, environment.score([outcome]).total)
