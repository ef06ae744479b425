"""What each query gained or lost, drawn twice: before against after, and all changes in order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from markupsafe import Markup

from leser.evaluation.statistics import TIE
from leser.report.charts import figure, label, svg
from leser.report.numbers import signed, tick
from leser.report.scale import Frame, axes, framed, ticks

WIDTH, HEIGHT = 440, 380
CELLS = 200
"""Points closer than this part of the axis are one bubble."""
BUBBLE, WIDEST = 2.6, 18.0
"""Radius of a bubble that stands for one query, and of the widest; areas are as their numbers of queries."""
ROOM = 0.05
"""Part of the axis left free at each end, so that bubbles in the corners are whole."""
NUMBERED = 8
"""Bubbles of at least so many queries carry the number, where it fits into them."""
HALF_DIGIT = 3.2


def scatter(pairs: Sequence[tuple[float, float]], measure: str) -> Markup:
    """Each query's value before (across) and after (up); what lies above the diagonal gained. Nothing without pairs."""
    if not pairs:
        return Markup("")
    values = [value for pair in pairs for value in pair]
    if min(values) >= 0 and max(values) <= 1:
        values += [0.0, 1.0]  # the whole range of most measures, the same in every report
    marks = ticks(min(values), max(values), wanted=6)
    room = ROOM * (marks[-1] - marks[0])
    edges = (marks[0] - room, marks[-1] + room)
    frame = replace(framed(WIDTH, HEIGHT, edges, marks, top=24, bottom=38), y=edges)
    parts = axes(frame, marks, marks, label(f"{measure} of the original query"))
    parts.append(f'<text class="axis" x="{frame.left:.1f}" y="12">{label(f"{measure} with expansions")}</text>')
    corner = [frame.place(marks[0], marks[0]), frame.place(marks[-1], marks[-1])]
    parts.append(
        f'<line class="equal" x1="{corner[0][0]:.1f}" y1="{corner[0][1]:.1f}" x2="{corner[1][0]:.1f}" y2="{corner[1][1]:.1f}"/>'
    )
    parts += _bubbles(pairs, frame, marks)
    gained, same, lost = counts([after - before for before, after in pairs])
    said = f"{gained} queries gained, {same} stayed as they were, {lost} lost; each is a point."
    below = Markup('<p class="legend">A bubble’s area is the number of queries with these two values.</p>')
    return figure("Before and after", "", svg(WIDTH, HEIGHT, "Before and after", said, parts), below)


def sorted_bars(changes: Sequence[float], measure: str) -> Markup:
    """Every query's change, the greatest gain first: how many gain, how many lose, and how much. Nothing where none changed."""
    if all(abs(change) <= TIE for change in changes):
        return Markup("")
    ordered = sorted(changes, reverse=True)
    marks = ticks(min(*ordered, 0.0), max(*ordered, 0.0), wanted=9)
    frame = framed(WIDTH, HEIGHT, (0, len(ordered)), marks, top=24, bottom=38)
    counted = [value for value in ticks(0, len(ordered)) if value <= len(ordered) and value == int(value)]
    parts = axes(frame, counted, marks, "queries, greatest gain first")
    parts.append(f'<text class="axis" x="{frame.left:.1f}" y="12">{label(f"change in {measure}")}</text>')
    gap = 0.15 if len(ordered) <= 80 else 0.0
    for kind, chosen in (("good", [v > TIE for v in ordered]), ("bad", [v < -TIE for v in ordered])):
        path = "".join(_bar(frame, i, v, gap) for i, (v, take) in enumerate(zip(ordered, chosen, strict=True)) if take)
        parts.append(f'<path class="bar {kind}" d="{path}"/>' if path else "")
    gained, same, lost = counts(ordered)
    below = Markup(
        '<p class="legend"><span><i class="swatch good"></i>{} gained</span><span><i class="swatch even"></i>{} unchanged'
        '</span><span><i class="swatch bad"></i>{} lost</span></p>'
    ).format(gained, same, lost)
    said = f"From {signed(ordered[0])} to {signed(ordered[-1])}: {gained} gained, {same} unchanged, {lost} lost."
    return figure("Change of every query", "", svg(WIDTH, HEIGHT, "Change of every query", said, parts), below)


def counts(changes: Sequence[float]) -> tuple[int, int, int]:
    """How many changes are gains, none at all, and losses."""
    gained = sum(change > TIE for change in changes)
    lost = sum(change < -TIE for change in changes)
    return gained, len(changes) - gained - lost, lost


def _bubbles(pairs: Sequence[tuple[float, float]], frame: Frame, marks: Sequence[float]) -> list[str]:
    cell = (marks[-1] - marks[0]) / CELLS
    found = Counter((round(before / cell), round(after / cell)) for before, after in pairs)
    unit = min(BUBBLE, WIDEST / math.sqrt(max(found.values())))
    parts: list[str] = []
    numbers = []  # above all bubbles, or the small ones would stand in them
    for (across, up), count in sorted(found.items(), key=lambda item: -item[1]):  # the small ones on top
        x, y = frame.place(across * cell, up * cell)
        kind = "good" if up > across else "bad" if up < across else "even"
        radius = unit * math.sqrt(count)
        parts.append(f'<circle class="bubble {kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>')
        if count >= NUMBERED and radius > HALF_DIGIT * len(tick(count)):
            numbers.append(
                f'<text class="count" x="{x:.1f}" y="{y + 3.3:.1f}" text-anchor="middle">{tick(count)}</text>'
            )
    return parts + numbers


def _bar(frame: Frame, index: int, value: float, gap: float) -> str:
    left, right = frame.across(index + gap / 2), frame.across(index + 1 - gap / 2)
    return f"M{left:.1f} {frame.down(0):.1f}H{right:.1f}V{frame.down(value):.1f}H{left:.1f}Z"
