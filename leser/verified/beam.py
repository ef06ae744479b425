"""Beam search over sets of terms and their weights, on the engine, for many queries at once.

A set is worth what its value rose by (the judge's score and what others add to it), less what its terms' own gains were
shrunk by for want of support. The first term must raise both, the value and that worth, by `margin`, each further one by
`further`, and the expanded query must keep what the original found (the anchor). The empty set is worth 0
and stays in the running to the end: "nothing" is a good answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from leser.expansion import Expansion
from leser.verified.judging import Judge, Reading, Trial
from leser.verified.options import VerifiedOptions


@dataclass(frozen=True, slots=True)
class Single:
    """One term at one weight: how far its gain was shrunk, and what it is worth after that."""

    expansion: Expansion
    weight: float
    key: str
    excess: float
    worth: float


@dataclass(frozen=True, slots=True)
class BeamState:
    """A set of terms that has earned its place, with its reading and its worth; the empty one is the original."""

    singles: tuple[Single, ...]
    reading: Reading
    worth: float

    @property
    def expansions(self) -> tuple[Expansion, ...]:
        """As a completion writes them."""
        return tuple(single.expansion for single in self.singles)

    @property
    def contents(self) -> frozenset[tuple[str, float]]:
        """What makes two sets the same: terms and weights, whatever their order."""
        return frozenset((single.key, single.weight) for single in self.singles)


@dataclass(slots=True)
class Beam:
    """One query's search: its number, the terms that sets are made of, the best sets so far, and the best of each length."""

    row: int
    before: Reading
    pool: tuple[Single, ...]
    states: list[BeamState]
    best: BeamState
    lengths: dict[int, BeamState] = field(default_factory=dict)

    @property
    def others(self) -> list[BeamState]:
        """The best sets of other lengths than the best one's, the worthiest first."""
        return sorted((s for s in self.lengths.values() if s is not self.best), key=lambda s: -s.worth)


def start(row: int, before: Reading, tried: Sequence[tuple[Single, Reading]], options: VerifiedOptions) -> Beam:
    """The beam after each single term was tried: the best `beam` of those that earned their place, at their best weight."""
    sound = [(s, r) for s, r in tried if r.score is not None and r.kept >= options.keep and s.worth > 0]
    sound.sort(key=lambda pair: (-pair[0].worth, pair[0].expansion.text, pair[0].weight))
    keys = list(dict.fromkeys(single.key for single, _ in sound))[: options.pool]
    pool = tuple(single for single, _ in sound if single.key in keys)
    states = [
        BeamState((s,), r, s.worth) for s, r in sound if s.worth >= options.margin and _rises(r, before, options.margin)
    ]
    best = states[0] if states else BeamState((), before, 0.0)
    return Beam(row, before, pool, states[: options.beam], best, {1: best} if states else {})


def proposals(beam: Beam) -> list[tuple[BeamState, tuple[Single, ...]]]:
    """Each kept set with one more term of the pool, the most promising first; each new set once."""
    seen: set[frozenset[tuple[str, float]]] = set()
    longer = []
    for state in beam.states:
        held = {single.key for single in state.singles}
        for single in beam.pool:
            singles = (*state.singles, single)
            contents = frozenset((s.key, s.weight) for s in singles)
            if single.key not in held and contents not in seen:
                seen.add(contents)
                longer.append((state, singles))
    return longer


def grow(judge: Judge, beams: Sequence[Beam], options: VerifiedOptions) -> None:
    """Add terms to the sets of all beams, a round of searches for all queries together, until nothing earns its place."""
    growing = [beam for beam in beams if beam.states]
    for _ in range(options.max_terms - 1):
        asked = [(beam, state, singles) for beam in growing for state, singles in proposals(beam)]
        trials = [Trial(beam.row, tuple(s.expansion for s in singles)) for beam, _, singles in asked]
        allowed = judge.affordable(trials)
        readings = dict(zip(map(_key, allowed), judge.read(allowed), strict=True))
        found: dict[int, list[BeamState]] = {}
        for trial, (beam, state, singles) in zip(trials, asked, strict=True):
            reading = readings.get(_key(trial))
            value = None if reading is None else reading.value
            if reading is None or value is None or reading.kept < options.keep:
                continue
            assert beam.before.value is not None
            worth = value - beam.before.value - sum(single.excess for single in singles)
            if worth >= state.worth + options.further and _rises(reading, state.reading, options.further):
                found.setdefault(beam.row, []).append(BeamState(singles, reading, worth))
        growing = [beam for beam in growing if beam.row in found]
        for beam in growing:
            ranked = sorted(found[beam.row], key=lambda state: -state.worth)  # stable: equal ones as they were proposed
            beam.states = ranked[: options.beam]
            beam.lengths[len(ranked[0].singles)] = ranked[0]
            if ranked[0].worth >= beam.best.worth + options.further:
                beam.best = ranked[0]


def _rises(reading: Reading, before: Reading, least: float) -> bool:
    """Whether the judge itself prefers the new set: like queries are a reason to doubt it, never to overrule it."""
    assert reading.value is not None
    assert before.value is not None
    return reading.value - before.value >= least


def _key(trial: Trial) -> tuple[int, tuple[Expansion, ...]]:
    return trial.row, trial.expansions
