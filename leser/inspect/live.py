"""The live page of a run: where it stands, its figures now and over the last steps, and which of them are warning signs."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from leser.monitor.meanings import MEANINGS, meaning_of, signs
from leser.printable import printable
from leser.store.folder import RunFolder

WINDOW = 10
BARS = "▁▂▃▄▅▆▇█"
_HIDDEN = {"phase", "step", "elapsed_s"}


@dataclass(frozen=True, slots=True)
class Standing:
    """A run at one moment: its phase and step, rows so far, whether it has finished, seconds since its last row."""

    name: str
    phase: str
    step: int
    elapsed_s: float
    rows: Sequence[dict[str, Any]]
    finished: bool
    silent_s: float


def standing(folder: RunFolder) -> Standing:
    """Read where a run stands; a line that is being written is left for the next look."""
    rows = [row for row in map(_row, _lines(folder.metrics_path)) if row]
    last = rows[-1] if rows else {}
    written = folder.metrics_path.stat().st_mtime if rows else time.time()
    return Standing(
        folder.path.resolve().name,
        str(last.get("phase", "starting")),
        int(last.get("step", 0)),
        float(last.get("elapsed_s", 0.0)),
        rows,
        (folder.path / "evaluation.json").is_file(),
        max(0.0, time.time() - written),
    )


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []


def _row(line: str) -> dict[str, Any]:
    found = json.loads(line)
    return found if isinstance(found, dict) else {}


def page(now: Standing) -> RenderableType:
    """The page: a head line, a sentence for each warning sign, and a table of the phase's figures, one line each.

    Signs come first: a terminal shows the head of a page that is longer than itself.
    """
    rows = [row for row in now.rows if row.get("phase") == now.phase]
    recent = _recent(rows)
    warnings = signs(recent)
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for name, justify in (("figure", "left"), ("now", "right"), (f"last {WINDOW}", "right"), ("so far", "left")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("what it is", no_wrap=True, overflow="ellipsis", style="dim", ratio=1)
    for name in _ordered(recent):
        values = _values(rows, name)
        meaning = meaning_of(name)
        table.add_row(
            Text(printable(name), style="bold yellow" if name in warnings else ""),
            f"{values[-1]:.4g}",
            f"{recent[name]:.4g}",
            sparkline(values),
            meaning.text if meaning else "",
        )
    lines = [Text(f"{printable(name)}: {sign}", style="yellow") for name, sign in warnings.items()]
    return Group(head(now), *lines, table)


def head(now: Standing) -> Text:
    """Name, phase, step and time in one line; says when the run is over or has been silent for long."""
    minutes = f"{now.elapsed_s / 60:.1f} min"
    text = Text(f"{printable(now.name)}  {now.phase} step {now.step}  {minutes}", style="bold")
    if now.finished:
        text.append("  finished", style="green")
    elif not now.rows:
        text.append("  no step yet", style="dim")
    elif now.silent_s > max(60.0, 5 * _between(now.rows)):
        text.append(f"  no new line for {now.silent_s:.0f} s: evaluating, or stopped", style="yellow")
    return text


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """At most `width` bars from the least to the largest value; each bar is the mean of its part of the values."""
    if not values:
        return ""
    count = min(width, len(values))
    edges = [round(i * len(values) / count) for i in range(count + 1)]
    means = [fmean(values[a:b]) for a, b in pairwise(edges)]
    least, span = min(means), max(means) - min(means)
    if not span:
        return BARS[0] * count
    return "".join(BARS[round((m - least) / span * (len(BARS) - 1))] for m in means)


def _between(rows: Sequence[dict[str, Any]]) -> float:
    """Seconds between the last lines."""
    times = [float(row["elapsed_s"]) for row in rows[-WINDOW:] if "elapsed_s" in row]
    return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0


def _recent(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows[-WINDOW:] for name in row if name not in _HIDDEN)
    values = {name: _values(rows, name)[-WINDOW:] for name in names}
    return {name: fmean(found) for name, found in values.items() if found}


def _values(rows: Sequence[dict[str, Any]], name: str) -> list[float]:
    found = (row.get(name) for row in rows)
    return [float(v) for v in found if isinstance(v, (int, float)) and not isinstance(v, bool)]


def _ordered(names: dict[str, float]) -> list[str]:
    """dev first, then the reward and its parts, then the others in the table's order."""
    order = list(MEANINGS)

    def key(name: str) -> tuple[int, int, str]:
        group = 0 if name == "dev_reward" else 1 if name.startswith("dev_") else 2 if name.startswith("reward") else 3
        return group, order.index(name) if name in order else len(order), name

    return sorted(names, key=key)
