"""The comparison of two profiles: what is counted as a foreign brand, which way a difference points, what the drawing says."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.two_profiles import brands_in_training, compare, drawing, habits_of, names_foreign, row_of
from leser.backend import Ranking
from leser.evaluation.systems import SystemRun
from leser.expansion import Expansion
from leser.task import Query

BRANDS = {"acme", "zeta"}


@pytest.mark.parametrize(
    ("query", "said", "foreign"),
    [
        ("kettle", ["Acme"], True),
        ("acme kettle", ["acme steel"], False),
        ("acme kettle", ["acme", "zeta"], True),
        ("kettle", ["zetabyte", "steel"], False),
        ("kettle", [], False),
    ],
)
def test_a_brand_is_foreign_where_the_query_lacks_it(query: str, said: list[str], foreign: bool) -> None:
    assert names_foreign(query, [Expansion(text) for text in said], BRANDS) is foreign


def test_habits_are_counted_for_every_query() -> None:
    queries = [Query("1", "kettle"), Query("2", "lamp")]
    run = SystemRun("policy", {q.id: Ranking(()) for q in queries}, {"1": [Expansion("acme"), Expansion("x")], "2": []})
    assert habits_of(run, queries, BRANDS) == {
        "expansions": {"1": 2.0, "2": 0.0},
        "foreign_brand": {"1": 1.0, "2": 0.0},
    }


def test_a_difference_is_first_minus_second_over_the_queries_both_answer() -> None:
    result = compare({"P@5": {"1": 0.6, "2": 0.4, "3": 1.0}}, {"P@5": {"1": 0.2, "2": 0.4}}, ["1", "2", "3"])["P@5"]
    assert (result.delta, result.wins, result.ties, result.losses) == (pytest.approx(0.2), 1, 1, 0)


def test_the_drawing_escapes_names_and_shows_every_share_once() -> None:
    result = compare({"P@5": {"1": 0.6, "2": 0.5}}, {"P@5": {"1": 0.2, "2": 0.4}}, ["1", "2"])["P@5"]
    rows = [row_of(name, result, {}) for name in ("P@5", "foreign_brand", "expansions")]
    drawn = drawing({"profiles": {"<a>": [], "b": []}, "rows": rows})
    texts = [node.text or "" for node in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert "more with <a>" in texts
    assert {"P@5", "foreign brand"} <= set(texts)
    assert "expansions" not in texts


def test_brands_in_training_are_of_the_first_and_last_file(tmp_path: Path) -> None:
    (tmp_path / "rollouts").mkdir()
    for first, said in ((1, ["acme", "steel; zeta", "steel"]), (21, ["none"]), (41, ["steel", "acme"])):
        rows = [
            {"step": first + 19, "query": "acme kettle" if n == 0 else "kettle", "completion": text, "code": code}
            for n, (text, code) in enumerate(zip(said, ("ok", "rule_violation", "ok"), strict=False))
        ]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rollouts" / f"{first:05d}.parquet")
    assert brands_in_training(tmp_path, BRANDS) == [
        {"last_update": 20, "completions": 3, "foreign_brand": 1, "of_these_stopped": 1},
        {"last_update": 60, "completions": 2, "foreign_brand": 1, "of_these_stopped": 1},
    ]
