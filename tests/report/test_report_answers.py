"""Answers of single queries: saved and read alike, grouped with intervals, and shown with what moved."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from report_world import HOSTILE, KNOWN, world

from leser.backend import Hit, Ranking
from leser.characters import well_formed
from leser.errors import LeserError
from leser.evaluation.evaluate import evaluate
from leser.evaluation.systems import SystemRun
from leser.report.answers import ShownAnswer, ShownHit, answers_of, read_answers, write_answers
from leser.report.groups import grouped
from leser.report.moved import links, rows_of
from leser.task import Query, Split


def answer(
    number: int, before: float, after: float, query: str = "red sofa", kind: str | None = None, found: int = 5
) -> ShownAnswer:
    return ShownAnswer(f"q{number}", query, kind, "nDCG@10", {"original": before, "leser": after}, found=found)


def answers() -> list[ShownAnswer]:
    split, runs = world()
    per_query = evaluate(split, runs, ["nDCG@10"], resamples=200).per_query
    return answers_of(split, runs, per_query, "nDCG@10", lambda ids: KNOWN)


def test_answers_come_back_as_they_were_written(tmp_path: Path) -> None:
    made = answers()
    write_answers(tmp_path / "answers.jsonl", made)
    assert read_answers(tmp_path / "answers.jsonl") == made
    assert len((tmp_path / "answers.jsonl").read_bytes().splitlines()) == len(made)


def test_a_later_version_s_keys_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": "q", "query": "sofa", "measure": "P@1", "values": {}, "colour": 3}\n')
    (read,) = read_answers(path)
    assert (read.id, read.expansions, read.kind) == ("q", None, None)
    assert math.isnan(read.change)


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"id": "q"}', '{"id": "q", "query": "x", "measure": "m", "values": {}, "before": [3]}']
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(f"{line}\n")
    with pytest.raises(LeserError, match="line 1, cannot be read"):
        read_answers(path)


def test_hits_are_kept_for_queries_that_changed_and_know_their_other_place() -> None:
    made = answers()
    assert made[0].before == (ShownHit("x", "A lamp", None, None), ShownHit("a", well_formed(KNOWN["a"]), 1, 1))
    assert made[0].after == (ShownHit("a", well_formed(KNOWN["a"]), 1, 2),)
    assert made[16].before is None  # stayed as it was
    assert made[18].change < 0
    assert made[18].before is not None
    assert made[1].completion == well_formed(HOSTILE)


def test_only_the_most_changed_hold_their_hits() -> None:
    queries = tuple(Query(f"q{n}", f"query {n}") for n in range(300))
    split = Split("test", queries, {q.id: {"a": 1} for q in queries})
    original = SystemRun("original", {q.id: Ranking((Hit("x", 2.0), Hit("a", 1.0))) for q in queries})
    leser = SystemRun("leser", {q.id: Ranking((Hit("a", 1.0),)) for q in queries})
    per_query = {name: {"m": {q.id: value for q in queries}} for name, value in (("original", 0.5), ("leser", 1.0))}
    asked: list[str] = []

    def titles(ids: list[str]) -> dict[str, str]:
        asked.extend(ids)
        return {}

    made = answers_of(split, [original, leser], per_query, "m", titles)
    assert sum(a.before is not None for a in made) == 50
    assert asked == ["x", "a"]  # each document once


def test_groups_hold_every_query_once_and_intervals_hold_the_difference() -> None:
    made = [
        answer(n, 0.2, 0.6 if n % 2 else 0.4, kind="vague" if n < 10 else "brand", found=0 if n < 4 else 200)
        for n in range(40)
    ]
    found = grouped(made)
    assert [g.label for g in found["Kind"]] == ["brand", "vague"]
    assert [(g.label, g.queries) for g in found["Found before expansion"]] == [("nothing", 4), ("100 and more", 36)]
    assert "Length of the query" not in found  # all are two words long
    brand = found["Kind"][0]
    assert (brand.before, brand.after) == (pytest.approx(0.2), pytest.approx(0.5))
    assert brand.gain is not None
    assert brand.gain.ci95[0] < 0.3 < brand.gain.ci95[1]
    assert found["Found before expansion"][0].gain is None  # too few for an interval


def test_groups_by_length_stand_in_order() -> None:
    made = [answer(n, 0.1, 0.2, query=" ".join(["w"] * (n % 7 + 1))) for n in range(70)]
    assert [g.label for g in grouped(made)["Length of the query"]] == [
        "1 word", "2 words", "3 words", "4 words", "5 words and more",
    ]  # fmt: skip


def test_what_moved_is_said_from_both_sides() -> None:
    hits = (ShownHit("a", "A", 2, 3), ShownHit("b", "", 0, 1), ShownHit("c", "C", None, None), ShownHit("d", "D", 9, 4))
    before, after = rows_of(hits, gone=True), rows_of(hits, gone=False)
    assert [(r.kind, r.moved) for r in before] == [("down", "▼ 2"), ("up", "▲ 1"), ("gone", "gone"), ("same", "=")]
    assert [(r.kind, r.moved) for r in after] == [("up", "▲ 2"), ("down", "▼ 1"), ("new", "new"), ("same", "=")]
    assert [r.mark for r in before] == ["●●", "○", "", "●9"]
    assert before[1].title == "b"  # no title: the id
    assert before[0].said == "down from 1 to 3"


def test_lines_join_the_two_places_of_a_document() -> None:
    before = rows_of((ShownHit("a", "A", 1, 2), ShownHit("b", "B", None, None)), gone=True)
    after = rows_of((ShownHit("c", "C", None, None), ShownHit("a", "A", 1, 1)), gone=False)
    drawn = links(before, after)
    assert drawn.count("<line") == 1
    assert 'y1="13" y2="39"' in drawn
    assert "relevant" in drawn
