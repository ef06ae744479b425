"""Who was busy when during GRPO's last steps, as a strip per worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from leser.report.charts import WIDTH, figure, label, svg
from leser.report.numbers import tick
from leser.report.scale import ticks
from leser.store.timeline import WORKERS

SHOWN = 6
"""Steps that are drawn: the last ones."""
LEFT, ROW, FOOT = 52, 24, 34
Spans = list[tuple[float, float]]


def timeline_chart(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """The last steps of a timeline (leser/store/timeline.py), each worker's time a bar; nothing where there are no steps."""
    last = [row for row in rows if any(row.get(worker) for worker in WORKERS)][-SHOWN:]
    if not last:
        return Markup("")
    spans: dict[str, Spans] = {w: [(a, b) for row in last for a, b in row.get(w, [])] for w in WORKERS}
    start = min(a for found in spans.values() for a, _ in found)
    length = max(b for found in spans.values() for _, b in found) - start or 1.0
    height = 12 + ROW * len(WORKERS) + FOOT

    def across(value: float) -> float:
        return LEFT + (value - start) / length * (WIDTH - LEFT - 12)

    parts = []
    for number, worker in enumerate(WORKERS):
        top = 12 + ROW * number
        parts.append(f'<text class="axis" x="{LEFT - 6}" y="{top + 13}" text-anchor="end">{worker}</text>')
        for a, b in spans[worker]:
            x, width = across(a), max(across(b) - across(a), 0.5)
            parts.append(f'<rect class="dot c{number}" x="{x:.1f}" y="{top}" width="{width:.1f}" height="18"/>')
    foot = 12 + ROW * len(WORKERS)
    for value in (v for v in ticks(0.0, length) if v <= length):
        x = across(start + value)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{foot + 12}" text-anchor="middle">{tick(value)}</text>')
    parts.append(f'<text class="axis" x="{(LEFT + WIDTH) / 2:.1f}" y="{foot + 28}" text-anchor="middle">seconds</text>')
    first, end = last[0]["step"], last[-1]["step"]
    said = f"{_hidden(spans['engine'], spans['sampler'])} ran while completions were sampled."
    which = f"step {first} to step {end}" if first != end else f"step {end}"
    drawing = svg(WIDTH, height, "Who was busy when", f"{which}: {said}", parts)
    return figure("Who was busy when", which, drawing, Markup('<p class="note">{}</p>').format(label(said)))


def _hidden(searching: Spans, sampling: Spans) -> str:
    """Seconds of the first that lie within the second, and all of them, in words."""
    whole = sum(b - a for a, b in searching)
    inside = sum(max(0.0, min(b, d) - max(a, c)) for a, b in searching for c, d in sampling)
    return f"{inside:.3g} of {whole:.3g} seconds of searching"
