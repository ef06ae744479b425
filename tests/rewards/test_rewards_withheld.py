"""Rewards of judged documents read over those whose grade is kept for a confirmation, as measures do."""

from __future__ import annotations

import pytest
from leser_coverage import Rescued, UnionRecall
from leser_sets import Marginal
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
