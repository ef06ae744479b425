"""Line charts and interval bars as inline SVG, coloured by the page's own style sheet (light and dark)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from markupsafe import Markup, escape

from leser.printable import printable
from leser.report.numbers import tick
from leser.report.scale import axes, framed, ticks

WIDTH, HEIGHT = 320, 200
BAR = 180
COLOURS = 6  # classes c0 ... c5 of the style sheet


@dataclass(frozen=True, slots=True)
class Series:
    """A line: its label, its points in order of x, whether it is drawn pale behind the others, and whether with dots."""

    label: str
    points: tuple[tuple[float, float], ...]
    colour: int = 0
    faint: bool = False
    dots: bool = False


def line_chart(
    title: str,
    series: Sequence[Series],
    unit: str = "",
    *,
    x_label: str = "update",
    y_range: tuple[float, float] | None = None,
    mark: tuple[float, str] | None = None,
    legend: bool = True,
) -> Markup:
    """A chart with axes and a legend where it has several labels; values that are not finite are left out.

    The horizontal axis counts from 0. `y_range` must be shown whatever the values are (0 for shares, the common range of
    charts side by side); `mark` is a place on the horizontal axis and what happened there. Nothing without points.
    """
    drawn = [replace(line, points=tuple(p for p in line.points if all(map(math.isfinite, p)))) for line in series]
    drawn = [line for line in drawn if line.points]
    if not drawn:
        return Markup("")
    xs = [0.0, *(x for line in drawn for x, _ in line.points)]
    ys = [y for line in drawn for _, y in line.points]
    y_ticks = ticks(min((*ys, *(y_range or ()))), max((*ys, *(y_range or ()))))
    frame = framed(WIDTH, HEIGHT, xs, y_ticks, top=20 if mark else 10)
    inside = [value for value in ticks(min(xs), max(xs)) if min(xs) <= value <= max(xs)]
    parts = axes(frame, inside if len(set(xs)) > 1 else xs[:1], y_ticks, label(x_label))
    if mark and frame.x[0] <= mark[0] <= frame.x[1]:
        parts.append(
            _marked(frame.across(mark[0]), frame.left, frame.width - frame.right, frame.height - frame.bottom, mark[1])
        )
    for line in sorted(drawn, key=lambda line: not line.faint):
        parts.append(_line(line, [frame.place(x, y) for x, y in line.points]))
    said = f"{title}{f', {unit}' if unit else ''}. {'; '.join(map(_told, (s for s in drawn if not s.faint)))}."
    return figure(title, unit, svg(WIDTH, HEIGHT, title, said, parts), _legend(drawn) if legend else Markup(""))


def svg(width: float, height: float, title: str, description: str, parts: Sequence[str]) -> Markup:
    """A drawing that scales with its column, with a title and a description for those who can't see it."""
    return Markup(  # noqa: S704 - titles are escaped; the parts are our own numbers and escaped labels
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img"><title>{label(title)}</title>'
        f"<desc>{label(description)}</desc>{''.join(parts)}</svg>"
    )


def label(text: str) -> Markup:
    """Text from outside as a label: one line, nothing invisible, escaped."""
    return escape(printable(text))


def figure(title: str, unit: str, drawing: Markup, below: Markup, kind: str = "") -> Markup:
    """A drawing under its title, with a line of explanation or a legend below."""
    shown = Markup(' <span class="unit">{}</span>').format(label(unit)) if unit else Markup("")
    return Markup('<figure class="{}"><figcaption>{}{}</figcaption>{}{}</figure>').format(
        f"chart {kind}".strip(), label(title), shown, drawing, below
    )


