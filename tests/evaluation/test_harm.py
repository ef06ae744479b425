"""Do no harm: what an expansion moved and lost, whom it hurt, the oracle gate, and the threshold of an abstaining policy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leser.backend import Hit, Ranking
from leser.evaluation.harm import harm_of, summary
from leser.evaluation.systems import SystemRun
from leser.run.abstaining import choose_threshold
from leser.run.harm_files import harm_content
from leser.task import Query

TITLES = {"a": "desk lamp", "b": "lamps tall", "c": "desk oak", "d": "oak table"}
QUERIES = [Query("q1", "the desk lamp"), Query("q2", "oak"), Query("q3", "nothing here")]


def run(name: str, **found: str) -> SystemRun:
    return SystemRun(name, {q: Ranking(tuple(Hit(id, -i) for i, id in enumerate(ids))) for q, ids in found.items()})


BEFORE, AFTER = run("original", q1="abc", q2="cd", q3=""), run("leser", q1="acd", q2="cd", q3="a")
VALUES = {"original": {"q1": 0.9, "q2": 0.5, "q3": 0.0}, "leser": {"q1": 0.6, "q2": 0.5, "q3": 0.4}}


def test_each_query_by_hand() -> None:
    first, second, third = harm_of(QUERIES, BEFORE, AFTER, VALUES, lambda ids: {id: TITLES[id] for id in ids})
    assert first.change == pytest.approx(-0.3)
    assert first.drift == pytest.approx(1 / 3)
    assert first.lost == pytest.approx(2 / 3 - 1 / 3), "lamp fell from two of three titles to one; desk did not"
    assert (second.change, second.drift, second.lost) == (0.0, 0.0, 0.0)
    assert (third.change, third.drift, third.lost) == (0.4, 0.0, 0.0)
    found = summary([first, second, third], VALUES["original"])
    assert found["share_hurt"] == found["share_helped"] == pytest.approx(1 / 3)
    assert found["mean_loss_where_hurt"] == pytest.approx(-0.3)
    assert found["oracle_gate"] == pytest.approx((0.9 + 0.5 + 0.4) / 3)


def test_the_files(tmp_path: Path) -> None:
    per_query = {name: {"nDCG@10": values} for name, values in VALUES.items()}
    content = harm_content(
        QUERIES,
        [BEFORE, AFTER],
        per_query,
        "nDCG@10",
        lambda ids: {id: TITLES[id] for id in ids},
        tmp_path / "harm.jsonl",
    )
    assert set(content["harm"]["systems"]) == {"leser"}
    rows = [json.loads(line) for line in (tmp_path / "harm.jsonl").read_text().splitlines()]
    assert [row["query_id"] for row in rows] == ["q1", "q2", "q3"]
    assert rows[0]["change"] == pytest.approx(-0.3)


SURE, CHANGE = [-0.1, -0.2, -0.3, -0.4, -0.5], [0.2, -0.1, 0.3, -0.1, 0.05]


@pytest.mark.parametrize(
    ("most_hurt", "least", "hurt"), [(1.0, -0.3, 0.2), (0.2, -0.3, 0.2), (0.1, -0.1, 0.0), (0.0, -0.1, 0.0)]
)
def test_the_threshold_earns_most_within_the_bound(most_hurt: float, least: float, hurt: float) -> None:
    found = choose_threshold(SURE, CHANGE, most_hurt)
    assert (found.least, found.share_hurt) == (least, pytest.approx(hurt))


def test_where_all_that_is_written_harms_no_query_is_expanded() -> None:
    assert choose_threshold(SURE, [-0.1] * 5, 1.0).least == float("inf")
    assert choose_threshold([], [], 0.5).least == float("inf")


def test_queries_of_one_certainty_stand_or_fall_together() -> None:
    assert choose_threshold([-0.1, -0.1], [0.3, -0.2], 0.0).share_expanded == 0.0
    assert choose_threshold([-0.1, -0.1], [0.3, -0.2], 0.5).share_expanded == 1.0
