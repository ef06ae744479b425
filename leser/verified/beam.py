"""Beam search over sets of terms and their weights, on the engine, for many queries at once.

A set is worth what its value rose by (the judge's score and what others add to it), less what its terms' own gains were
shrunk by for want of support. The first term must raise both, the value and that worth, by `margin`, each further one by
`further`, and the expanded query must keep what the original found (the anchor). The empty set is worth 0
and stays in the running to the end: "nothing" is a good answer. Ready-made sets (leser.verified.ready) start beside the single
terms; of these, words may be taken out, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
    """A set of terms that has earned its place, with its reading and its worth; the empty one is the original; `ready`: it began
    as a ready-made set."""

    singles: tuple[Single, ...]
    reading: Reading
    worth: float
    ready: bool = False

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
        own = len(self.best.singles)
        return sorted((s for length, s in self.lengths.items() if length != own), key=lambda s: -s.worth)


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


def sow(judge: Judge, sets: Sequence[tuple[Beam, tuple[Single, ...]]], options: VerifiedOptions) -> None:
    """Try ready-made sets: those that bring `margin` as a whole join the beam's states."""
    found: dict[int, tuple[Beam, list[BeamState]]] = {}
    for beam, singles, reading, worth in _tried(judge, sets, options):
        if worth >= options.margin and _rises(reading, beam.before, options.margin):
            found.setdefault(beam.row, (beam, []))[1].append(BeamState(singles, reading, worth, ready=True))
    for beam, states in found.values():
        beam.states = sorted([*beam.states, *states], key=lambda state: -state.worth)[: options.beam]
        _note(beam, states)
        best = max(states, key=lambda state: state.worth)
        if best.worth > beam.best.worth:  # the empty set is worth 0
            beam.best = best


def proposals(beam: Beam, most: int, longest: int) -> list[tuple[BeamState, tuple[Single, ...]]]:
    """Each kept set with one more term of the pool, the most promising first, up to `most` terms; a ready-made one up to
    `longest`, and also with one term less; each new set once."""
    seen: set[frozenset[tuple[str, float]]] = set()
    made = []
    for state in beam.states:
        singles, held = state.singles, {single.key for single in state.singles}
        room = len(singles) < (max(most, longest) if state.ready else most)
        sets = [(*singles, single) for single in beam.pool if room and single.key not in held]
        if state.ready and len(singles) > 1:
            sets += [(*singles[:place], *singles[place + 1 :]) for place in range(len(singles))]
        for proposed in sets:
            contents = frozenset((s.key, s.weight) for s in proposed)
            if contents not in seen:
                seen.add(contents)
                made.append((state, proposed))
    return made


def grow(judge: Judge, beams: Sequence[Beam], options: VerifiedOptions, longest: int = 0) -> None:
    """Change the sets of all beams by a term, a round of searches for all queries together, until nothing earns its place;
    `longest` is the most terms of a set that began ready-made."""
    growing = [beam for beam in beams if beam.states]
    for _ in range(options.max_terms - 1):
        asked = [(beam, pair) for beam in growing for pair in proposals(beam, options.max_terms, longest)]
        found: dict[int, list[BeamState]] = {}
        origins = {(beam.row, singles): state for beam, (state, singles) in asked}
        for beam, singles, reading, worth in _tried(judge, [(b, singles) for b, (_, singles) in asked], options):
            state = origins[beam.row, singles]
            if worth >= state.worth + options.further and _rises(reading, state.reading, options.further):
                found.setdefault(beam.row, []).append(BeamState(singles, reading, worth, state.ready))
        growing = [beam for beam in growing if beam.row in found]
        for beam in growing:
            ranked = sorted(found[beam.row], key=lambda state: -state.worth)  # stable: equal ones as they were proposed
            beam.states = ranked[: options.beam]
            _note(beam, ranked)
            if ranked[0].worth >= beam.best.worth + options.further:
                beam.best = ranked[0]


def _tried(
    judge: Judge, asked: Sequence[tuple[Beam, tuple[Single, ...]]], options: VerifiedOptions
) -> Iterator[tuple[Beam, tuple[Single, ...], Reading, float]]:
    """Search for sets as far as budgets allow: those that were scored and keep what the original found, and their worth."""
    trials = [Trial(beam.row, tuple(s.expansion for s in singles)) for beam, singles in asked]
    allowed = judge.affordable(trials)
    readings = dict(zip(map(_key, allowed), judge.read(allowed), strict=True))
    for trial, (beam, singles) in zip(trials, asked, strict=True):
        reading = readings.get(_key(trial))
        value = None if reading is None else reading.value
        if reading is None or value is None or reading.kept < options.keep:
            continue
        assert beam.before.value is not None
        yield beam, singles, reading, value - beam.before.value - sum(single.excess for single in singles)


def _note(beam: Beam, states: Iterable[BeamState]) -> None:
    """Remember the best set of each length; of equal ones the first."""
    for state in states:
        length = len(state.singles)
        if length not in beam.lengths or state.worth > beam.lengths[length].worth:
            beam.lengths[length] = state


def _rises(reading: Reading, before: Reading, least: float) -> bool:
    """Whether the judge itself prefers the new set: like queries are a reason to doubt it, never to overrule it."""
    assert reading.value is not None
    assert before.value is not None
    return reading.value - before.value >= least


def _key(trial: Trial) -> tuple[int, tuple[Expansion, ...]]:
    return trial.row, trial.expansions
