"""report.html: what was learned, the systems side by side, how training went, which queries gained and which lost."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leser.evaluation.evaluate import ORIGINAL, POLICY
from leser.report.charts import Series, interval_bar, line_chart, smoothed
from leser.report.verdict import verdict

if TYPE_CHECKING:
    from markupsafe import Markup

    from leser.evaluation.systems import SystemRun
    from leser.task import Split

SHOWN_QUERIES = 10
PANELS = (
    ("reward", "Reward", "mean of the completions"),
    ("distinct_terms", "Distinct terms", "per completion"),
    ("entropy", "Entropy", "nats per token"),
    ("length", "Length", "tokens"),
    ("dead_groups", "Dead groups", "share without a signal"),
    ("parse_errors", "Parse errors", "share"),
)
PACKAGES = ("leser", "torch", "transformers", "pyserini", "bm25s", "ir-measures", "numpy")
BEHAVIOUR = {
    "zero_results": ("Finds nothing", "share"),
    "zero_results_unjudged": ("Finds nothing, queries without judgments", "share"),
    "errors": ("Failed searches", "share"),
    "parse_errors": ("Unreadable", "share"),
    "rule_violations": ("Against a rule", "share"),
    "left_alone": ("Left alone", "share"),
    "echo": ("Echo of the query", "share of words"),
    "expansions": ("Expansions", "mean"),
    "distinct_terms": ("Distinct terms", "mean"),
    "words": ("Words", "mean"),
    "tokens": ("Tokens", "mean"),
    "latency_p50_ms": ("Engine, median", "ms"),
    "latency_p95_ms": ("Engine, 95 %", "ms"),
}


def write_report(
    folder: Path,
    evaluation: Mapping[str, Any],
    metrics: Sequence[Mapping[str, Any]],
    config: Mapping[str, Any],
    per_query: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None,
    runs: Sequence[SystemRun] = (),
    split: Split | None = None,
) -> Path:
    """Write report.html into `folder` and return its path; arguments as in `render_report`."""
    path = folder / "report.html"
    path.write_text(render_report(evaluation, metrics, config, per_query, runs, split), encoding="utf-8")
    return path


def render_report(
    evaluation: Mapping[str, Any],
    metrics: Sequence[Mapping[str, Any]],
    config: Mapping[str, Any],
    per_query: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None,
    runs: Sequence[SystemRun] = (),
    split: Split | None = None,
) -> str:
    """The page as text, everything from outside escaped.

    `evaluation` is evaluation.json's content, `metrics` the rows of metrics.jsonl, `config` the resolved configuration
    without secrets; `per_query` (system, measure, query id), `runs` and `split` give the queries that gained and lost.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    measures = measures_of(evaluation)
    primary = measures[0] if measures else ""
    return environment.get_template("report.html.j2").render(
        verdict=verdict(evaluation, primary),
        split=evaluation.get("split", ""),
        queries=evaluation.get("queries", 0),
        measures=measures,
        primary=primary,
        systems=evaluation.get("systems", {}),
        rows=comparison_rows(evaluation, primary),
        kinds={kind: comparison_rows(part, primary) for kind, part in evaluation.get("kinds", {}).items()},
        kind_queries={kind: part["queries"] for kind, part in evaluation.get("kinds", {}).items()},
        behaviour={key: label for key, label in BEHAVIOUR.items() if _known(evaluation, key)},
        charts=training_charts(metrics, primary),
        extremes=extremes(per_query or {}, primary, runs, split),
        config=flattened(config),
        versions=versions(),
        seed=config.get("seed"),
    )


def measures_of(evaluation: Mapping[str, Any]) -> list[str]:
    """The measures, in the order they were asked for: whatever a system holds that is no figure of behaviour."""
    held = (name for figures in evaluation.get("systems", {}).values() for name in figures)
    return [name for name in dict.fromkeys(held) if name not in BEHAVIOUR]


