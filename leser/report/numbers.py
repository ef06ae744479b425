"""How numbers are written on a page: a fixed number of digits, a real minus sign, and nothing that pretends to more."""

from __future__ import annotations

import math
from datetime import UTC, datetime

MINUS = "−"
NOTHING = "·"
"""What stands where there is no number."""


def fixed(value: float | None, digits: int = 3) -> str:
    """A number with so many digits after the point; a dot where there is none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.{digits}f}".replace("-", MINUS) if round(value, digits) else f"{0:.{digits}f}"


def signed(value: float | None, digits: int = 3) -> str:
    """A difference, its sign always shown; what rounds to nothing has none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:+.{digits}f}".replace("-", MINUS) if round(value, digits) else f"{0:.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share from 0 to 1 as a percentage."""
    return NOTHING if value is None or not math.isfinite(value) else f"{fixed(100 * value, digits)} %"


def probability(value: float | None) -> str:
    """A p value; below a thousandth only that."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def milliseconds(value: float | None) -> str:
    """A latency in milliseconds: two significant digits below 10, whole above 100."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def duration(seconds: float) -> str:
    """A time in the largest unit that keeps it above one."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def tick(value: float) -> str:
    """A number on an axis, as short as it is exact."""
    shown = f"{value:.0f}" if value == int(value) and abs(value) < 1e6 else f"{value:.4g}"
    return shown.replace("-", MINUS)


def moment(text: object) -> str:
    """A time as ISO 8601 writes it, in minutes and UTC; what is none stays as it is, and a dot stands for nothing."""
    if not isinstance(text, str):
        return NOTHING if text is None else str(text)
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):  # the very first and last hours of the calendar have none in UTC
        return text
    return f"{at:%Y-%m-%d %H:%M} UTC"
