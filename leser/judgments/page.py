"""An examination as a page: self-contained, everything from outside escaped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from leser.judgments.lines import facts
from leser.report.charts import interval_axis, interval_bar, reach_of
from leser.report.template import render

if TYPE_CHECKING:
    from leser.judgments.examine import Examination
    from leser.judgments.headroom import HeadRoomGain


@dataclass(frozen=True, slots=True)
class JudgmentRow:
    """A system in one measure: its mean, and what it gains over the original."""

    system: str
    value: float | None
    gain: HeadRoomGain | None
    bar: Markup


def render_examination(found: Examination) -> str:
    """The page as text."""
    measures = []
    for name in found.forms.names:
        gains = {gain.system: gain for gain in found.room.gains if gain.measure == name}
        reach = reach_of([gain.ci95 for gain in gains.values()])
        rows = [
            JudgmentRow(system, figures.get(name), gains.get(system), _bar(gains.get(system), reach))
            for system, figures in found.room.systems.items()
        ]
        measures.append((name, rows, interval_axis(reach)))
    return render(
        "judgments.html.j2",
        name=found.task,
        engine=found.engine,
        sentence=found.conclusion.sentence,
        queries=found.room.queries,
        measures=measures,
        facts=list(facts(found)),
    )


def _bar(gain: HeadRoomGain | None, reach: tuple[float, float]) -> Markup:
    return Markup("") if gain is None else interval_bar(gain.ci95[0], gain.delta, gain.ci95[1], reach)