def interval_bar(low: float, middle: float, high: float, reach: tuple[float, float], width: int = BAR) -> Markup:
    """An interval and its middle on an axis over `reach`, zero marked."""
    place = _places(reach, width)
    zero, left, right = place(0.0), place(low), place(high)
    return Markup(  # noqa: S704 - nothing but our own numbers
        f'<svg class="interval {tone(low, high)}" viewBox="0 0 {width} 16" width="{width}" height="16" aria-hidden="true">'
        f'<line class="null" x1="{zero:.1f}" x2="{zero:.1f}" y1="0" y2="16"/>'
        f'<line class="span" x1="{left:.1f}" x2="{right:.1f}" y1="8" y2="8"/>'
        f'<line class="mean" x1="{place(middle):.1f}" x2="{place(middle):.1f}" y1="3" y2="13"/></svg>'
    )


def interval_axis(reach: tuple[float, float], width: int = BAR) -> Markup:
    """The numbers that belong above a column of interval bars."""
    place = _places(reach, width)

    def middle(value: float) -> float:
        return min(max(place(value), 14), width - 14)

    shown = [value for value in reach if value and abs(middle(value) - middle(0.0)) > 26]
    labels = "".join(
        f'<text class="tick" x="{middle(value):.1f}" y="11" text-anchor="middle">{_axis_number(value)}</text>'
        for value in (*shown, 0.0)
    )
    return Markup(  # noqa: S704 - nothing but our own numbers
        f'<svg class="interval" viewBox="0 0 {width} 14" width="{width}" height="14" aria-hidden="true">{labels}</svg>'
    )


def reach_of(intervals: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The round range that holds all intervals and zero."""
    low = min((low for low, _ in intervals), default=0.0)
    high = max((high for _, high in intervals), default=0.0)
    if low == high == 0:
        return -0.1, 0.1
    found = ticks(min(low, 0.0), max(high, 0.0), wanted=6)
    return found[0], found[-1]


def tone(low: float, high: float) -> str:
    """On which side of zero an interval lies: "good", "bad" or, where it holds zero, "even"."""
    return "good" if low > 0 else "bad" if high < 0 else "even"


def smoothed(points: Sequence[tuple[float, float]], window: int) -> tuple[tuple[float, float], ...]:
    """Mean of the `window` values around each point, of fewer at the ends; it lags behind nothing."""
    values = [y for _, y in points]
    before, after = (window - 1) // 2, window // 2
    return tuple((x, fmean(values[max(0, i - before) : i + after + 1])) for i, (x, _) in enumerate(points))


def _places(reach: tuple[float, float], width: int) -> Callable[[float], float]:
    low, high = reach

    def place(value: float) -> float:
        share = (min(max(value, low), high) - low) / (high - low) if high > low else 0.5
        return 6 + share * (width - 12)

    return place


def _axis_number(value: float) -> str:
    return "0" if value == 0 else ("+" if value > 0 else "") + tick(value)


def _line(line: Series, placed: Sequence[tuple[float, float]]) -> str:
    style = f"c{line.colour % COLOURS}" + (" faint" if line.faint else "")
    dots = placed if line.dots or len(placed) == 1 else ()
    drawn = "".join(f'<circle class="dot {style}" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in dots)
    if len(placed) > 1:
        drawn += f'<polyline class="line {style}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in placed)}"/>'
    return drawn


def _marked(x: float, left: float, right: float, foot: float, text: str) -> str:
    anchor = "end" if x > (left + right) / 2 else "start"
    return (
        f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="6" y2="{foot:.1f}"/>'
        f'<text class="axis" x="{x + (-4 if anchor == "end" else 4):.1f}" y="13" text-anchor="{anchor}">{label(text)}</text>'
    )


def _told(line: Series) -> str:
    values = [y for _, y in line.points]
    return f"{line.label}: from {tick(values[0])} to {tick(values[-1])}, between {tick(min(values))} and {tick(max(values))}"


def _legend(series: Sequence[Series]) -> Markup:
    shown = {line.label: line.colour % COLOURS for line in series if not line.faint}
    if len(shown) < 2:
        return Markup("")
    keys = (
        Markup('<span><i class="key c{}"></i>{}</span>').format(colour, label(text)) for text, colour in shown.items()
    )
    return Markup('<div class="legend">{}</div>').format(Markup("").join(keys))
