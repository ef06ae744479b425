"""The report page: self-contained, escaped, honest in its one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from report_world import CONFIG, METRICS, Page, assert_self_contained, page, world

from leser.evaluation.evaluate import evaluate
from leser.evaluation.systems import SystemRun
from leser.report import write_report
from leser.report.training import fit_of, fit_said, stages_of
from leser.report.verdict import verdict


def test_page_is_self_contained_and_everything_from_outside_is_escaped() -> None:
    text = page()
    assert_self_contained(text)
    assert "&lt;script&gt;" in text
    assert "brand &amp; model" in text
    assert "{{ 7*7 }}" in text  # a template in a query stays words
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_page_says_what_was_learned_and_shows_every_part() -> None:
    text = page()
    assert "The policy learned to expand: on 20 test queries" in text
    for part in (
        "Systems on test",
        "All measures",
        "Before and after",
        "Change of every query",
        "Groups of queries",
        "Every system by kind of query",
        "Gained most",
        "Lost most",
        "Training",
        "The monitor warned",
        "What becomes of completions",
        "What became of queries, by code",
        "Behaviour",
        "Search latency",
        "Seed 11",
    ):
        assert part in text, part
    assert "backend.fields" in text
    assert "16 / 2 / 2" in text


def test_every_drawing_has_a_title() -> None:
    text = page()
    drawings = text.split("<svg ")[1:]
    assert len(drawings) > 8
    for drawing in drawings:
        head = drawing[: drawing.index(">") + 1 + len("<title>")]
        assert 'aria-hidden="true"' in head or head.endswith("<title>"), head


def test_a_query_shows_both_rankings_and_what_moved() -> None:
    words = "".join(Page(page()).words)
    assert "A fine sofa" in words
    assert "▲ 1" in words
    assert "gone" in words
    assert "unreadable, the original was served:" in words


def test_page_of_a_run_that_learned_nothing_can_be_made_too() -> None:
    split, runs = world()
    same = SystemRun("leser", runs[0].rankings)
    evaluation = evaluate(split, [runs[0], same], ["nDCG@10"], resamples=200)
    text = page(evaluation=evaluation.to_json(), answers=[], metrics=[], note="")
    assert "Nothing was learned that shows" in text
    assert "<h2>Training" not in text
    assert "The run did not save its versions" in text


def test_page_of_nothing_at_all_is_still_a_page(tmp_path: Path) -> None:
    path = write_report(tmp_path, {}, [], {})
    assert Page(path.read_text(encoding="utf-8")).open == []
    assert "No learned policy was evaluated" in path.read_text(encoding="utf-8")


def compared(*rows: tuple[str, float, float, float]) -> dict[str, Any]:
    return {
        "split": "test",
        "queries": 600,
        "systems": {name: {"nDCG@10": 0.5} for name in ("leser", *(row[0] for row in rows))},
        "comparisons": [
            {"system": "leser", "baseline": name, "measure": "nDCG@10", "delta": delta, "ci95": [low, high]}
            for name, low, delta, high in rows
        ],
    }


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("original", 0.01, 0.02, 0.03)], "The policy learned to expand"),
        ([("original", 0.0, 0.02, 0.03)], "Nothing was learned that shows"),
        ([("original", -0.03, -0.02, -0.01)], "The policy does harm"),
        ([("original", -0.03, -0.02, -0.01)], "(−0.020, 95 % interval −0.030 to −0.010)"),
        ([("original", 0.01, 0.02, 0.03), ("rm3", -0.1, 0.0, 0.1)], "it is not distinguishable from rm3."),
        (
            [
                ("original", 0.01, 0.02, 0.03),
                ("rm3", 0.1, 0.2, 0.3),
                ("warmup", 0.1, 0.2, 0.3),
                ("x", -0.3, -0.2, -0.1),
            ],
            "it is better than rm3 and warmup, worse than x.",
        ),
        ([("original", 0.01, 0.02, 0.03), ("ideal", -0.3, -0.2, -0.1)], "where ideal expansions reach 0.500."),
    ],
)
def test_verdict_claims_only_what_the_interval_shows(
    rows: list[tuple[str, float, float, float]], expected: str
) -> None:
    assert expected in verdict(compared(*rows), "nDCG@10")


def grpo(train: list[float], dev: list[float]) -> list[dict[str, Any]]:
    """GRPO rows after ten updates of warm-up; a look at dev before the first update and then after every fifth."""
    rows: list[dict[str, Any]] = [
        {"phase": "warmup", "step": 10, "dev_reward": 0.9},
        {"phase": "grpo", "step": 10, "dev_reward": dev[0]},
    ]
    rows += [{"phase": "grpo", "step": 11 + i, "reward": value} for i, value in enumerate(train)]
    for number, value in enumerate(dev[1:], start=1):
        rows[1 + 5 * number]["dev_reward"] = value
    return rows


@pytest.mark.parametrize(
    ("end", "dev", "expected"),
    [
        (0.6, [0.5, 0.55, 0.6], "Dev followed training."),
        (0.6, [0.5, 0.51, 0.52], "more than twice what dev did"),
        (0.6, [0.5, 0.52, 0.5], "Training rose and dev did not"),
        (0.6, [0.5, 0.52, 0.45], "Dev fell while training rose: it over-fitted."),
        (0.6, [0.5, 0.4, 0.45], "the policy that is kept is the warm-up’s."),
    ],
)
def test_overfitting_is_said(end: float, dev: list[float], expected: str) -> None:
    rows = grpo([0.4 + (end - 0.4) * i / 9 for i in range(10)], dev)
    assert expected in fit_said(fit_of(rows))


def test_the_policy_that_was_kept_is_the_best_on_dev_within_grpo() -> None:
    fit = fit_of(grpo([0.4] * 10, [0.5, 0.7, 0.6]))
    assert fit is not None
    assert (fit.kept, fit.best, fit.updates) == (5, 0.7, 10)
    assert "update 5, the best on dev (0.700; the last was 0.100 below it)." in fit_said(fit)


def test_too_few_updates_tell_nothing_of_overfitting() -> None:
    assert fit_said(fit_of(METRICS[:3])) == ""
    assert fit_said(fit_of([])) == ""


def test_each_stage_counts_its_own_updates() -> None:
    warmup, trained, _ = stages_of(METRICS)
    assert [x for x, _ in warmup.points("dev_reward")] == [0, 10]
    assert [x for x, _ in trained.points("dev_reward")] == [0, 70]


def test_a_run_without_a_seed_or_groups_is_fine() -> None:
    assert_self_contained(page(settings={key: value for key, value in CONFIG.items() if key != "seed"}))
