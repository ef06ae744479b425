"""Rewards of judged documents read over those whose grade is kept for a confirmation, as measures do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from leser_coverage import Coverage, Rescued, UnionRecall
from leser_sets import AlphaNDCG, Marginal
from leser_shape import Kept

from leser.backend import Hit, Ranking
from leser.expansion import Code
from leser.reward import Outcome, Reward, parse_spec
from leser.task import Query

NOTHING = frozenset[str]()


def ranking(ids: str) -> Ranking:
    return Ranking(tuple(Hit(id, -float(rank)) for rank, id in enumerate(ids)))


def outcome(original: str, expanded: str, single: str, withheld: frozenset[str]) -> Outcome:
    return Outcome(
        Query("q", "q"), 0, "", (), ranking(original), ranking(expanded), {"a": 1, "b": 1}, Code.OK,
        per_expansion=(ranking(single),), withheld=withheld,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "spec", "hits", "as_unjudged", "withheld"),
    [
        (Kept, "kept@2", ("abc", "xyab", ""), 0.0, 1.0),
        (Kept, "kept@2", ("xyab", "abxy", ""), None, 1.0),
        (Kept, "kept(all=true)@2", ("xyab", "abxy", ""), 0.0, 0.0),
        (UnionRecall, "union_R@2", ("xy", "", "yab"), 0.0, 1.0),
        (Marginal, "marginal@2", ("c", "", "xyab"), 0.0, 1.0),
        (Marginal, "marginal@2", ("xyab", "", "ab"), 1.0, None),
        (Rescued, "rescued(rel=1)@2", ("", "xya", ""), 0.0, 1.0),
        (Rescued, "rescued@2", ("", "xy", ""), 1.0, 1.0),
    ],
)
def test_what_is_withheld_takes_no_place_from_what_is_judged(
    kind: type[Reward], spec: str, hits: tuple[str, str, str], as_unjudged: float | None, withheld: float | None
) -> None:
    reward = kind(parse_spec(spec))
    assert reward.score([outcome(*hits, NOTHING)]) == [as_unjudged]
    assert reward.score([outcome(*hits, frozenset("xy"))]) == [withheld]


@pytest.mark.parametrize("reward", [Coverage(parse_spec("coverage@2")), AlphaNDCG(parse_spec("alpha_nDCG@2"))])
def test_subtopics_do_not_name_what_is_withheld_either(reward: Reward) -> None:
    """A set that was chosen by both halves' needs would have nothing left to confirm it."""
    query = Query("q", "q", subtopics={"one": frozenset("ax"), "two": frozenset("y")})
    base = outcome("", "xya", "", NOTHING)
    whole, half, other = (replace(base, query=query, withheld=frozenset(ids)) for ids in ("", "xy", "a"))
    assert reward.score([whole, half, other]) == [1.0, 1.0, 1.0]
    missed = replace(half, expanded=ranking("xyz"))
    assert reward.score([missed]) == [0.0], "of what this half knows nothing was found"
    assert dict(missed.query.subtopics) == {"one": frozenset("a"), "two": frozenset()}
