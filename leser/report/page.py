"""report.html: what was learned, the systems side by side, which queries gained and lost, how training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leser.evaluation.evaluate import ORIGINAL, POLICY
from leser.report import harm, holes, systems
from leser.report.answers import ShownAnswer
from leser.report.changes import counts, scatter, sorted_bars
from leser.report.charts import interval_axis, interval_bar, reach_of, tone
from leser.report.groups import Group, grouped
from leser.report.moved import links, rows_of
from leser.report.numbers import duration, fixed, milliseconds, percent, signed
from leser.report.provenance import flattened, versions
from leser.report.template import render
from leser.report.timeline import timeline_chart
from leser.report.training import dev_charts, fit_of, fit_said, grpo_charts, warnings_of
from leser.report.verdict import verdict
from leser.store.timeline import read_timeline

SHOWN_QUERIES = 10


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure to take in at a glance: before and after where there are two, and a remark."""

    label: str
    before: str
    after: str
    remark: str
    tone: str = "even"


def write_report(
    folder: Path,
    evaluation: Mapping[str, Any],
    metrics: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    answers: Sequence[ShownAnswer] = (),
    note: str = "",
) -> Path:
    """Write report.html into `folder` and return its path; arguments as in `render_report`."""
    path = folder / "report.html"
    page = render_report(evaluation, metrics, settings, answers, note, folder.name, read_timeline(folder))
    path.write_text(page, encoding="utf-8")
    return path


def render_report(
    evaluation: Mapping[str, Any],
    metrics: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    answers: Sequence[ShownAnswer] = (),
    note: str = "",
    name: str = "",
    timeline: Sequence[Mapping[str, Any]] = (),
) -> str:
    """The page as text, everything from outside escaped.

    `evaluation` is evaluation.json's content, `metrics` the rows of metrics.jsonl, `settings` the resolved configuration
    without secrets, `answers` what is known of each query; `note` says what a reader should know about them.
    `timeline` are the lines of timeline.jsonl.
    """
    measures = systems.measures_of(evaluation)
    primary = measures[0] if measures else ""
    made = evaluation.get("made", {})
    return render(
        "report.html.j2",
        name=name,
        verdict=verdict(evaluation, primary),
        facts=[*facts_of(settings, made), *([("reward", str(evaluation["reward"]))] if "reward" in evaluation else [])],
        evaluation=evaluation,
        measures=measures,
        primary=primary,
        table=systems.comparison(evaluation, primary),
        note=note,
        behaviour=systems.behaviour_rows(evaluation),
        codes=systems.code_rows(evaluation),
        writers=systems.writers_of(evaluation),
        latencies=systems.latencies(evaluation),
        config=flattened(settings),
        versions=list(made.get("versions", {}).items()) or versions(),
        made=made,
        seed=settings.get("seed"),
        **_of_holes(evaluation),
        harm_measure=harm.harm_measure(evaluation),
        harm_rows=harm.harm_rows(evaluation),
        abstaining=harm.abstaining_said(evaluation),
        **_of_queries(evaluation, answers, primary, int(settings.get("seed", 0))),
        **_of_training(metrics, primary, settings, timeline),
    )


