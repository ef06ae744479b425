"""A page that compares runs: systems by runs with intervals, learning curves over each other, what was set differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from markupsafe import Markup

from leser.evaluation.evaluate import ORIGINAL, POLICY
from leser.evaluation.statistics import Paired, paired
from leser.report.answers import ShownAnswer
from leser.report.charts import Series, interval_axis, interval_bar, line_chart, reach_of, smoothed
from leser.report.harm import hurt_by_run
from leser.report.numbers import duration, fixed, signed
from leser.report.provenance import flattened
from leser.report.systems import gains_of, measures_of
from leser.report.template import render
from leser.report.training import GRPO, PANELS, X, stages_of, window

UNCOMPARED = ("out",)
"""Keys that say where a run wrote, not what it did."""


NARROW = 190
"""Width of an interval bar where every run has one."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A run as the page sees it; `answers` may be empty."""

    name: str
    evaluation: Mapping[str, Any]
    metrics: Sequence[Mapping[str, Any]]
    config: Mapping[str, Any]
    answers: Sequence[ShownAnswer] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Difference:
    """How the policy of one run does against the first run's, on the same queries."""

    name: str
    result: Paired
    bar: Markup


def render_comparison(runs: Sequence[Compared]) -> str:
    """The page as text, everything from outside escaped; the runs stand in the order given."""
    measure = common_measure(runs)
    gains = [gains_of(run.evaluation, measure) for run in runs]
    reach = reach_of([tuple(row["ci95"]) for found in gains for row in found.values()])
    between = differences(runs, measure)
    return render(
        "compare.html.j2",
        runs=runs,
        measure=measure,
        said=said(runs, measure),
        warning=unlike(runs),
        values=value_rows(runs, measure),
        gains=[
            (name, [(found.get(name), _bar(found.get(name), reach)) for found in gains])
            for name in dict.fromkeys(name for found in gains for name in found)
        ],
        axis=interval_axis(reach, NARROW),
        hurt=hurt_by_run([run.evaluation for run in runs]),
        between=between,
        between_axis=interval_axis(_reach_of(between)),
        charts=curves(runs, measure),
        changed=changed(runs),
        costs=costs(runs),
    )


def common_measure(runs: Sequence[Compared]) -> str:
    """The first run's first measure that all runs have; empty where they share none."""
    held = [measures_of(run.evaluation) for run in runs]
    return next((name for name in held[0] if all(name in names for names in held)), "")


def said(runs: Sequence[Compared], measure: str) -> str:
    """What the page shows, in one sentence."""
    found = [(run.name, gains_of(run.evaluation, measure).get(ORIGINAL)) for run in runs]
    told = [f"{name} {signed(gain['delta'])}" for name, gain in found if gain is not None]
    if not told:
        return f"{len(runs)} runs, none of which evaluated a policy against the original queries."
    sure = sum(gain is not None and gain["ci95"][0] > 0 for _, gain in found)
    where = "all" if sure == len(runs) else f"{sure} of {len(runs)}"
    return (
        f"{len(runs)} runs: over the original queries their policies change {measure} by {', '.join(told)}; "
        f"in {where} the 95 % interval lies above 0."
    )


def unlike(runs: Sequence[Compared]) -> str:
    """A warning where the runs were not asked the same queries, so that their columns don't compare."""
    if _asked_alike(runs):
        return ""
    return (
        "These runs were evaluated on different queries: compare what each gains over its own baselines, not one column’s "
        "values with another’s."
    )


def _asked_alike(runs: Sequence[Compared]) -> bool:
    """By the queries that were answered; where a run did not keep them, by their number and the task as both name it."""
    if len({run.evaluation.get("queries") for run in runs}) > 1:
        return False
    asked = [{(answer.id, answer.query) for answer in run.answers} for run in runs]
    if all(asked):
        return all(queries == asked[0] for queries in asked)
    tables = [dict(flattened(run.config.get("task", {}))) for run in runs]
    named = set.intersection(*(set(table) for table in tables))  # a version may write options that another did not have
    return all(table[key] == tables[0][key] for table in tables for key in named)


