"""Line charts and interval bars as inline SVG, coloured by the page's own style sheet (light and dark)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup, escape

WIDTH, HEIGHT = 320, 180
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 10, 24
_COLOURS = 5  # classes c0 ... c4 of the style sheet


@dataclass(frozen=True, slots=True)
class Series:
    """A line: its label, its points in order of x, and whether it is drawn pale, behind the others."""

    label: str
    points: tuple[tuple[float, float], ...]
    colour: int = 0
    faint: bool = False


def line_chart(title: str, series: Sequence[Series], unit: str = "") -> Markup:
    """A chart with axes and a legend where it has several labels; values that are not finite are left out."""
    drawn = [replace(line, points=tuple(p for p in line.points if all(map(math.isfinite, p)))) for line in series]
    points = [point for line in drawn for point in line.points]
    if not points:
        return Markup("")
    xs, ys = [x for x, _ in points], [y for _, y in points]
    y_ticks = ticks(min(ys), max(ys))
    low, high = min(y_ticks[0], *ys), max(y_ticks[-1], *ys)
    first, last = min(xs), max(xs)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - first) / (last - first) if last > first else 0.5
        return LEFT + across * (WIDTH - LEFT - RIGHT), TOP + (high - y) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = []
    for tick in y_ticks:
        _, y = place(first, tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        label = _number(tick)
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{label}</text>')
    for x, anchor in ((first, "start"), (last, "end")) if last > first else ((first, "middle"),):
        at, _ = place(x, low)
        parts.append(f'<text class="tick" x="{at:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{_number(x)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="tick" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">update</text>')
    parts += [_line(line, [place(x, y) for x, y in line.points]) for line in drawn if line.points]
    label = f"{title}: from {_number(ys[0])} to {_number(ys[-1])}"
    body = "".join(parts)
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{body}</svg>'
    shown = f' <span class="unit">{escape(unit)}</span>' if unit else ""
    return Markup(  # noqa: S704 - labels are escaped, the rest is our own numbers
        f'<figure class="chart"><figcaption>{escape(title)}{shown}</figcaption>{svg}{_legend(drawn)}</figure>'
    )


def interval_bar(low: float, middle: float, high: float, reach: float, width: int = 150) -> Markup:
    """An interval and its middle on an axis from -reach to +reach, zero marked."""
    reach = reach or 1.0

    def place(value: float) -> float:
        return (max(-reach, min(reach, value)) / reach + 1) / 2 * (width - 12) + 6

    tone = "good" if low > 0 else "bad" if high < 0 else "even"
    return Markup(  # noqa: S704 - labels are escaped, the rest is our own numbers
        f'<svg class="interval {tone}" viewBox="0 0 {width} 16" width="{width}" height="16" aria-hidden="true">'
        f'<line class="zero" x1="{width / 2}" x2="{width / 2}" y1="0" y2="16"/>'
        f'<line class="span" x1="{place(low):.1f}" x2="{place(high):.1f}" y1="8" y2="8"/>'
        f'<circle class="dot" cx="{place(middle):.1f}" cy="8" r="3.5"/></svg>'
    )


def ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round numbers, at least two, that span low to high in steps of 1, 2 or 5 times a power of ten."""
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    start = math.floor(low / step + 1e-9)
    end = math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(start, end + 1)]


def smoothed(points: Sequence[tuple[float, float]], window: int) -> tuple[tuple[float, float], ...]:
    """Mean of the last `window` values at each point."""
    values = [y for _, y in points]
    return tuple(
        (x, sum(values[max(0, i + 1 - window) : i + 1]) / min(window, i + 1)) for i, (x, _) in enumerate(points)
    )


def _line(line: Series, placed: Sequence[tuple[float, float]]) -> str:
    style = f"c{line.colour % _COLOURS}" + (" faint" if line.faint else "")
    if len(placed) == 1:
        (x, y), *_ = placed
        return f'<circle class="dot {style}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
    return f'<polyline class="line {style}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in placed)}"/>'


def _legend(series: Sequence[Series]) -> str:
    shown = {line.label: line.colour % _COLOURS for line in series if not line.faint and line.points}
    if len(shown) < 2:
        return ""
    keys = "".join(f'<span><i class="key c{colour}"></i>{escape(label)}</span>' for label, colour in shown.items())
    return f'<div class="legend">{keys}</div>'


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e6 else f"{value:.4g}"
