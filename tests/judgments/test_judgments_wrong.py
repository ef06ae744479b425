"""How many judgments would have to be wrong: a known share is found again by the documents that have one title."""

from __future__ import annotations

import random

import pytest

from leser.holes.treatment import Forms
from leser.judgments.facts import LEAST_PAIRS, Contradictions, Depth, contradictions_of
from leser.judgments.headroom import HeadRoom, HeadRoomGain
from leser.judgments.lines import _wrong
from leser.judgments.sentence import conclude
from leser.task import Query, Split, Task


def task_with(share: float) -> tuple[Task, dict[str, str]]:
    """Two hundred queries, each with ten relevant documents of five titles and as many that are not; some judged wrongly."""
    draw = random.Random(1)
    queries = tuple(Query(f"q{n}", f"query{n}") for n in range(200))
    titles = {f"d{n}": f"{'good' if n < 10 else 'bad'} {n // 2}" for n in range(20)}
    qrels = {query.id: {id: int((int(id[1:]) < 10) != (draw.random() < share)) for id in titles} for query in queries}
    return Task("shop", Split("train", queries, qrels), Split("dev", (), {}), Split("test", (), {})), titles


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3])
def test_the_share_of_wrong_judgments_is_found_again(share: float) -> None:
    found = contradictions_of(*task_with(share))
    assert found.of_titles == 200 * 10
    assert found.as_if_wrong == pytest.approx(share, abs=0.02)
    assert f"as many as if {found.as_if_wrong:.0%} of all judgments were wrong" in _wrong(found)


def test_nothing_is_said_of_few_pairs_and_no_more_than_half_can_be_wrong() -> None:
    assert Contradictions(1, LEAST_PAIRS - 1, 0, 0, (), 1).as_if_wrong is None
    assert _wrong(Contradictions(1, LEAST_PAIRS - 1, 0, 0, (), 1)) == ""
    assert Contradictions(90, 100, 0, 0, (), 90).as_if_wrong == 0.5


def test_where_nothing_shows_the_sentence_names_the_largest_gain() -> None:
    """The smaller gain has the narrower interval, which says nothing of what may be there."""
    gains = (
        HeadRoomGain("rm3", "nDCG@10", 0.002, (-0.002, 0.006), 3, 2, 1019),
        HeadRoomGain("dictionary", "nDCG@10", 0.016, (-0.008, 0.042), 9, 5, 260),
    )
    forms = Forms("nDCG@10", "nDCG(holes=skip)@10", None, "Judged@10")
    depth = Depth(100, 0, 100, (1, 1, 1), (1, 1, 1), {1: 100})
    said = conclude(HeadRoom(100, {}, gains, ()), forms, depth, 300).sentence
    assert said.startswith(
        "Nothing to learn shows on 100 train queries: the best without training is dictionary, +0.016"
    )
    assert "260 queries would show a gain of that size" in said