def value_rows(runs: Sequence[Compared], measure: str) -> list[tuple[str, list[float | None]]]:
    """Every system's value in every run."""
    tables = [run.evaluation.get("systems", {}) for run in runs]
    names = dict.fromkeys(name for table in tables for name in table)
    last = [name for name in names if name == POLICY]
    ordered = [*(name for name in names if name != POLICY), *last]
    return [(name, [table.get(name, {}).get(measure) for table in tables]) for name in ordered]


def differences(runs: Sequence[Compared], measure: str) -> list[Difference]:
    """Each further run's policy minus the first run's, over the same queries; those asked other queries are left out."""
    first = _values(runs[0], measure)
    results = []
    for run in runs[1:]:
        values = _values(run, measure)
        if first and values.keys() == first.keys():
            column = np.array([[values[key] - first[key]] for key in first])
            results.append((run.name, paired(column, seed=int(runs[0].config.get("seed", 0)))[0]))
    reach = reach_of([result.ci95 for _, result in results])
    return [
        Difference(name, result, interval_bar(result.ci95[0], result.delta, result.ci95[1], reach))
        for name, result in results
    ]


def curves(runs: Sequence[Compared], measure: str) -> list[Markup]:
    """GRPO's learning curves, one colour a run."""
    stages = [(run.name, next((s for s in stages_of(run.metrics) if s.name == GRPO), None)) for run in runs]
    known = [(number, name, stage) for number, (name, stage) in enumerate(stages) if stage is not None]
    panels = [
        (f"dev_{measure}", f"{measure} on dev", "", None),
        ("dev_reward", "Reward on dev", "", None),
        ("reward", "Training reward", "", None),
        *((key, title, unit, least or (0.0, 0.0)) for key, title, unit, least in PANELS),
    ]
    charts = []
    for key, title, unit, least in panels:
        lines = []
        for number, name, stage in known:
            points = stage.points(key)
            dev = key.startswith("dev_")
            lines.append(Series(name, points if dev else smoothed(points, window(len(points))), number, dots=dev))
        if any(y for line in lines for _, y in line.points):
            charts.append(line_chart(title, lines, unit, x_label=X, y_range=least))
    return [chart for chart in charts if chart]


def changed(runs: Sequence[Compared]) -> list[tuple[str, list[str]]]:
    """The configuration keys that differ, and each run's value."""
    tables = [dict(flattened(run.config)) for run in runs]
    keys = sorted({key for table in tables for key in table if key not in UNCOMPARED})
    rows = [(key, [table.get(key, "") for table in tables]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def costs(runs: Sequence[Compared]) -> list[tuple[str, list[str]]]:
    """What each run took, for the figures that some run tells."""
    rows = [
        ("GRPO took", [_told(run, "grpo_seconds", duration) for run in runs]),
        ("memory at most, GiB", [_told(run, "peak_memory_gib", lambda value: fixed(value, 1)) for run in runs]),
        ("prompt, mean tokens", [_told(run, "mean_prompt_tokens", lambda value: fixed(value, 0)) for run in runs]),
        ("test queries", [_told(run, "queries", str) for run in runs]),
    ]
    return [(label, values) for label, values in rows if any(values)]


def _told(run: Compared, key: str, write: Any) -> str:
    value = run.evaluation.get(key)
    return "" if value is None else str(write(value))


def _values(run: Compared, measure: str) -> dict[tuple[str, str], float]:
    """The policy's value for each query, by id and text: an id alone may mean another query in another task."""
    return {(a.id, a.query): a.values[POLICY] for a in run.answers if a.measure == measure and POLICY in a.values}


def _bar(gain: Mapping[str, Any] | None, reach: tuple[float, float]) -> Markup:
    return Markup("") if gain is None else interval_bar(gain["ci95"][0], gain["delta"], gain["ci95"][1], reach, NARROW)


def _reach_of(found: Sequence[Difference]) -> tuple[float, float]:
    return reach_of([difference.result.ci95 for difference in found])
