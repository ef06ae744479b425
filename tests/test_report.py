"""The report page: self-contained, escaped, honest in its one sentence, and drawn to scale."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from leser.backend import Hit, Ranking
from leser.evaluation.evaluate import evaluate
from leser.evaluation.systems import SystemRun
from leser.expansion import Expansion
from leser.report import render_report, write_report
from leser.report.charts import Series, interval_bar, line_chart, smoothed, ticks
from leser.report.verdict import verdict
from leser.task import Query, Split

HOSTILE = "<script>alert(1)</script>"
VOID = {"meta", "br", "i", "circle", "line", "polyline", "link", "img"}


def world() -> tuple[Split, list[SystemRun]]:
    queries = tuple(Query(f"q{n}", f"{HOSTILE} {n}", kind="vague" if n % 2 else "brand & model") for n in range(20))
    split = Split("test", queries, {query.id: {"a": 1} for query in queries})
    original = SystemRun("original", {q.id: Ranking((Hit("x", 2.0), Hit("a", 1.0))) for q in queries})
    leser = SystemRun(
        "leser",
        {q.id: Ranking((Hit("a", 1.0),)) for q in queries},
        expansions={q.id: (Expansion(HOSTILE, 0.5),) for q in queries},
        completions={q.id: HOSTILE for q in queries},
    )
    return split, [original, leser]


METRICS = [
    {"phase": "warmup", "step": 0, "dev_nDCG@10": 0.3},
    {"phase": "warmup", "step": 10, "dev_nDCG@10": 0.35},
    *({"phase": "grpo", "step": n, "reward": 0.3 + n / 1000, "entropy": None} for n in range(11, 80)),
    {"phase": HOSTILE, "step": 80, "dev_nDCG@10": 0.5, "length": float("nan")},
]


class Page(HTMLParser):
    """Collects tags and attributes, and checks that what is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        if tag not in {"meta"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag


def page(**changes: Any) -> str:
    split, runs = world()
    evaluation = evaluate(split, runs, ["nDCG@10", "RR@10"], resamples=200)
    config = {"seed": 11, "backend": {"name": "memory", "options": {"fields": ["title", HOSTILE]}}}
    given = {
        "evaluation": evaluation.to_json(),
        "metrics": METRICS,
        "config": config,
        "per_query": evaluation.per_query,
    }
    return render_report(**(given | {"runs": runs, "split": split} | changes))


def test_page_is_self_contained_and_everything_from_outside_is_escaped() -> None:
    text = page()
    read = Page(text)
    assert read.open == []
    assert read.links == []
    assert not {"script", "link", "img", "iframe", "object"} & set(read.tags)
    assert "url(" not in text
    assert "@import" not in text
    assert HOSTILE not in text
    assert "&lt;script&gt;" in text
    assert "brand &amp; model" in text
    assert "prefers-color-scheme: dark" in text


def test_page_says_what_was_learned_and_shows_every_part() -> None:
    text = page()
    assert "The policy learned to expand: on 20 test queries" in text
    for part in (
        "Systems on test",
        "All measures",
        "Behaviour",
        "Training",
        "By kind of query",
        "Gained most",
        "Seed 11",
    ):
        assert part in text, part
    assert "backend.options.fields" in text
    assert "20 / 0 / 0" in text
    assert "<svg" in text


def test_page_of_a_run_that_learned_nothing_can_be_made_too() -> None:
    split, runs = world()
    same = SystemRun("leser", runs[0].rankings)
    evaluation = evaluate(split, [runs[0], same], ["nDCG@10"], resamples=200)
    text = page(evaluation=evaluation.to_json(), per_query=evaluation.per_query, runs=[runs[0], same], metrics=[])
    assert "Nothing was learned that shows" in text
    assert "Training" not in text


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
        ([("original", 0.01, 0.02, 0.03), ("rm3", -0.1, 0.0, 0.1)], "it is not told apart from rm3."),
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


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (0.31, 0.33), (-5.0, 12.0), (3.0, 3.0), (0.0, 0.0), (1e-7, 2e-7)]
)
def test_ticks_are_round_and_span_the_values(low: float, high: float) -> None:
    made = ticks(low, high)
    assert 2 <= len(made) <= 7
    assert made == sorted(set(made))
    assert made[0] <= low + 1e-12
    assert high <= made[-1] + 1e-12


def test_lines_are_drawn_to_scale() -> None:
    chart = line_chart("Reward", [Series("a", ((0.0, 0.0), (5.0, 0.5), (10.0, 1.0)))])
    assert 'points="44.0,156.0 177.0,83.0 310.0,10.0"' in chart


def test_a_chart_leaves_out_what_is_not_finite_and_is_nothing_without_points() -> None:
    assert "nan" not in line_chart("x", [Series("a", ((0.0, float("nan")), (1.0, 2.0)))])
    assert line_chart("x", [Series("a", ())]) == ""


def test_interval_bar_says_by_its_class_where_zero_lies() -> None:
    assert 'class="interval good"' in interval_bar(0.1, 0.2, 0.3, 0.3)
    assert 'class="interval even"' in interval_bar(-0.1, 0.0, 0.3, 0.3)
    assert 'class="interval bad"' in interval_bar(-0.3, -0.2, -0.1, 0.3)


def test_smoothing_is_a_running_mean() -> None:
    assert smoothed(((0, 1.0), (1, 3.0), (2, 5.0)), 2) == ((0, 1.0), (1, 2.0), (2, 4.0))
