"""The abstaining policy: it expands a query only where it is sure enough of its own answer, and leaves the others alone.

How sure it is: its mean log-probability per token. From which value on it expands is chosen on dev: the threshold with the
highest mean reward among those at which no more than a given share of the dev queries earn less than the original.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from leser.environment import Attempt
from leser.evaluation.statistics import TIE
from leser.reward import Outcome
from leser.sampler import Answers, Sampler
from leser.task import Query, Split

if TYPE_CHECKING:
    from leser.environment import Environment

ABSTAINING = "leser-sure"
"""The system's name."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Least mean log-probability per token at which a query is expanded, and what that means on dev."""

    least: float
    share_hurt: float
    share_expanded: float


def choose_threshold(sure: Sequence[float], change: Sequence[float], most_hurt: float) -> Threshold:
    """The threshold for queries with these certainties and changes of reward; of equal ones the highest.

    Expanding no query hurts none, so there always is one.
    """
    order = np.argsort(-np.array(sure), kind="stable")
    sorted_sure, changes = np.array(sure)[order], np.array(change)[order]
    hurt = np.cumsum(changes < -TIE) / max(1, len(changes))
    gain = np.cumsum(changes)
    best, chosen = 0.0, Threshold(float("inf"), 0.0, 0.0)
    for place in range(len(changes)):
        whole = place + 1 == len(changes) or sorted_sure[place + 1] < sorted_sure[place]  # equal ones together
        if whole and hurt[place] <= most_hurt + TIE and gain[place] > best + TIE:
            best = float(gain[place])
            chosen = Threshold(float(sorted_sure[place]), float(hurt[place]), (place + 1) / len(changes))
    return chosen


def tune_threshold(sampler: Sampler, dev: Split, queries: Sequence[Query], most_hurt: float) -> Threshold:
    """The threshold on (some of) dev's queries; those that a reward does not apply to, or whose search failed, choose nothing."""
    sure, answers = _answered(sampler, dev, queries, None)
    environment = sampler.environment
    earned = environment.score(answers.served).total - environment.score(_plain(environment, dev, queries, None)).total
    known = [(value, float(change)) for value, change in zip(sure, earned, strict=True) if not np.isnan(change)]
    return choose_threshold([value for value, _ in known], [change for _, change in known], most_hurt)


def answers_where_sure(
    sampler: Sampler,
    dev: Split,
    tuned_on: Sequence[Query],
    split: Split,
    asked: Sequence[Query],
    depth: int,
    bound: float,
) -> tuple[Answers, dict[str, Any]]:
    """The abstaining policy's answers to a split's queries, and what evaluation.json says of its threshold.

    `least` is None where no query of dev could be expanded within the bound and with a gain, so that all are left alone.
    """
    chosen = tune_threshold(sampler, dev, tuned_on, bound)
    said = {
        "bound": bound,
        "least": chosen.least if isfinite(chosen.least) else None,
        "queries": len(tuned_on),
        "share_hurt": chosen.share_hurt,
        "share_expanded": chosen.share_expanded,
    }
    return abstaining_answers(sampler, split, asked, depth, chosen), said


def abstaining_answers(
    sampler: Sampler, split: Split, queries: Sequence[Query], depth: int, threshold: Threshold
) -> Answers:
    """The policy's greedy answers, "none" in place of those it is not sure of."""
    sure, answers = _answered(sampler, split, queries, depth)
    plain = _plain(sampler.environment, split, queries, depth)
    rows = list(zip(sure, answers.outcomes, answers.served, plain, strict=True))
    return replace(
        answers,
        outcomes=tuple(o if value >= threshold.least else p for value, o, _, p in rows),
        served=tuple(s if value >= threshold.least else p for value, _, s, p in rows),
    )


def _answered(
    sampler: Sampler, split: Split, queries: Sequence[Query], depth: int | None
) -> tuple[list[float], Answers]:
    samples = [row[0] for row in sampler.sample(queries, 1, seed=0, step=0, temperature=0.0)]
    return [fmean(sample.logprobs) for sample in samples], sampler.served(split, queries, samples, depth)


def _plain(environment: Environment, split: Split, queries: Sequence[Query], depth: int | None) -> list[Outcome]:
    """The queries as they stand."""
    return environment.judge([Attempt(q, number, environment.say()) for number, q in enumerate(queries)], split, depth)
