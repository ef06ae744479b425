"""Scales: from values to places in a drawing, with round numbers on the axes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from leser.report.numbers import tick

DIGIT = 6.1
"""Width of a digit on an axis, in units of a drawing."""


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


@dataclass(frozen=True, slots=True)
class Frame:
    """A drawing's size, its margins, and the values at its edges."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies; the middle where an axis has no length."""
        return self.across(x), self.down(y)

    def across(self, x: float) -> float:
        """The horizontal place of a value."""
        first, last = self.x
        return self.left + (x - first) / (last - first) * self.inner_width if last > first else self.middle

    def down(self, y: float) -> float:
        """The vertical place of a value."""
        low, high = self.y
        share = (high - y) / (high - low) if high > low else 0.5
        return self.top + share * (self.height - self.top - self.bottom)

    @property
    def inner_width(self) -> float:
        """The width between the margins."""
        return self.width - self.left - self.right

    @property
    def middle(self) -> float:
        """The horizontal middle between the margins."""
        return self.left + self.inner_width / 2


def framed(
    width: float, height: float, xs: Iterable[float], y_ticks: list[float], *, top: float = 10, bottom: float = 34
) -> Frame:
    """A frame whose left margin holds the labels of `y_ticks`."""
    across = list(xs)
    left = 12 + DIGIT * max(len(tick(value)) for value in y_ticks)
    return Frame(width, height, left, 12, top, bottom, (min(across), max(across)), (y_ticks[0], y_ticks[-1]))


def axes(frame: Frame, x_ticks: Iterable[float], y_ticks: Iterable[float], x_label: str = "") -> list[str]:
    """Grid lines, numbers and the label of the horizontal axis (markup already), as SVG."""
    parts = []
    for value in y_ticks:
        y = frame.down(value)
        kind = "grid zero" if value == 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{frame.left:.1f}" x2="{frame.width - frame.right:.1f}" {_ys(y)}/>')
        parts.append(
            f'<text class="tick" x="{frame.left - 6:.1f}" y="{y + 3.5:.1f}" text-anchor="end">{tick(value)}</text>'
        )
    foot = frame.height - frame.bottom
    for value in x_ticks:
        x = frame.across(value)
        parts.append(f'<line class="stub" x1="{x:.1f}" x2="{x:.1f}" y1="{foot:.1f}" y2="{foot + 4:.1f}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{foot + 15:.1f}" text-anchor="middle">{tick(value)}</text>')
    if x_label:
        parts.append(
            f'<text class="axis" x="{frame.middle:.1f}" y="{frame.height - 4:.1f}" text-anchor="middle">{x_label}</text>'
        )
    return parts


def _ys(y: float) -> str:
    return f'y1="{y:.1f}" y2="{y:.1f}"'
