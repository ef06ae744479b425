"""The one sentence: is there anything to learn here, with which reward, and how many queries would show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leser.judgments.headroom import Gain

if TYPE_CHECKING:
    from leser.holes.treatment import Forms
    from leser.judgments.facts import Depth
    from leser.judgments.headroom import HeadRoom


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The sentence, and what it rests on: the gain, and the reward that sees it (empty: none does)."""

    sentence: str
    reward: str
    gain: Gain | None


def conclude(room: HeadRoom, forms: Forms, depth: Depth, available: int) -> Conclusion:
    """What head-room and holes say together; `available` is the number of test queries with a relevant document.

    Plain labels are believed where they show a gain. Where only the other ways to count holes show one, the plain reward would
    teach a policy to leave queries alone. On one-sided judgments the other ways say nothing.
    """
    ways = [forms.plain] if depth.one_sided else [forms.plain, forms.expected, forms.condensed]
    best = {way: found for way in ways if way and (found := _best(room.gains, way)) is not None}
    shown = next((way for way in best if best[way].shows), None)
    if shown is None:
        return _nothing(best, room.queries)
    gain = best[shown]
    start = f"There is something to learn: without any training {gain.system} gains {_gained(gain)}"
    if shown == forms.plain:
        said = f"{start}, so reward {shown}"
    else:
        plain = next((g for g in room.gains if g.system == gain.system and g.measure == forms.plain), None)
        blind = f", which plain {forms.plain} cannot see ({_change(plain)})" if plain else ""
        said = f"{start}{blind}, so reward {shown}"
    return Conclusion(f"{said}; {_power(gain, available)}.", shown, gain)


def _nothing(best: dict[str, Gain], queries: int) -> Conclusion:
    if not best:
        return Conclusion("Nothing can be said: no system that needs no training could be searched with.", "", None)
    way = max(best, key=lambda name: best[name].delta)
    gain = best[way]
    if gain.delta <= 0:
        return Conclusion(
            f"Nothing to learn shows here: of {queries} train queries no system that needs no training gains anything "
            f"(the best is {gain.system}, {_change(gain)}). Name a judge (evaluation.judge=encoder), or "
            "judge what new systems find.",
            "",
            gain,
        )
    needed = f"; {gain.needed} queries would show a gain of that size" if gain.needed else ""
    return Conclusion(
        f"Nothing to learn shows on {queries} train queries: the best without training is {gain.system}, {_change(gain)} in "
        f"{way}, and its interval holds 0{needed}.",
        "",
        gain,
    )


def _best(gains: Sequence[Gain], measure: str) -> Gain | None:
    """The gain whose interval lies highest."""
    return max((g for g in gains if g.measure == measure), key=lambda g: g.ci95[0], default=None)


def _gained(gain: Gain) -> str:
    return f"{gain.delta:+.3f} [{gain.ci95[0]:+.3f}, {gain.ci95[1]:+.3f}] in {gain.measure}"


def _change(gain: Gain) -> str:
    return f"{gain.delta:+.3f} [{gain.ci95[0]:+.3f}, {gain.ci95[1]:+.3f}]"


def _power(gain: Gain, available: int) -> str:
    needed = gain.needed or 2
    enough = "there are" if available >= needed else "there are only"
    return f"{needed} test queries would show a gain of that size four times in five ({enough} {available})"
