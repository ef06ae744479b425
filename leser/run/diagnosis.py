"""What the rewards can see: a dry run's look at them, with feedback terms in place of a policy's completions.

A policy learns from what differs within a group of completions. Here the groups are single feedback terms of each query's own
hits, which costs a few hundred searches and no model: a reward that is silent on most of them will be silent on most groups.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from leser.environment import Attempt
from leser.expansion import Expansion
from leser.holes.primary import judged_share
from leser.holes.treatment import USUAL_DEPTH
from leser.shares import in_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from leser.environment import Environment
    from leser.prompt import PromptOptions
    from leser.reward import Outcome
    from leser.task import Query, Split

QUERIES = 64
TERMS = 8
AT_ONCE = 16
MOST_SECONDS = 30.0
_EQUAL = 1e-9


@dataclass(frozen=True, slots=True)
class Sight:
    """What a reward sees: the share of queries on which a term moves it, and of groups in which nothing differs.

    `like` maps the other rewards to the correlation with them, of what differs within groups; NaN where one never differs.
    """

    reward: str
    moves: float
    silent: float
    like: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was tried, what each reward saw, and the share of judged documents in the top 10 before and after."""

    queries: int
    completions: int
    sights: tuple[Sight, ...]
    judged: tuple[float | None, float | None]


def diagnose(environment: Environment, train: Split, options: PromptOptions, seed: int) -> Diagnosis | None:
    """Try the rewards on a sample of train queries; None where no query has a feedback term.

    Stops after MOST_SECONDS with what was seen by then. Raises EngineDown.
    """
    drawn = Random(f"{seed} diagnosis").sample(train.queries, min(QUERIES, len(train.queries)))
    asked = options.model_copy(update={"context": True, "terms": TERMS})
    started = time.monotonic()
    outcomes: list[Outcome] = []
    values: list[NDArray[np.float64]] = []
    for first in range(0, len(drawn), AT_ONCE):
        if time.monotonic() - started > MOST_SECONDS:
            break
        part = drawn[first : first + AT_ONCE]
        found = environment.judge(list(_attempts(environment, part, asked, first)), train)
        if found:
            outcomes += found
            scores = environment.score(found)
            values.append(np.column_stack([scores.values, scores.total]))
    if not outcomes:
        return None
    names = (*environment.rewards.names, "total")
    return _seen(outcomes, np.concatenate(values), names, train)


def lines(found: Diagnosis) -> Iterator[str]:
    """The diagnosis in words."""
    yield (
        f"What the rewards see of {found.completions} feedback terms, each alone, on {found.queries} train queries "
        "(a policy learns from what differs within a group):"
    )
    width = max(len(sight.reward) for sight in found.sights)
    for sight in found.sights:
        like = ", ".join(f"{other} {value:+.2f}" for other, value in sight.like.items() if value == value)
        yield (
            f"  {sight.reward:<{width}}  moves on {in_words(sight.moves)} of the queries, zero-variance groups to expect "
            f"{sight.silent:.0%}" + (f"; correlation with {like}" if like else "")
        )
    before, after = found.judged
    if before is not None and after is not None:
        yield f"  Judged@{USUAL_DEPTH}: {before:.2f} of the original queries, {after:.2f} with a term."


def _attempts(environment: Environment, queries: list[Query], options: PromptOptions, first: int) -> Iterator[Attempt]:
    """Of each query with feedback terms: as it stands, and with each term alone."""
    for group, observation in enumerate(environment.observe(queries, options), start=first):
        if observation.terms:
            yield Attempt(observation.query, group, environment.say())
            for term in observation.terms[:TERMS]:
                yield Attempt(observation.query, group, environment.say((Expansion(term),)))


def _seen(outcomes: list[Outcome], values: NDArray[np.float64], names: tuple[str, ...], train: Split) -> Diagnosis:
    groups: dict[int, list[int]] = {}
    for row, outcome in enumerate(outcomes):
        if outcome.expanded is not None:  # neither gated nor failed
            groups.setdefault(outcome.group, []).append(row)
    # the first of a group is the query as it stands
    rows = [np.array(own) for own in groups.values() if len(own) > 2 and not outcomes[own[0]].expansions]
    centred = np.full(values.shape, np.nan)
    for own in rows:
        terms = own[1:]
        centred[terms] = values[terms] - values[terms].mean(axis=0)
    sights = tuple(_sight(column, names, rows, values, centred) for column in range(len(names)))
    before = [outcomes[own[0]] for own in rows]
    after = [outcomes[row] for own in rows for row in own[1:].tolist()]
    return Diagnosis(len(rows), len(after), sights, (_judged(before, train), _judged(after, train)))


def _sight(
    column: int,
    names: tuple[str, ...],
    rows: list[NDArray[np.int64]],
    values: NDArray[np.float64],
    centred: NDArray[np.float64],
) -> Sight:
    known = [own for own in rows if not np.isnan(values[own, column]).any()]
    moves = [bool((np.abs(values[own[1:], column] - values[own[0], column]) > _EQUAL).any()) for own in known]
    silent = [bool(np.ptp(values[own[1:], column]) <= _EQUAL) for own in known]
    like = {
        other: _correlation(centred[:, column], centred[:, number])
        for number, other in enumerate(names)
        if number != column and other != "total"
    }
    return Sight(names[column], _mean(moves), _mean(silent), like)


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    both = ~np.isnan(first) & ~np.isnan(second)
    if both.sum() < 2 or first[both].std() <= _EQUAL or second[both].std() <= _EQUAL:
        return float("nan")
    return float(np.corrcoef(first[both], second[both])[0, 1])


def _judged(outcomes: list[Outcome], train: Split) -> float | None:
    shares = [
        share
        for o in outcomes
        if o.expanded is not None
        and (share := judged_share((o.query,), train, {o.query.id: o.expanded}, USUAL_DEPTH)) is not None
    ]
    return _mean(shares) if shares else None


def _mean(shares: list[float] | list[bool]) -> float:
    return float(np.mean(shares)) if shares else float("nan")
