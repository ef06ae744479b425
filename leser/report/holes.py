"""What a report says of holes: whether the ways to count them agree, side by side, and how well a judge fills them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from leser.evaluation.evaluate import ORIGINAL, POLICY
from leser.report.charts import Series, figure, interval_axis, interval_bar, label, reach_of, svg
from leser.report.numbers import percent, signed
from leser.report.scale import axes, framed, ticks

WAYS = {
    "plain": "counted as not relevant",
    "condensed": "left out",
    "expected": "filled by the judge",
}
"""The ways to count a document that nobody judged, by the names of leser.holes.treatment.Forms."""
_WIDTH, _HEIGHT = 320, 240


@dataclass(frozen=True, slots=True)
class WayRow:
    """One way to count holes: what it does, the measure's name, what the policy gains over the original, and its bar."""

    way: str
    measure: str
    gain: Mapping[str, Any] | None
    bar: Markup


def ways_of(evaluation: Mapping[str, Any]) -> dict[str, str]:
    """The measures that count holes in different ways, by way; empty where an evaluation does not hold them."""
    forms = evaluation.get("holes", {}).get("forms", {})
    return {way: forms[way] for way in WAYS if forms.get(way)}


def gain_in(
    evaluation: Mapping[str, Any], measure: str, system: str = POLICY, over: str = ORIGINAL
) -> Mapping[str, Any] | None:
    """How a system compares with another in a measure; None where that was not measured."""
    for row in evaluation.get("comparisons", []):
        if (row["system"], row["baseline"], row["measure"]) == (system, over, measure):
            found: Mapping[str, Any] = row
            return found
    return None


def disagreement(evaluation: Mapping[str, Any]) -> str:
    """In words, that the policy is better or worse by one way to count holes and not by another; empty where all agree."""
    rows = {way: gain_in(evaluation, measure) for way, measure in ways_of(evaluation).items()}
    known = {way: row for way, row in rows.items() if row is not None}
    outcomes = {way: _outcome(row) for way, row in known.items()}
    if len(set(outcomes.values())) < 2:
        return ""
    said = "; ".join(
        f"{WAYS[way]}, it is {outcomes[way]} ({signed(row['delta'])}, {signed(row['ci95'][0])} to {signed(row['ci95'][1])})"
        for way, row in known.items()
    )
    opposite = {"better", "worse"} <= set(outcomes.values())
    start = "Holes in the judgments turn this round" if opposite else "Holes in the judgments decide this"
    return f"{start}: with unjudged documents {said}{_seen(evaluation)}.{judge_next(evaluation)}"


def way_rows(evaluation: Mapping[str, Any]) -> tuple[list[WayRow], Markup]:
    """The policy's gain over the original by each way, bars on one scale, and the scale."""
    found = [(way, measure, gain_in(evaluation, measure)) for way, measure in ways_of(evaluation).items()]
    reach = reach_of([tuple(row["ci95"]) for _, _, row in found if row])
    rows = [
        WayRow(
            WAYS[way],
            measure,
            row,
            interval_bar(row["ci95"][0], row["delta"], row["ci95"][1], reach) if row else Markup(""),
        )
        for way, measure, row in found
    ]
    return rows, interval_axis(reach)


def side_by_side(evaluation: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, list[float | None]]]]:
    """The measure's forms and the share of judged hits, and each system's figures in them."""
    forms = evaluation.get("holes", {}).get("forms", {})
    names = [name for name in (*ways_of(evaluation).values(), forms.get("judged")) if name]
    systems = evaluation.get("systems", {})
    return names, [(system, [figures.get(name) for name in names]) for system, figures in systems.items()]


def reliability_chart(calibration: Mapping[str, Any]) -> Markup:
    """What was predicted against what people said, with intervals; on the diagonal a prediction is right on average."""
    bins = calibration.get("reliability", [])
    if not bins:
        return Markup("")
    points = [(float(b["predicted"]), float(b["judged"]), *map(float, b["ci95"])) for b in bins]
    top = max(max(point) for point in points) or 1.0
    marks = ticks(0.0, top)
    frame = framed(_WIDTH, _HEIGHT, [marks[0], marks[-1]], marks)
    parts = axes(frame, marks, marks, label("mean grade expected"))
    (x0, y0), (x1, y1) = frame.place(marks[0], marks[0]), frame.place(marks[-1], marks[-1])
    parts.append(f'<line class="grid zero" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"/>')
    for predicted, _, low, high in points:
        x = frame.across(predicted)
        parts.append(
            f'<line class="whisker" x1="{x:.1f}" x2="{x:.1f}" y1="{frame.down(low):.1f}" y2="{frame.down(high):.1f}"/>'
        )
    line = Series("judged", tuple((predicted, judged) for predicted, judged, _, _ in points))
    placed = [frame.place(x, y) for x, y in line.points]
    parts.append(f'<polyline class="line c0" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in placed)}"/>')
    parts += [f'<circle class="dot c0" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in placed]
    said = "; ".join(f"expected {p:.2f}, judged {j:.2f} ({low:.2f} to {high:.2f})" for p, j, low, high in points)
    drawing = svg(_WIDTH, _HEIGHT, "Expected against judged grades", f"{said}.", parts)
    return figure("Expected against judged grades", "mean of each tenth of the judged documents", drawing, Markup(""))


def _outcome(row: Mapping[str, Any]) -> str:
    low, high = row["ci95"]
    return "better" if low > 0 else "worse" if high < 0 else "not distinguishable"


def _seen(evaluation: Mapping[str, Any]) -> str:
    name = evaluation["holes"]["forms"]["judged"]
    before, after = (evaluation["systems"].get(system, {}).get(name) for system in (ORIGINAL, POLICY))
    if before is None or after is None:
        return ""
    return f"; {percent(after, 0)} of its hits are judged ({name}; of the original’s {percent(before, 0)})"


def judge_next(evaluation: Mapping[str, Any]) -> str:
    """Which file lists the documents to judge next, after a space; empty where there is none."""
    holes = evaluation.get("holes", {})
    count, file = len(holes.get("next", [])), holes.get("file")
    return f" {file} lists the {count} documents whose labels would settle it most." if count and file else ""