def _of_holes(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of documents that nobody judged."""
    calibration = evaluation.get("holes", {}).get("calibration", {})
    ways, axis = holes.way_rows(evaluation)
    names, figures = holes.side_by_side(evaluation)
    return {
        "ways": ways,
        "ways_axis": axis,
        "forms": names,
        "forms_rows": figures,
        "calibration": calibration,
        "reliability": holes.reliability_chart(calibration),
        "judge_next": evaluation.get("holes", {}).get("next", []),
        "judge_file": evaluation.get("holes", {}).get("file", ""),
    }


def _of_queries(
    evaluation: Mapping[str, Any], answers: Sequence[ShownAnswer], measure: str, seed: int
) -> dict[str, Any]:
    """What the page shows of single queries and groups of them."""
    known = [answer for answer in answers if answer.change == answer.change]
    charts = (
        scatter([(answer.values[ORIGINAL], answer.values[POLICY]) for answer in known], measure),
        sorted_bars([answer.change for answer in known], measure),
    )
    return {
        "tiles": tiles(evaluation, measure, known),
        "changes": [chart for chart in charts if chart],
        "groups": group_tables(known, seed),
        "kinds": kind_table(evaluation, measure),
        "extremes": extremes(known),
    }


def _of_training(
    metrics: Sequence[Mapping[str, Any]],
    measure: str,
    settings: Mapping[str, Any],
    timeline: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """What the page shows of training."""
    return {
        "fit": fit_said(fit_of(metrics)),
        "dev": dev_charts(metrics, measure),
        "grpo": [*grpo_charts(metrics, second_measure(settings)), *filter(None, [timeline_chart(timeline)])],
        "warnings": warnings_of(metrics),
    }


def facts_of(settings: Mapping[str, Any], made: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was run on what, in a few words each."""
    tables = (("task", "task"), ("engine", "backend"), ("policy", "policy"))
    facts = [(label, str(settings[key]["name"])) for label, key in tables if "name" in settings.get(key, {})]
    if "seed" in settings:
        facts.append(("seed", str(settings["seed"])))
    return facts + ([("made", str(made["at"])[:10])] if made.get("at") else [])


def second_measure(settings: Mapping[str, Any]) -> str:
    """The measure that the monitor takes of dev, empty where there is none."""
    return str(settings.get("training", {}).get("monitor", {}).get("measure", ""))


def tiles(evaluation: Mapping[str, Any], measure: str, answers: Sequence[ShownAnswer]) -> list[Tile]:
    """The figures that stand at the top; those that are unknown are left out."""
    before, after = (evaluation.get("systems", {}).get(name, {}) for name in (ORIGINAL, POLICY))
    if not before or not after:
        return []
    found = []
    if (gain := systems.gains_of(evaluation, measure).get(ORIGINAL)) is not None:
        interval = f"{signed(gain['delta'])}, 95 % {signed(gain['ci95'][0])} to {signed(gain['ci95'][1])}"
        remark = interval if gain["wins"] or gain["losses"] else "no query changed"
        found.append(Tile(measure, fixed(before[measure]), fixed(after[measure]), remark, tone(*gain["ci95"])))
        lost = f"{gain['wins']} gained, {gain['losses']} lost"
        found.append(Tile("Queries", "", f"{gain['wins'] + gain['ties'] + gain['losses']}", lost))
    elif answers:
        gained, _, lost_count = counts([answer.change for answer in answers])
        found.append(Tile("Queries", "", str(len(answers)), f"{gained} gained, {lost_count} lost"))
    if "zero_results" in before and "zero_results" in after:
        shares = [figures["zero_results"] for figures in (before, after)]
        found.append(Tile("Find nothing", percent(shares[0]), percent(shares[1]), "of test queries"))
    median = systems.LATENCY[0]
    if before.get(median) and after.get(median):
        times = f"median, {after[median] / before[median]:.1f} × as long"
        found.append(Tile("Search, ms", milliseconds(before[median]), milliseconds(after[median]), times))
    if evaluation.get("grpo_seconds"):
        peak = evaluation.get("peak_memory_gib")
        memory = f"{peak:.1f} GiB at most" if peak else ""
        found.append(Tile("GRPO took", "", duration(evaluation["grpo_seconds"]), memory))
    return found


def group_tables(answers: Sequence[ShownAnswer], seed: int) -> dict[str, Any]:
    """Groups of queries under their headings, with bars on one scale; empty where there are none."""
    found = grouped(answers, seed)
    reach = reach_of([group.gain.ci95 for part in found.values() for group in part if group.gain])

    def bar(group: Group) -> Any:
        return interval_bar(group.gain.ci95[0], group.gain.delta, group.gain.ci95[1], reach) if group.gain else ""

    tables = {heading: [(group, bar(group)) for group in part] for heading, part in found.items()}
    return {"tables": tables, "axis": interval_axis(reach)} if tables else {}


def kind_table(evaluation: Mapping[str, Any], measure: str) -> dict[str, Any]:
    """Every system's mean for each kind of query."""
    kinds = evaluation.get("kinds", {})
    names = list(evaluation.get("systems", {}))
    rows = [(name, [part["systems"].get(name, {}).get(measure) for part in kinds.values()]) for name in names]
    return {"kinds": {kind: part["queries"] for kind, part in kinds.items()}, "rows": rows} if kinds else {}


def extremes(answers: Sequence[ShownAnswer]) -> dict[str, list[dict[str, Any]]]:
    """The queries that gained most and those that lost most, each with its two rankings where they were kept."""
    ordered = sorted(answers, key=lambda answer: -answer.change)
    best = [answer for answer in ordered[:SHOWN_QUERIES] if answer.change > 0]
    worst = [answer for answer in ordered[: -SHOWN_QUERIES - 1 : -1] if answer.change < 0]
    if not best and not worst:
        return {}
    return {"gained most": [_card(answer) for answer in best], "lost most": [_card(answer) for answer in worst]}


def _card(answer: ShownAnswer) -> dict[str, Any]:
    before, after = rows_of(answer.before or (), gone=True), rows_of(answer.after or (), gone=False)
    return {
        "answer": answer,
        "old": answer.values[ORIGINAL],
        "new": answer.values[POLICY],
        "shown": answer.before is not None,
        "before": before,
        "after": after,
        "links": links(before, after),
    }
