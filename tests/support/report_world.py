"""A run's results made by hand for the tests of its report: twenty queries, hostile text in every place that holds text."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from leser.backend import Hit, Ranking
from leser.evaluation.evaluate import evaluate
from leser.evaluation.systems import SystemRun
from leser.expansion import Code, Expansion
from leser.report import render_report
from leser.report.answers import answers_of
from leser.task import Query, Split

SCRIPT = "<script>alert(1)</script>"
HOSTILE = SCRIPT + " \"quoted' &amp; \x00\x1b[31m\u202e\u0634\u0628\ud800 --> ]]> {{ 7*7 }}"
"""Markup, both quotes, an entity, control characters, a direction override, Arabic, a lone surrogate, a template."""
KNOWN = {"a": f"A fine sofa {HOSTILE}", "x": "A lamp"}

METRICS: list[dict[str, Any]] = [
    {"phase": "warmup", "step": 0, "dev_nDCG@10": 0.3, "dev_reward": 0.3},
    {"phase": "warmup", "step": 10, "dev_nDCG@10": 0.35, "dev_reward": 0.35},
    {"phase": "grpo", "step": 10, "dev_reward": 0.35, "dev_nDCG@10": 0.35},
    *(
        {"phase": "grpo", "step": n, "reward": 0.3 + n / 1000, "entropy": None, "length": 4.0, "parse_errors": 0.1}
        for n in range(11, 80)
    ),
    {"phase": "grpo", "step": 80, "reward": 0.4, "dev_reward": 0.4, "dev_nDCG@10": 0.41, "warnings": {"echo": HOSTILE}},
    {"phase": HOSTILE, "step": 90, "dev_nDCG@10": 0.5, "length": float("nan"), "dev_reward": None},
]
CONFIG: dict[str, Any] = {
    "seed": 11,
    "task": {"name": HOSTILE},
    "backend": {"name": "memory", "fields": ["title", HOSTILE]},
    HOSTILE: HOSTILE,
}


def world() -> tuple[Split, list[SystemRun]]:
    """Sixteen queries that gain, two that stay, two that lose; documents a (relevant) and x."""
    queries = tuple(Query(f"q{n}", f"{HOSTILE} {n}", kind=HOSTILE if n % 2 else "brand & model") for n in range(20))
    split = Split("test", queries, {query.id: {"a": 1} for query in queries})
    poor, good = Ranking((Hit("x", 2.0), Hit("a", 1.0)), took_ms=0.2), Ranking((Hit("a", 1.0),), took_ms=0.3)
    original = SystemRun("original", {q.id: good if n >= 18 else poor for n, q in enumerate(queries)})
    leser = SystemRun(
        "leser",
        {q.id: good if n < 16 else poor for n, q in enumerate(queries)},
        expansions={q.id: (Expansion(HOSTILE, 0.5),) if n else () for n, q in enumerate(queries)},
        completions={q.id: HOSTILE for q in queries},
        codes={q.id: Code.OK if n else Code.PARSE_ERROR for n, q in enumerate(queries)},
        tokens={q.id: 4 for q in queries},
    )
    return split, [original, leser]


def page(**changes: Any) -> str:
    """The report of that world."""
    split, runs = world()
    evaluation = evaluate(split, runs, ["nDCG@10", "RR@10"], resamples=200)
    given = {
        "evaluation": evaluation.to_json()
        | {"made": {"at": HOSTILE, "machine": HOSTILE, "versions": {HOSTILE: HOSTILE}}},
        "metrics": METRICS,
        "settings": CONFIG,
        "answers": answers_of(split, runs, evaluation.per_query, "nDCG@10", lambda ids: KNOWN),
        "note": HOSTILE,
        "name": HOSTILE,
    }
    return render_report(**(given | changes))


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that what is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag not in {"meta"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag


def assert_self_contained(text: str) -> None:
    """Nothing is loaded, nothing runs, nothing from outside reached the page unescaped."""
    read = Page(text)
    assert read.open == []
    assert read.links == []
    assert read.handlers == []
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(read.tags)
    for forbidden in ("url(", "@import", SCRIPT, "\x00", "\x1b", "\u202e", "\ud800", ">49<"):
        assert forbidden not in text, repr(forbidden)
    assert text.encode("utf-8")
