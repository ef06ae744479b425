"""The page that compares runs: systems by runs, curves over each other, and nothing claimed over different queries."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_world import CONFIG, HOSTILE, KNOWN, METRICS, Page, assert_self_contained, world

from leser.evaluation.evaluate import evaluate
from leser.report.answers import answers_of
from leser.report.compare import Compared, changed, differences, render_comparison, said, unlike


@pytest.fixture(scope="module")
def runs() -> list[Compared]:
    split, made = world()
    evaluation = evaluate(split, made, ["nDCG@10", "RR@10"], resamples=200)
    known = answers_of(split, made, evaluation.per_query, "nDCG@10", lambda ids: KNOWN)
    content = evaluation.to_json() | {"grpo_seconds": 300.0, "peak_memory_gib": 1.25}
    first = Compared(HOSTILE, content, METRICS, CONFIG, known)
    return [first, replace(first, name="second", config={**CONFIG, "seed": 12, "out": "elsewhere"})]


def test_page_is_self_contained_and_shows_every_part(runs: list[Compared]) -> None:
    text = render_comparison(runs)
    assert_self_contained(text)
    words = "".join(Page(text).words)
    for part in (
        "Systems by run",
        "What the policy gains",
        "Run against run",
        "Learning curves",
        "What differs",
        "5 min",
    ):
        assert part in words, part


def test_only_what_differs_is_listed(runs: list[Compared]) -> None:
    assert changed(runs) == [("seed", ["11", "12"])]


def test_runs_on_the_same_queries_are_told_apart_query_by_query(runs: list[Compared]) -> None:
    better = [replace(a, values={**a.values, "leser": 1.0}) for a in runs[1].answers]
    (found,) = differences([runs[0], replace(runs[1], answers=better)], "nDCG@10")
    assert (found.name, found.result.wins, found.result.losses) == ("second", 4, 0)
    assert found.result.delta == pytest.approx(4 * (1 - 0.6309) / 20, abs=1e-4)


def test_other_queries_are_not_compared_one_by_one_and_the_page_warns(runs: list[Compared]) -> None:
    other = replace(
        runs[1], answers=[replace(a, query="another") for a in runs[1].answers], config={"task": {"name": "other"}}
    )
    assert differences([runs[0], other], "nDCG@10") == []
    assert "different queries" in unlike([runs[0], other])
    assert unlike(runs) == ""
    assert "different queries" in render_comparison([runs[0], other])


def test_runs_are_alike_when_the_same_queries_were_answered(runs: list[Compared]) -> None:
    """A version that writes one more option of the task asked nothing else; the same options may mean other queries."""
    task = {**CONFIG["task"], "language": "en"}
    assert unlike([runs[0], replace(runs[1], config={**CONFIG, "task": task})]) == ""
    bare = [replace(run, answers=[]) for run in runs]
    assert unlike([bare[0], replace(bare[1], config={**CONFIG, "task": task})]) == ""
    assert "different queries" in unlike([bare[0], replace(bare[1], config={"task": {**task, "name": "other"}})])
    other = [replace(answer, id=f"x{answer.id}") for answer in runs[1].answers]
    assert "different queries" in unlike([runs[0], replace(runs[1], answers=other)])


def test_the_sentence_counts_what_is_sure(runs: list[Compared]) -> None:
    assert "in all the 95 % interval lies above 0" in said(runs, "nDCG@10")
    unsure = replace(
        runs[1],
        evaluation={
            **runs[1].evaluation,
            "comparisons": [{**c, "ci95": [-1, 1]} for c in runs[1].evaluation["comparisons"]],
        },
    )
    assert "in 1 of 2 the 95 % interval lies above 0" in said([runs[0], unsure], "nDCG@10")


def test_runs_without_policy_or_answers_are_still_a_page(runs: list[Compared]) -> None:
    bare = Compared("bare", {"systems": {"original": {"nDCG@10": 0.5}}}, [], {})
    text = render_comparison([bare, replace(runs[1], answers=[])])
    assert_self_contained(text)
    assert "none of which" in said([bare, bare], "nDCG@10")
