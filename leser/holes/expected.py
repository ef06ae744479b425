"""ExpectedGrades: what a document that nobody judged is worth on average, by a judge's score and the train judgments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from leser.composition import leaves
from leser.errors import LeserError
from leser.holes.calibration import Calibration, reliability, resampled
from leser.holes.judge import DocumentJudge, Pair

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from leser.task import Query, Split

Worth = Callable[[int], float]
"""What a measure gives for a grade, such as the grade itself, or 1 from a grade of 2 on."""
MOST_PAIRS = 4_000
"""Judged documents that a calibration is learned from, at most; whole queries' worth, in an order drawn by the seed."""
MOST_OF_QUERY = 40
LEAST_PAIRS, LEAST_QUERIES = 50, 5
"""Judged documents, and queries with different grades, below which there is nothing to learn a calibration from."""
REPLICATES = 20
"""Bootstrap samples of the calibration, for the interval of what was filled in."""
_TRIED = 8
_MOST_SEEN = 2_000_000


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """Judged documents with the judge's score: `queries` says whose each is."""

    scores: NDArray[np.float64]
    grades: tuple[int, ...]
    queries: NDArray[np.int64]


class ExpectedGrades:
    """Fills holes; learned from `train` at the first question. Judged documents keep their labels: nobody asks about them.

    Raises LeserError where the train judgments cannot teach it (`lacking` says why in words).
    """

    def __init__(self, judge: DocumentJudge, train: Split, seed: int = 0) -> None:
        self.judge = judge
        self.seed = seed
        self.train = train
        self._scores: dict[tuple[str, str], float] = {}
        self._judged: _Judged | None = None
        self._made: dict[tuple[float, ...], list[Calibration]] = {}
        self._replicate: int | None = None

    @property
    def lacking(self) -> str:
        """Why the train judgments cannot teach what a score is worth; empty where they can."""
        return lacking_in(self.train)

    def try_out(self) -> None:
        """Have the judge score a few judged documents; raises LeserError where it fails on all of them."""
        pairs = [(query, id) for query, id, _ in _sample(self.train, self.seed)[:_TRIED]]
        if pairs and np.isnan(self.judge.scores(pairs)).all():
            raise LeserError(
                f"The judge '{self.judge.name}' failed on {len(pairs)} judged documents; the log says why. Correct its "
                "options, or leave evaluation.judge out."
            )

    @contextmanager
    def replicate(self, number: int) -> Iterator[None]:
        """Within it, answers come from one of the REPLICATES bootstrap samples of the calibration."""
        self._replicate = number
        try:
            yield
        finally:
            self._replicate = None

    def read(self, pairs: Iterable[Pair]) -> None:
        """Have the judge score what it has not seen, in one go; `worths` asks for nothing then."""
        new = list(dict.fromkeys(pair for pair in pairs if (pair[0].text, pair[1]) not in self._scores))
        if len(self._scores) + len(new) > _MOST_SEEN:
            self._scores.clear()
        for (query, id), score in zip(new, self.judge.scores(new).tolist(), strict=True):
            if score == score:  # a failure is asked about again
                self._scores[query.text, id] = score

    def worths(self, query: Query, ids: Sequence[str], worth: Worth) -> list[float]:
        """The expected worth of each document; NaN where the judge failed on it. `read` them first."""
        scores = np.array([self._scores.get((query.text, id), np.nan) for id in ids])
        found: list[float] = self._calibration(worth)(scores).tolist() if ids else []
        return found

    def facts(self) -> dict[str, Any]:
        """What a report shows: the judge, what it learned from, and its reliability in grades."""
        judged = self._learned()
        worths = np.array(judged.grades, dtype=np.float64)
        bins = reliability(judged.scores, worths, judged.queries, self.seed)
        return {
            "judge": self.judge.name,
            "judged": len(worths),
            "queries": len(np.unique(judged.queries)),
            "reliability": [asdict(found) for found in bins],
        }

    def _calibration(self, worth: Worth) -> Calibration:
        judged = self._learned()
        levels = {grade: worth(grade) for grade in sorted(set(judged.grades))}
        key = tuple(levels.values())
        if key not in self._made:
            worths = np.array([levels[grade] for grade in judged.grades])
            again = resampled(judged.scores, worths, judged.queries, REPLICATES, self.seed)
            self._made[key] = [Calibration.of(judged.scores, worths), *again]
        return self._made[key][0 if self._replicate is None else 1 + self._replicate % REPLICATES]

    def _learned(self) -> _Judged:
        if self._judged is None:
            if self.lacking:
                raise LeserError(f"Holes cannot be filled: {self.lacking}. Use holes=skip, or judge more.")
            pairs = _sample(self.train, self.seed)
            scores = self.judge.scores([(query, id) for query, id, _ in pairs])
            known = np.flatnonzero(~np.isnan(scores))
            if len(known) < LEAST_PAIRS:
                raise LeserError(
                    f"Holes cannot be filled: the judge '{self.judge.name}' failed on {len(pairs) - len(known)} of "
                    f"{len(pairs)} judged documents. The log says why."
                )
            number = {query.id: n for n, query in enumerate(dict.fromkeys(query for query, _, _ in pairs))}
            whose = np.array([number[query.id] for query, _, _ in pairs], dtype=np.int64)
            self._judged = _Judged(scores[known], tuple(pairs[n][2] for n in known.tolist()), whose[known])
        return self._judged


