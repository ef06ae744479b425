"""kept(all=true)@k: what is kept of the original's hits, whoever judged them."""

from __future__ import annotations

import pytest
from leser_shape import Kept

from leser.backend import Hit, Ranking
from leser.expansion import Code
from leser.reward import Outcome, parse_spec
from leser.task import Query


def ranking(ids: str) -> Ranking:
    return Ranking(tuple(Hit(id, -rank) for rank, id in enumerate(ids)))


@pytest.mark.parametrize(
    ("original", "expanded", "kept"),
    [("abcd", "abcd", 1.0), ("abcd", "abxy", 0.5), ("abcd", "wxyz", 0.0), ("ab", "xyab", 1.0), ("", "ab", None)],
)
def test_every_hit_counts_without_a_label(original: str, expanded: str, kept: float | None) -> None:
    reward = Kept(parse_spec("kept(all=true)@4"))
    found = Outcome(Query("q", "q"), 0, "", (), ranking(original), ranking(expanded), {}, Code.OK)
    assert reward.score([found]) == [kept]
    assert Kept(parse_spec("kept@4")).score([found]) == [None]
