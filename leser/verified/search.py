"""Verified search: for each query the expansions that the engine and the judge have proven, or none.

Two passes over the queries, each in whole batches:

1. `probe`: candidates, each searched alone at each weight, and judged.
2. `choose`: what each term is worth, in the light of queries that share a word; a beam search over sets of the best; with
   labels, if wanted, the confirmation on judgments that took no part in the choice.

    found = search_expansions(environment, queries, VerifiedOptions(), split=task.train)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from leser.environment import Environment
from leser.errors import LeserError
from leser.expansion import Expansion
from leser.task import Query, Split
from leser.text import STOP_WORDS
from leser.verified.beam import Beam, BeamState, Single, grow, sow, start
from leser.verified.candidates import Candidate, candidates_of
from leser.verified.halves import check_confirming, halve
from leser.verified.judging import Judge, Reading, Trial
from leser.verified.noise import noise_of
from leser.verified.opinions import Opinions
from leser.verified.options import VerifiedOptions
from leser.verified.ready import ReadySets, not_losing
from leser.verified.result import Alternative, VerifiedAnswer, VerifiedExpansions
from leser.verified.sources import CandidateSource
from leser.verified.support import Support, TermGain


@dataclass(frozen=True, slots=True)
class Probe:
    """What the first pass learned of a query: the original's reading and each candidate's at each weight, in order.

    A candidate at a weight that the budget did not allow is absent from `readings`.
    """

    before: Reading
    candidates: tuple[Candidate, ...] = ()
    readings: tuple[tuple[Reading, ...], ...] = ()
    searches: int = 0
    failed: int = 0


@dataclass
class VerifiedSearch:
    """One search over a list of queries; `sources` say what is tried, the environment's rewards say what is good.

    `split` holds the queries' judgments where there are any; `train` are the ids of those whose judgments may tell the judge's
    noise (none given: all). Raises LeserError where a weight cannot be written.
    """

    environment: Environment
    queries: Sequence[Query]
    options: VerifiedOptions
    sources: Sequence[CandidateSource]
    split: Split | None = None
    seed: int = 0
    train: frozenset[str] | None = None
    _judge: Judge = field(init=False)
    _strict: VerifiedOptions = field(init=False)
    _confirming: Split | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        split = self.split or Split("search", tuple(self.queries), {})
        if self.options.confirm:
            if not any(split.qrels.get(query.id) for query in self.queries):
                raise LeserError("verified.confirm needs judgments, and these queries have none. Leave it out.")
            split, self._confirming = halve(split, self.seed)
            check_confirming(self.environment, self.queries, split)
        self._ready = ReadySets(self.environment, self.sources, self.options)
        self._written = {weight: self._write(weight) for weight in self.options.weights}
        if self._ready.sizes:
            self._written |= {w: self._write(w, "verified.ready_weights") for w in self.options.ready_weights}
        opinions = Opinions.of(self.environment, self.sources, self.options)
        self._further = self.options.further if opinions else self.options.margin
        self._strict = self._limits()
        self._judge = Judge(self.environment, self.queries, split, self.options, opinions)

    def _limits(self, more: float = 0.0) -> VerifiedOptions:
        """What terms must bring in this search, and so much more."""
        least = {"margin": self.options.margin + more, "further": self._further + more}
        return self.options.model_copy(update=least)

    def _write(self, weight: float, option: str = "verified.weights") -> float:
        """The weight a completion must name for the engine to be asked with `weight`."""
        expansion = self.environment.expansion
        written = float(f"{weight / expansion.weight:g}")
        if not 0 < written <= expansion.max_weight:
            raise LeserError(
                f"{option} {weight:g} is not valid: a completion would have to write ^{written:g}, outside "
                f"(0, {expansion.max_weight:g}] (expansion.max_weight). Change one of them, or expansion.weight."
            )
        return written

    def probe(self, rows: Sequence[int]) -> list[Probe]:
        """The first pass over the queries of these numbers."""
        judge, queries = self._judge, [self.queries[row] for row in rows]
        before = judge.read([Trial(row) for row in rows])
        judged = [i for i, reading in enumerate(before) if reading.score is not None]
        candidates = dict(
            zip(
                judged,
                candidates_of(self.environment, [queries[i] for i in judged], self.sources, self.options.candidates),
                strict=True,
            )
        )
        trials = [
            Trial(rows[i], (Expansion(candidate.text, self._written[weight]),))
            for i in judged
            for candidate in candidates[i]
            for weight in self.options.weights
        ]
        allowed = judge.affordable(trials)
        readings = {(t.row, t.expansions): r for t, r in zip(allowed, judge.read(allowed), strict=True)}
        probes = []
        for i, row in enumerate(rows):
            tried = candidates.get(i, [])
            probes.append(
                Probe(
                    before[i],
                    tuple(tried),
                    tuple(self._of(readings, row, c) for c in tried),
                    judge.spent[row],
                    judge.failed[row],
                )
            )
        return probes

    def _of(
        self, readings: dict[tuple[int, tuple[Expansion, ...]], Reading], row: int, candidate: Candidate
    ) -> tuple[Reading, ...]:
        weights = (self._written[weight] for weight in self.options.weights)
        found = (readings.get((row, (Expansion(candidate.text, w),))) for w in weights)
        return tuple(reading for reading in found if reading is not None)

    def support(self, probes: Sequence[Probe]) -> Support:
        """What all queries' first pass says of each term."""
        asked = self.environment.analyze([query.text for query in self.queries])
        self._words = [frozenset(terms) - STOP_WORDS for terms in asked]
        gains = (gain for row, probe in enumerate(probes) for gain, _ in self._gains(row, probe))
        if self.options.doubt:
            noise = self._noise(probes) if self.options.noise is None else self.options.noise
            self._strict = self._limits(self.options.doubt * noise)
        return Support((gain for gain in gains if gain is not None), self.options.trust, self.options.min_like)

    def _noise(self, probes: Sequence[Probe]) -> float:
        """The judge's noise on the train queries among these."""
        pairs = []
        for query, probe in zip(self.queries, probes, strict=True):
            before = probe.before
            if before.score is None or before.people is None or (self.train is not None and query.id not in self.train):
                continue
            for reading in (reading for readings in probe.readings for reading in readings):
                if reading.score is not None and reading.people is not None:
                    pairs.append((reading.score - before.score, reading.people - before.people))
        return noise_of(pairs)

    def _gains(self, row: int, probe: Probe) -> Iterator[tuple[TermGain | None, tuple[Candidate, float, Reading]]]:
        """Each trial of a query with what it gained, None where it was not scored."""
        for candidate, readings in zip(probe.candidates, probe.readings, strict=True):
            for weight, reading in zip(self.options.weights, readings, strict=False):
                gain = None
                if reading.value is not None and probe.before.value is not None:
                    value = reading.value - probe.before.value
                    gain = TermGain(row, self._words[row], candidate.key, weight, value)
                yield gain, (candidate, weight, reading)

    def choose(self, rows: Sequence[int], probes: Sequence[Probe], support: Support) -> list[VerifiedExpansions]:
        """The second pass over the queries of these numbers; `probes` are theirs, in order."""
        judge = self._judge
        beams = []
        for row, probe in zip(rows, probes, strict=True):
            judge.spent[row], judge.failed[row] = probe.searches, probe.failed
            beams.append(self._start(row, probe, support))
        ready = self._ready_sets(
            [(b.row, probe) for b, probe in zip(beams, probes, strict=True) if b.before.value is not None]
        )
        sow(judge, [(beam, singles) for beam in beams for singles in ready.get(beam.row, ())], self._strict)
        grow(judge, beams, self._strict, self._ready.longest)
        confirmed = self._confirm(beams)
        return [self._found(beam, pair) for beam, pair in zip(beams, confirmed, strict=True)]

    def _start(self, row: int, probe: Probe, support: Support) -> Beam:
        tried = []
        for gain, (candidate, weight, reading) in self._gains(row, probe):
            if gain is not None:
                worth = support.worth(gain)
                expansion = Expansion(candidate.text, self._written[weight])
                tried.append((Single(expansion, weight, candidate.key, gain.value - worth, worth), reading))
        return start(row, probe.before, tried, self._strict)

    def _ready_sets(self, asked: Sequence[tuple[int, Probe]]) -> dict[int, list[tuple[Single, ...]]]:
        """Each query's ready-made sets at each of their weights. No word was chosen by its own gain: nothing is shrunk."""
        words = self._ready.words([self.queries[row] for row, _ in asked])
        if self.options.ready_proven:
            words = self._not_losing(asked, words)
        return {
            row: [
                tuple(Single(Expansion(c.text, self._written[weight]), weight, c.key, 0.0, 0.0) for c in chosen)
                for chosen in self._ready.sets_of(own)
                for weight in self.options.ready_weights
            ]
            for (row, _), own in zip(asked, words, strict=True)
        }

    def _not_losing(
        self, asked: Sequence[tuple[int, Probe]], words: Sequence[Sequence[Candidate]]
    ) -> list[list[Candidate]]:
        """The words that alone cost the judge nothing; what was probed at the heaviest weight is not searched again."""
        known = {
            (row, candidate.key): readings[-1]
            for row, probe in asked
            for candidate, readings in zip(probe.candidates, probe.readings, strict=True)
            if len(readings) == len(self.options.weights)
        }
        before = [(row, probe.before.value or 0.0) for row, probe in asked]
        return not_losing(self._judge, before, words, self._written[self.options.weights[-1]], known)

    def _confirm(self, beams: Sequence[Beam]) -> list[tuple[Reading, Reading] | None]:
        """Under `confirm` the original's and the chosen set's reading on the other half of the judgments."""
        if self._confirming is None:
            return [None] * len(beams)
        asked = [beam for beam in beams if beam.best.singles]
        trials = [trial for beam in asked for trial in (Trial(beam.row), Trial(beam.row, beam.best.expansions))]
        readings = iter(self._judge.read(trials, self._confirming))
        pairs = {beam.row: (next(readings), next(readings)) for beam in asked}
        return [pairs.get(beam.row) for beam in beams]

    def _found(self, beam: Beam, confirmed: tuple[Reading, Reading] | None) -> VerifiedExpansions:
        best, before, after = beam.best, beam.before, beam.best.reading
        if confirmed is not None:
            before, after = confirmed
            if before.score is None or after.score is None or after.score <= before.score:
                best, after = BeamState((), before, 0.0), before
        failed, query = self._judge.failed[beam.row], self.queries[beam.row]
        if best.singles:
            answer = VerifiedAnswer.EXPANSIONS
        elif failed:
            answer = VerifiedAnswer.UNKNOWN
        else:
            answer = VerifiedAnswer.NONE if beam.before.score is not None else VerifiedAnswer.UNJUDGED
        weights = tuple(single.weight for single in best.singles)
        kept = after.kept if best.singles else 1.0
        spent = self._judge.spent[beam.row]
        others = self._others(beam) if best.singles and confirmed is None else ()
        return VerifiedExpansions(
            query, answer, best.expansions, weights, before.score, after.score, kept, spent, failed, others
        )

    @staticmethod
    def _others(beam: Beam) -> tuple[Alternative, ...]:
        scored = [(other, other.reading.score, beam.before.score) for other in beam.others]
        return tuple(
            Alternative(other.expansions, after - before)
            for other, after, before in scored
            if after is not None and before is not None
        )


def search_expansions(
    environment: Environment,
    queries: Sequence[Query],
    options: VerifiedOptions,
    sources: Sequence[CandidateSource],
    *,
    split: Split | None = None,
    seed: int = 0,
    progress: Callable[[str, int], None] | None = None,
) -> list[VerifiedExpansions]:
    """Search for expansions of each query; one answer per query, in order.

    `sources` bring the candidates (leser.verified.sources), `split` the judgments where a reward reads any, `progress` is
    called with the pass and the number of queries done. Raises EngineDown once the engine stops answering.
    """
    search = VerifiedSearch(environment, queries, options, sources, split, seed)
    tell = progress or (lambda _name, _done: None)
    size, numbers = options.queries_at_once, range(len(queries))
    probes: list[Probe] = []
    for first in numbers[::size]:
        probes += search.probe(numbers[first : first + size])
        tell("probe", len(probes))
    support = search.support(probes)
    found: list[VerifiedExpansions] = []
    for first in numbers[::size]:
        found += search.choose(numbers[first : first + size], probes[first : first + size], support)
        tell("choose", len(found))
    return found