def comparison_rows(part: Mapping[str, Any], measure: str) -> list[dict[str, Any]]:
    """One row a system: its value, and what the policy gains over it (no gain in the policy's own row)."""
    against = {
        row["baseline"]: row
        for row in part.get("comparisons", [])
        if row["system"] == POLICY and row["measure"] == measure
    }
    reach = max((abs(bound) for row in against.values() for bound in row["ci95"]), default=0.0)
    rows = []
    for name, figures in part.get("systems", {}).items():
        gain = against.get(name)
        bar: Markup | str = interval_bar(gain["ci95"][0], gain["delta"], gain["ci95"][1], reach) if gain else ""
        rows.append({"system": name, "value": figures.get(measure), "gain": gain, "bar": bar, "policy": name == POLICY})
    return rows


def training_charts(metrics: Sequence[Mapping[str, Any]], measure: str) -> list[Markup]:
    """Dev measures one line a phase, then one panel for each figure of training that was logged."""
    keys = [key for row in metrics for key in row if key.startswith("dev_")]
    dev = sorted(dict.fromkeys(keys), key=lambda key: key != f"dev_{measure}")[:3]
    phases = list(dict.fromkeys(str(row.get("phase", "training")) for row in metrics))
    charts = [
        line_chart(
            f"{key.removeprefix('dev_')} on dev",
            [Series(phase, _points(metrics, key, phase), number) for number, phase in enumerate(phases)],
        )
        for key in dev
    ]
    for key, title, unit in PANELS:
        lines = []
        for number, phase in enumerate(phases):
            points = _points(metrics, key, phase)
            window = max(1, len(points) // 20)
            if window > 1:
                lines.append(Series(phase, points, number, faint=True))
            lines.append(Series(phase, smoothed(points, window), number))
        charts.append(line_chart(title, lines, unit))
    return [chart for chart in charts if chart]


def extremes(
    per_query: Mapping[str, Mapping[str, Mapping[str, float]]],
    measure: str,
    runs: Sequence[SystemRun],
    split: Split | None,
) -> dict[str, list[dict[str, Any]]]:
    """The queries that gained and lost most over the original, with what the policy added to them."""
    policy = next((run for run in runs if run.name == POLICY), None)
    before, after = (per_query.get(name, {}).get(measure, {}) for name in (ORIGINAL, POLICY))
    if policy is None or split is None:
        return {}
    rows: list[dict[str, Any]] = [
        {
            "query": query.text,
            "kind": query.kind or "",
            "expansions": policy.expansions.get(query.id, ()),
            "completion": policy.completions.get(query.id, ""),
            "before": before[query.id],
            "after": after[query.id],
            "gain": after[query.id] - before[query.id],
        }
        for query in split.queries
        if query.id in before and query.id in after
    ]
    rows.sort(key=lambda row: -row["gain"])
    best = [row for row in rows[:SHOWN_QUERIES] if row["gain"] > 0]
    worst = [row for row in rows[: -SHOWN_QUERIES - 1 : -1] if row["gain"] < 0]
    return {"gained most": best, "lost most": worst}


def flattened(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A nested configuration as (dotted key, value) pairs."""
    pairs: list[tuple[str, str]] = []
    for key, value in config.items():
        if isinstance(value, Mapping):
            pairs += flattened(value, f"{prefix}{key}.")
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            pairs.append((f"{prefix}{key}", shown))
    return pairs


def versions() -> list[tuple[str, str]]:
    """Python's version, and that of every package a result depends on, where it is installed."""
    found = [("python", platform.python_version())]
    for package in PACKAGES:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            continue  # an optional engine that this installation does without
    return found


def _points(metrics: Sequence[Mapping[str, Any]], key: str, phase: str) -> tuple[tuple[float, float], ...]:
    rows = (row for row in metrics if str(row.get("phase", "training")) == phase)
    return tuple((float(row["step"]), float(row[key])) for row in rows if row.get(key) is not None and "step" in row)


def _known(evaluation: Mapping[str, Any], key: str) -> bool:
    return any(key in figures for figures in evaluation.get("systems", {}).values())
