"""The one sentence: is there anything to learn here, with which reward, and how many queries would show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leser.judgments.headroom import HeadRoomGain

if TYPE_CHECKING:
    from leser.holes.treatment import Forms
    from leser.judgments.facts import Depth
    from leser.judgments.headroom import HeadRoom


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The sentence, and what it rests on: the gain, and the reward that sees it (empty: none does)."""

    sentence: str
    reward: str
    gain: HeadRoomGain | None


def conclude(room: HeadRoom, forms: Forms, depth: Depth, available: int) -> Conclusion:
    """What head-room and holes say together; `available` is the number of test queries with a relevant document.

    Labels come first: plain, then judged documents alone. A gain that only the filled holes show may be the judge's own opinion
    of what it chose itself, and the sentence says so. Where plain labels show none, they would teach a policy to leave
    queries alone; the reward is then the filled form where it shows the gain too, because judged documents alone never punish
    an unjudged one. On one-sided judgments the other ways say nothing.
    """
    ways = [forms.plain] if depth.one_sided else [forms.plain, forms.condensed, forms.expected]
    best = {way: found for way in ways if way and (found := _best(room.gains, way)) is not None}
    shown = next((way for way in best if best[way].shows), None)
    if shown is None:
        return _nothing(best, room.queries)
    gain = best[shown]
    start = f"There is something to learn: without any training {gain.system} gains {_gained(gain)}"
    if shown == forms.plain:
        return Conclusion(f"{start}, so reward {shown}; {_power(gain, available)}.", shown, gain)
    plain = _of(room.gains, gain.system, forms.plain)
    blind = f", which plain {forms.plain} cannot see ({_change(plain)})" if plain else ""
    filled = _of(room.gains, gain.system, forms.expected) if forms.expected else None
    reward = forms.expected if filled is not None and filled.shows else shown
    if shown == forms.expected:
        blind += ", but only in the eyes of the judge that chose it: have people judge what it finds first"
    return Conclusion(f"{start}{blind}, so reward {reward}; {_power(gain, available)}.", reward, gain)


def _of(gains: Sequence[HeadRoomGain], system: str, measure: str) -> HeadRoomGain | None:
    return next((gain for gain in gains if (gain.system, gain.measure) == (system, measure)), None)


def _nothing(best: dict[str, HeadRoomGain], queries: int) -> Conclusion:
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


def _best(gains: Sequence[HeadRoomGain], measure: str) -> HeadRoomGain | None:
    """The gain whose interval lies highest above 0; where none does, the largest."""
    own = [gain for gain in gains if gain.measure == measure]
    shown = [gain for gain in own if gain.shows]
    return max(shown, key=lambda g: g.ci95[0]) if shown else max(own, key=lambda g: g.delta, default=None)


def _gained(gain: HeadRoomGain) -> str:
    return f"{gain.delta:+.3f} [{gain.ci95[0]:+.3f}, {gain.ci95[1]:+.3f}] in {gain.measure}"


def _change(gain: HeadRoomGain) -> str:
    return f"{gain.delta:+.3f} [{gain.ci95[0]:+.3f}, {gain.ci95[1]:+.3f}]"


def _power(gain: HeadRoomGain, available: int) -> str:
    needed = gain.needed or 2
    enough = "there are" if available >= needed else "there are only"
    return f"{needed} test queries would show a gain of that size four times in five ({enough} {available})"
