"""The weight of an expansion, tuned by searches: what was written stays, and is searched with each weight of a grid.

Rivals' weights are tuned on dev, so a policy's must be, too. Nothing is sampled for it: before targets are made, single
feedback terms of train queries say which weight lets a good term show; after the warm-up and at the end it is the policy's own
greedy answers on dev. weight.json of the run folder holds what was chosen: a resume reads it, and so does serving.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from leser.environment import SEARCHES_AT_ONCE, Attempt, Environment
from leser.expansion import Expansion
from leser.store.weights import keep_weight, kept_weights
from leser.task import Query, Split

if TYPE_CHECKING:
    from leser.sampler import Sampler
    from leser.training.state import TrainingState

GRID = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
TARGETS, GRPO = "targets", "grpo"
"""What a weight was chosen for, beside the systems of the final table."""
QUERIES, TERMS = 100, 6
"""Train queries, and feedback terms of each, that the weight is chosen on before there is a policy."""


def tune_before_targets(state: TrainingState) -> None:
    """Choose the weight on train, by what the best single feedback term of each query earns; once per run."""
    train, config = state.session.task.train, state.session.config
    groups: list[list[tuple[Query, str]]] = []
    say = state.sampler.environment.say
    if config.expansion.tune_weight and TARGETS not in kept_weights(state.folder.path):
        spread = train.queries[:: max(1, len(train.queries) // QUERIES)][:QUERIES]
        seen = state.sampler.observations(spread)
        groups = [[(o.query, say([Expansion(term)])) for term in o.terms[:TERMS]] for o in seen]
    _choose(state, TARGETS, train, [group for group in groups if group])


def tune_on_dev(state: TrainingState, name: str, sampler: Sampler) -> None:
    """Choose the weight on the queries of every evaluation on dev, by what greedy answers earn; once per run and name."""
    said: list[list[tuple[Query, str]]] = []
    dev, config = state.session.task.dev, state.session.config
    if config.expansion.tune_weight and name not in kept_weights(state.folder.path):
        answers = sampler.answer(dev, state.dev_queries())
        said = [[(o.query, o.completion)] for o in answers.served]
    _choose(state, name, dev, said)


def _choose(state: TrainingState, name: str, split: Split, groups: Sequence[Sequence[tuple[Query, str]]]) -> None:
    folder, environment = state.folder.path, state.sampler.environment
    if state.session.config.expansion.tune_weight and name not in kept_weights(folder):
        before = environment.expansion.weight
        values = weigh(environment, split, groups, sorted({*GRID, before})) if groups else {}
        best = best_weight(values, before)
        keep_weight(folder, name, best)
        state.session.reporter.say(
            f"Weight of an expansion ({name}): {best:g} earns {values.get(best, float('nan')):.4f}, "
            f"{before:g} {values.get(before, float('nan')):.4f}."
        )
    if (chosen := kept_weights(folder).get(name)) is not None:
        environment.weigh(chosen)


def weigh(
    environment: Environment, split: Split, groups: Sequence[Sequence[tuple[Query, str]]], grid: Sequence[float]
) -> dict[float, float]:
    """Mean over groups of the best reward in each, by weight; nothing where no group was scored at every weight.

    Leaves the environment at the weight it had. A group that failed at one weight, or that no reward applies to, judges none:
    a weight gains nothing by failing on what is hard.
    """
    said = [(query, completion) for group in groups for query, completion in group]
    ends = np.cumsum([len(group) for group in groups])[:-1]
    before, rows = environment.expansion.weight, []
    try:
        for weight in grid:
            environment.weigh(weight)
            rows.append([float(np.max(part)) for part in np.split(np.array(_totals(environment, split, said)), ends)])
    finally:
        environment.weigh(before)
    values = np.array(rows)
    known = ~np.isnan(values).any(axis=0)
    return dict(zip(grid, values[:, known].mean(axis=1).tolist(), strict=True)) if said and known.any() else {}


def _totals(environment: Environment, split: Split, said: Sequence[tuple[Query, str]]) -> list[float]:
    totals: list[float] = []
    for first in range(0, len(said), SEARCHES_AT_ONCE):  # outcomes hold their rankings: a bound on memory
        part = said[first : first + SEARCHES_AT_ONCE]
        attempts = [Attempt(query, number, completion) for number, (query, completion) in enumerate(part)]
        totals += environment.score(environment.judge(attempts, split)).total.tolist()
    return totals


def best_weight(values: dict[float, float], before: float) -> float:
    """The weight of the highest value; of equal ones the nearest to `before`, which stays where there is no value."""
    return max(values, key=lambda weight: (values[weight], -abs(weight - before)), default=before)
