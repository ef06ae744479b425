"""Line plots as SVG that read on a light page and on a dark one: no background, lines and letters of middle brightness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

GREY = "#808890"
COLOURS = ("#2a9d8f", "#d9822b", "#5b8def", "#c65b9b")
MARKS = ("o", "s", "^", "D")
Line = tuple[Sequence[float], Sequence[float]]
"""Values across and up."""


def new_figure(width: float, height: float) -> Any:
    """A figure to draw panels into."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="none")


def draw(
    axis: Any,
    lines: Mapping[str, Sequence[Line]],
    *,
    across: str,
    up: str,
    title: str = "",
    logarithmic: bool = False,
) -> None:
    """Lines by name into one panel; those of one name share a colour and a mark, and stand in the legend once."""
    for (name, found), colour, mark in zip(lines.items(), COLOURS, MARKS, strict=False):
        for number, (x, y) in enumerate(found):
            axis.plot(x, y, color=colour, marker=mark, markersize=4, linewidth=1.6, label=None if number else name)
    axis.set_xlabel(across, color=GREY)
    axis.set_ylabel(up, color=GREY)
    axis.set_title(title, color=GREY, fontsize=11)
    axis.set_facecolor("none")
    axis.tick_params(colors=GREY, which="both")
    axis.grid(color=GREY, alpha=0.25, linewidth=0.6)
    for spine in axis.spines.values():
        spine.set_color(GREY)
    if logarithmic:
        axis.set_xscale("log", base=2)
        axis.set_yscale("log", base=2)
        for side in (axis.xaxis, axis.yaxis):
            side.set_major_formatter("{x:g}")
    axis.legend(frameon=False, labelcolor=GREY)


def save(figure: Any, path: Path) -> None:
    """Write the figure; letters stay text, and the file is the same for the same data."""
    import matplotlib

    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "leser"}):
        figure.savefig(path, transparent=True, metadata={"Date": None} if path.suffix == ".svg" else None)
