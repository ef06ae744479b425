"""Ready-made sets: the first words of a query's nearest documents together, as starting states of the beam.

Terms that are added one at a time must each be good alone. The first words by p log(p/q), documents weighed by DCG's discount
of their rank (leser.distinctive), need no such proof: together and at a low weight they gain without any search. Here they are
tried as whole sets and held to the same proof as a first term. One margin is enough: a few fixed sets are tried, not the best
of many. A word that by itself, at the heaviest weight, lowers the judge's score is left out (`verified.ready_proven`): of many
small harms each is felt, while the sum of the rest is too broad to be luck.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from leser.environment import Attempt, Environment
from leser.expansion import Code, Expansion
from leser.prompt import PromptOptions
from leser.shown_words import ShownWords
from leser.similarity import NearestDocuments
from leser.task import Query
from leser.verified.candidates import Candidate, candidates_of
from leser.verified.judging import Judge, Reading, Trial
from leser.verified.options import VerifiedOptions
from leser.verified.sources import CandidateSource, nearest_in

_READ = 2
"""How many times more words are read than the largest set has: rules forbid some."""


class NearestWords:
    """The first `count` words of an encoder's nearest documents, weighed by rank: as a prompt shows with `prompt.nearest`."""

    def __init__(
        self, environment: Environment, nearest: NearestDocuments, options: VerifiedOptions, count: int
    ) -> None:
        self.count, self._client = count, environment.client
        self._words = ShownWords(environment.rules.site.words, environment.title_field, lambda: nearest)
        self._shown = PromptOptions(
            fields=options.fields,
            nearest=options.nearest,
            terms=count,
            lift=options.lift,
            min_documents=options.min_documents,
            digits=options.digits,
        )

    def __call__(self, queries: Sequence[Query]) -> list[list[str]]:
        """At most `count` words per query, best first, none of them a word of the query."""
        return [list(row) for row in self._words.of_nearest(self._client, queries, self._shown)]


class ReadySets:
    """The sets that are tried for each query; none where no encoder brings nearest documents."""

    def __init__(self, environment: Environment, sources: Sequence[CandidateSource], options: VerifiedOptions) -> None:
        self.environment, self.options = environment, options
        nearest = nearest_in(sources)
        most = environment.expansion.max_expansions if nearest is not None and options.nearest else 0
        self.sizes = [size for size in options.ready if size <= most]
        self._source = None
        if nearest is not None and self.sizes:
            self._source = NearestWords(environment, nearest, options, _READ * self.longest)

    @property
    def longest(self) -> int:
        """How many terms a set that began ready-made may grow to: those of the largest one tried."""
        return max(self.sizes, default=0)

    def __call__(self, queries: Sequence[Query]) -> list[list[tuple[Candidate, ...]]]:
        """For each query the first words, as many as each size says; words that a rule forbids are passed over."""
        return [self.sets_of(words) for words in self.words(queries)]

    def sets_of(self, words: Sequence[Candidate]) -> list[tuple[Candidate, ...]]:
        """The first of these words, as many as each size says."""
        return list(dict.fromkeys(tuple(words[:size]) for size in self.sizes if len(words) > 1))

    def words(self, queries: Sequence[Query]) -> list[list[Candidate]]:
        """The words that sets are made of, best first, without those that a rule forbids."""
        if self._source is None or not queries:
            return [[] for _ in queries]
        found = candidates_of(self.environment, queries, [self._source], self._source.count)
        allowed = iter(
            self.environment.codes(
                [
                    Attempt(query, 0, self.environment.say((Expansion(candidate.text),)))
                    for query, row in zip(queries, found, strict=True)
                    for candidate in row
                ]
            )
        )
        return [[candidate for candidate in row if next(allowed) is Code.OK] for row in found]


def not_losing(
    judge: Judge,
    before: Sequence[tuple[int, float]],
    words: Sequence[Sequence[Candidate]],
    weight: float,
    known: Mapping[tuple[int, str], Reading],
) -> list[list[Candidate]]:
    """For each query (its row, and the original's value) its words that alone, at `weight` as written, do not lower the value.

    `known` holds readings by row and word's key that need no search. A word that the budget did not allow, that broke a rule or
    whose search failed is left out.
    """
    trials = {
        (row, c.key): Trial(row, (Expansion(c.text, weight),))
        for (row, _), own in zip(before, words, strict=True)
        for c in own
        if (row, c.key) not in known
    }
    allowed = judge.affordable(list(trials.values()))
    found = dict(zip(((t.row, t.expansions) for t in allowed), judge.read(allowed), strict=True))
    read = {key: found[t.row, t.expansions] for key, t in trials.items() if (t.row, t.expansions) in found}

    def keeps(row: int, value: float, candidate: Candidate) -> bool:
        reading = known.get((row, candidate.key)) or read.get((row, candidate.key))
        return reading is not None and reading.value is not None and reading.value >= value

    return [[c for c in own if keeps(row, value, c)] for (row, value), own in zip(before, words, strict=True)]
