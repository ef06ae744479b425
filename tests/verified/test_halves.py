"""Documents whose grade is kept for the confirmation are no wrong answers: measures of judgments read over them."""

from __future__ import annotations

import math

import pytest
from leser_memory import MemoryBackend
from leser_relevance import NDCG, Precision
from verified_shop import environment_of, shelf

from leser.backend import Hit, Ranking
from leser.environment import Attempt
from leser.evaluation.measures import Measurer
from leser.evaluation.systems import SystemRun
from leser.expansion import Code, Expansion
from leser.reward import Outcome, parse_spec
from leser.task import Query, Split
from leser.verified.halves import deep_enough, halve

QUERY = Query("q", "chair")
RANKING = Ranking(tuple(Hit(id, float(9 - place)) for place, id in enumerate(["kept", "other", "known", "kept2"])))
GRADES = {"known": 1}
WITHHELD = frozenset({"kept", "kept2"})


def outcome(withheld: frozenset[str]) -> Outcome:
    return Outcome(QUERY, 0, "", (), RANKING, RANKING, GRADES, Code.OK, withheld=withheld)


@pytest.mark.parametrize(
    ("withheld", "ndcg", "precision"),
    [(frozenset(), 0.0, 0.0), (WITHHELD, 1 / math.log2(3), 0.5)],
    ids=["all are read", "those withheld are not there"],
)
def test_a_reward_reads_over_what_is_withheld(withheld: frozenset[str], ndcg: float, precision: float):
    assert NDCG(parse_spec("nDCG@2")).score([outcome(withheld)]) == pytest.approx([ndcg])
    assert Precision(parse_spec("P@2")).score([outcome(withheld)]) == pytest.approx([precision])


def test_a_measure_does_too():
    run = SystemRun("original", {"q": RANKING})
    names = ["nDCG@2", "R@1", "P@2"]
    whole = Measurer(Split("train", (QUERY,), {"q": GRADES}), names)(run)
    part = Measurer(Split("train", (QUERY,), {"q": GRADES}, withheld={"q": WITHHELD}), names)(run)
    assert [whole[name]["q"] for name in names] == [0.0, 0.0, 0.0]
    assert [part[name]["q"] for name in names] == pytest.approx([1 / math.log2(3), 0.0, 0.5])


def test_each_half_withholds_the_other_and_a_part_keeps_that():
    grades = {f"d{i}": i % 3 for i in range(9)}
    first, second = halve(Split("train", (QUERY,), {"q": grades}), seed=1)
    assert first.withheld["q"] == frozenset(second.qrels["q"])
    assert second.withheld["q"] == frozenset(first.qrels["q"])
    assert halve(first, seed=2)[0].withheld["q"] > first.withheld["q"], "what was withheld before is so still"
    part = first.part([QUERY])
    assert (part.qrels["q"], part.withheld["q"]) == (first.qrels["q"], first.withheld["q"])
    assert first.part([]).withheld == {}


def test_rankings_reach_as_much_deeper_as_documents_are_withheld():
    split = Split("train", (), {}, withheld={"a": frozenset("xyz"), "b": frozenset("x")})
    assert deep_enough(split, 10) == 13
    assert deep_enough(Split("train", (), {}), 10) == 10
    assert deep_enough(Split("train", (), {}, withheld={"a": frozenset(map(str, range(5000)))}), 10) == 110


def test_pushing_down_what_is_withheld_earns_nothing():
    """By a measure that takes the hidden half for not relevant, "oak" looks like a find: it lifts d0 over d1 to d3."""
    titles = {"d0": "chair oak big round old", "d1": "chair", "d2": "chair red", "d3": "chair blue"}
    environment = environment_of(MemoryBackend.of(shelf(titles)))
    attempts = [Attempt(QUERY, 0, environment.say()), Attempt(QUERY, 0, environment.say((Expansion("oak"),)))]

    def gain(withheld: dict[str, frozenset[str]]) -> float:
        split = Split("train", (QUERY,), {"q": {"d0": 1}}, withheld=withheld)
        before, after = environment.score(environment.judge(attempts, split)).total
        return float(after - before)

    assert gain({}) > 0.4
    assert gain({"q": frozenset({"d1", "d2", "d3"})}) == 0.0
