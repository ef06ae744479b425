"""own_score@k: what the engine, asked with the query as typed, thinks of what the expanded query brings."""

from __future__ import annotations

from math import log2

import pytest
from leser_shape import OwnScore

from leser.backend import Hit, Ranking
from leser.expansion import Code
from leser.reward import Outcome, parse_spec
from leser.task import Query

ORIGINAL = Ranking((Hit("a", 8.0), Hit("b", 4.0), Hit("c", 2.0)))
DISCOUNTS = 1 + 1 / log2(3)


def outcome(expanded: Ranking | None, original: Ranking = ORIGINAL) -> Outcome:
    return Outcome(Query("q", "q"), 0, "", (), original, expanded, {}, Code.OK)


@pytest.mark.parametrize(
    ("ids", "value"),
    [("ab", 1 + 0.5 / log2(3)), ("ba", 0.5 + 1 / log2(3)), ("xa", 1 / log2(3)), ("xy", 0.0)],
)
def test_scores_of_the_original_are_shared_out_by_rank(ids: str, value: float) -> None:
    expanded = Ranking(tuple(Hit(id, -rank) for rank, id in enumerate(ids)))
    assert OwnScore(parse_spec("own_score@2")).score([outcome(expanded)]) == pytest.approx([value / DISCOUNTS])


def test_it_does_not_apply_where_nothing_was_found_or_searched() -> None:
    reward = OwnScore(parse_spec("own_score@2"))
    assert reward.score([outcome(None), outcome(ORIGINAL, Ranking(()))]) == [None, None]