@runtime_checkable
class FillsHoles(Protocol):
    """A reward or measure that may ask what holes are worth."""

    @property
    def fills(self) -> bool:
        """Whether it does, by its parameters."""

    def fill_with(self, expected: ExpectedGrades) -> None:
        """Take these; called once, before anything is scored."""


def bind(rewards: Iterable[object], expected: ExpectedGrades | None) -> None:
    """Give the rewards that fill holes what they fill them with; raises LeserError where there is no such thing."""
    for reward in leaves(rewards):
        if not isinstance(reward, FillsHoles) or not reward.fills:
            continue
        name = getattr(getattr(reward, "spec", None), "text", type(reward).__name__)
        if expected is None:
            raise LeserError(
                f"'{name}' fills holes, and no judge is named. Set -o evaluation.judge=encoder, or add a reward such as "
                "encoder@10."
            )
        if expected.lacking:
            raise LeserError(f"'{name}' cannot fill holes: {expected.lacking}. Use holes=skip, or judge more.")
        reward.fill_with(expected)


def filled_from(rewards: Iterable[object], expected: ExpectedGrades | None) -> list[Split]:
    """The train split by which these rewards fill holes; nothing where none does."""
    fill = any(isinstance(reward, FillsHoles) and reward.fills for reward in leaves(rewards))
    return [expected.train] if fill and expected is not None else []


def lacking_in(train: Split) -> str:
    """Why these judgments cannot teach what a judge's score is worth; empty where they can."""
    grades = [_judged_of(train, query) for query in (*train.queries, *train.no_result)]
    contrast = sum(len(set(given.values())) > 1 for given in grades)
    pairs = sum(map(len, grades))
    if contrast >= LEAST_QUERIES and pairs >= LEAST_PAIRS:
        return ""
    return (
        f"the train judgments hold {contrast} queries with documents of different grades and {pairs} judged documents; "
        f"{LEAST_QUERIES} and {LEAST_PAIRS} are needed"
    )


def _sample(train: Split, seed: int) -> list[tuple[Query, str, int]]:
    """Judged documents of train: queries in a drawn order, a few of each, until there are enough."""
    draw = Random(f"{seed} calibration")
    queries = [query for query in (*train.queries, *train.no_result) if _judged_of(train, query)]
    draw.shuffle(queries)
    pairs: list[tuple[Query, str, int]] = []
    for query in queries:
        given = _judged_of(train, query)
        chosen = draw.sample(sorted(given), min(MOST_OF_QUERY, len(given)))
        pairs += [(query, id, given[id]) for id in chosen]
        if len(pairs) >= MOST_PAIRS:
            break
    return pairs


def _judged_of(train: Split, query: Query) -> dict[str, int]:
    """A query's judgments; a grade below 0 says that there is none, as for trec_eval."""
    given: Mapping[str, int] = train.qrels.get(query.id, {})
    return {id: grade for id, grade in given.items() if grade >= 0}
