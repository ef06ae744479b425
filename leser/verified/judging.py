"""Trials: queries with expansions, searched and judged in whole batches, and counted against each query's budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leser.environment import SEARCHES_AT_ONCE, Attempt, Environment
from leser.expansion import Code, Expansion
from leser.task import Query, Split
from leser.verified.anchor import agreement, kept_share
from leser.verified.halves import deep_enough
from leser.verified.noise import people_value
from leser.verified.opinions import Opinions
from leser.verified.options import VerifiedOptions

UNSEARCHED = (Code.PARSE_ERROR, Code.RULE_VIOLATION)


@dataclass(frozen=True, slots=True)
class Trial:
    """A query, by its number, and expansions to search it with; no expansions is the original."""

    row: int
    expansions: tuple[Expansion, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a trial: the judge's score, None where it broke a rule, failed or no reward applies; and kept@k.

    `agreed` is what others add to the judge's score: `verified.agree` times the agreement of the engine's own scores for the
    original query, and the encoder's second opinions.
    `people` is what the judgments say of the ranking by themselves, None where the query has none.
    """

    score: float | None
    kept: float
    code: Code
    agreed: float = 0.0
    people: float | None = None

    @property
    def value(self) -> float | None:
        """What sets are compared by: the judge's score and what others add; None where there is no score."""
        return None if self.score is None else self.score + self.agreed

    @property
    def failed(self) -> bool:
        """The engine did not answer: that says nothing about the expansions."""
        return self.code is Code.ENGINE_ERROR


class Judge:
    """Reads trials through an environment: its engine, its rewards, its rules."""

    def __init__(
        self,
        environment: Environment,
        queries: Sequence[Query],
        split: Split,
        options: VerifiedOptions,
        opinions: Opinions | None = None,
    ) -> None:
        self.environment = environment
        self.opinions = opinions
        self.queries = queries
        self.split = split
        self.options = options
        self.spent = [1] * len(queries)  # the original's own ranking, which all others are compared with
        self.failed = [0] * len(queries)
        self._depth = max(environment.depth, options.keep_within, options.known if opinions else 0)
        self._alone = environment.expansion.mode == "fuse" or "per_expansion" in environment.rewards.requires
        last = self.cost(()) + self.cost((Expansion("x"),) * options.max_terms)
        self._budget = options.budget - (last if options.confirm else 0)  # what the confirmation will ask

    def cost(self, expansions: Sequence[Expansion]) -> int:
        """Searches that a trial costs: one, and one per expansion where each is searched alone, too."""
        return 1 + (len(expansions) if self._alone else 0)

    def affordable(self, trials: Sequence[Trial]) -> list[Trial]:
        """The trials, in their order, that the budgets of their queries still allow."""
        planned: dict[int, int] = {}
        allowed = []
        for trial in trials:
            total = planned.get(trial.row, self.spent[trial.row]) + self.cost(trial.expansions)
            if total <= self._budget:
                planned[trial.row] = total
                allowed.append(trial)
        return allowed

    def read(self, trials: Sequence[Trial], split: Split | None = None) -> list[Reading]:
        """One reading per trial, in order; `split` brings other judgments than the judge's own."""
        readings: list[Reading] = []
        for first in range(0, len(trials), SEARCHES_AT_ONCE):  # outcomes hold their rankings: a bound on memory
            readings += self._read(trials[first : first + SEARCHES_AT_ONCE], split or self.split)
        return readings

    def _read(self, trials: Sequence[Trial], split: Split) -> list[Reading]:
        say = self.environment.say
        attempts = [Attempt(self.queries[t.row], t.row, say(t.expansions)) for t in trials]
        # the environment fetches the judged documents of the split it is given: only these queries' are needed
        part = split.part(list(dict.fromkeys(attempt.query for attempt in attempts)))
        outcomes = self.environment.judge(attempts, part, deep_enough(split, self._depth))
        scores = self.environment.score(outcomes)
        added = self.opinions.read(outcomes) if self.opinions else [0.0] * len(outcomes)
        readings = []
        for trial, outcome, total, out, more in zip(
            trials, outcomes, scores.total, scores.excluded | scores.gated, added, strict=True
        ):
            if outcome.code not in UNSEARCHED:
                self.spent[trial.row] += self.cost(trial.expansions)
            self.failed[trial.row] += outcome.code is Code.ENGINE_ERROR
            kept, agreed, people = 0.0, 0.0, None
            if outcome.expanded is not None:
                kept = kept_share(outcome.original, outcome.expanded, self.options.keep_top, self.options.keep_within)
                agreed = (
                    agreement(outcome.original, outcome.expanded, self.options.keep_top) * self.options.agree + more
                )
                if self.options.doubt:
                    people = people_value(outcome.expanded, outcome.grades, self.options.keep_top)
            readings.append(Reading(None if out else float(total), kept, outcome.code, agreed, people))
        return readings
