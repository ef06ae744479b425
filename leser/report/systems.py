"""The tables of systems: how well each ranks, how it behaves, what became of its completions, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from leser.evaluation.evaluate import IDEAL, ORIGINAL, POLICY
from leser.report.charts import interval_axis, interval_bar, reach_of
from leser.report.numbers import fixed, milliseconds, percent

BEHAVIOUR: dict[str, tuple[str, str]] = {
    "zero_results": ("Finds nothing", "share"),
    "zero_results_unjudged": ("Finds nothing, queries without judgments", "share"),
    "left_alone": ("Left alone", "share"),
    "expansions": ("Expansions", "number"),
    "distinct_terms": ("Distinct words", "number"),
    "words": ("Words", "number"),
    "echo": ("Words the query holds already", "share"),
    "tokens": ("Tokens written", "number"),
}
CODES: dict[str, tuple[str, str]] = {
    "parse_errors": ("parse_error", "cannot be read: the original is served"),
    "rule_violations": ("rule_violation", "breaks a rule, such as repeating a word: the original is served"),
    "errors": ("engine_error", "the engine failed: counts 0"),
    "zero_results": ("nothing_found", "the search found nothing"),
    "left_alone": ("none", "searched without expansions: none were written, or none could be served"),
}
"""Figures of behaviour that are codes of what became of a query, with the code and what it means."""
LATENCY = ("latency_p50_ms", "latency_p95_ms")
FIGURES = {*BEHAVIOUR, *CODES, *LATENCY}

MEANING = {
    ORIGINAL: "the query as its user typed it",
    "rm3": "feedback terms out of the query’s own top hits, tuned on dev; no model",
    "dictionary": "for each query word the one term that helped most on train; no model",
    "query2doc": "words of a passage that the untrained policy writes after worked examples, tuned on dev",
    "pseudo-document": "words of a passage that it writes from the titles found, tuned on dev; no training",
    IDEAL: "the task’s own best expansions: a reference that reads the judgments, no rival",
    "search": "verified search on the engine for each query, judged without labels; no model",
    "prompted": "the policy before any training",
    "warmup": "the policy after the supervised warm-up",
    "warmup+": "the control: the warm-up’s training for as long as GRPO took",
    "leser-sure": "the same, leaving queries alone where it is not sure; how sure it must be was chosen on dev",
    POLICY: "the policy after GRPO, the best on dev",
}


@dataclass(frozen=True, slots=True)
class SystemRow:
    """A system, its value, and what the policy gains over it."""

    system: str
    meaning: str
    value: float | None
    gain: Mapping[str, Any] | None
    bar: Markup


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one measure with the axis of their bars."""

    rows: tuple[SystemRow, ...]
    axis: Markup


def measures_of(evaluation: Mapping[str, Any]) -> list[str]:
    """The measures, in the order they were asked for: whatever a system holds that is no figure of behaviour."""
    held = (name for figures in evaluation.get("systems", {}).values() for name in figures)
    return [name for name in dict.fromkeys(held) if name not in FIGURES]


def comparison(evaluation: Mapping[str, Any], measure: str) -> Table:
    """Every system with its value and what the policy gains over it; bars share one scale."""
    gains = gains_of(evaluation, measure)
    reach = reach_of([tuple(row["ci95"]) for row in gains.values()])
    rows = tuple(
        SystemRow(
            name,
            meaning(name, evaluation.get("warmup_plus_share", 1.0)),
            figures.get(measure),
            gains.get(name),
            _bar(gains.get(name), reach),
        )
        for name, figures in evaluation.get("systems", {}).items()
    )
    return Table(rows, interval_axis(reach))


def gains_of(evaluation: Mapping[str, Any], measure: str) -> dict[str, Mapping[str, Any]]:
    """The comparisons of the policy with each other system in a measure, by the other system's name."""
    return {
        row["baseline"]: row
        for row in evaluation.get("comparisons", [])
        if row["system"] == POLICY and row["measure"] == measure
    }


def meaning(system: str, share: float = 1.0) -> str:
    """What a system is, in words; nothing for one that a plugin brought. `share` of GRPO's time is what the control had."""
    if system == "warmup+" and share < 1:
        return f"the control: the warm-up’s training for {share:.0%} of the time that GRPO took"
    if system.startswith("best-of-"):
        return f"of {system.removeprefix('best-of-')} sampled completions the one the warmed-up policy finds likeliest"
    return MEANING.get(system, "")


def behaviour_rows(evaluation: Mapping[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Label, unit and every system's figure, for the figures somebody has."""
    return [
        (label, unit, _figures(evaluation, key, unit))
        for key, (label, unit) in BEHAVIOUR.items()
        if _known(evaluation, key)
    ]


def code_rows(evaluation: Mapping[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Code, what it means and each policy's share of queries with it."""
    writers = {"systems": {name: f for name, f in evaluation.get("systems", {}).items() if _writes(f)}}
    return [(code, told, _figures(writers, key, "share")) for key, (code, told) in CODES.items() if writers["systems"]]


def writers_of(evaluation: Mapping[str, Any]) -> list[str]:
    """The systems that write completions, and so can write bad ones."""
    return [name for name, figures in evaluation.get("systems", {}).items() if _writes(figures)]


@dataclass(frozen=True, slots=True)
class Latency:
    """A system's search latency in milliseconds, and its median against the original's."""

    system: str
    median: str
    slow: str
    ratio: str


def latencies(evaluation: Mapping[str, Any]) -> list[Latency]:
    """Each system whose engine time is known."""
    median, slow = LATENCY
    base = evaluation.get("systems", {}).get(ORIGINAL, {}).get(median)
    return [
        Latency(
            name,
            milliseconds(figures[median]),
            milliseconds(figures.get(slow)),
            f"{figures[median] / base:.1f} ×" if base else "",
        )
        for name, figures in evaluation.get("systems", {}).items()
        if figures.get(median) is not None
    ]


def _writes(figures: Mapping[str, Any]) -> bool:
    return "parse_errors" in figures


def _figures(evaluation: Mapping[str, Any], key: str, unit: str) -> list[str]:
    write = percent if unit == "share" else lambda value: fixed(value, 2)
    return [write(figures.get(key)) for figures in evaluation.get("systems", {}).values()]


def _known(evaluation: Mapping[str, Any], key: str) -> bool:
    return any(key in figures for figures in evaluation.get("systems", {}).values())


def _bar(gain: Mapping[str, Any] | None, reach: tuple[float, float]) -> Markup:
    return Markup("") if gain is None else interval_bar(gain["ci95"][0], gain["delta"], gain["ci95"][1], reach)
