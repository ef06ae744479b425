"""The weight of an expansion, tuned by searches: what was written stays, and is searched with each weight of a grid.

Rivals' weights are tuned on dev, so a policy's must be, too. Nothing is sampled for it: before targets are made, single
feedback terms of train queries say which weight lets a good term show; after the warm-up and at the end it is the policy's own
greedy answers on dev. weight.json of the run folder holds what was chosen: a resume reads it, and so does serving.

A judge that reads documents and no label, such as encoder@10, earns more and more by more weight: whatever it likes comes up.
Beside such a judge the engine's own opinion of the hits counts, as in the baseline encoder-feedback.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from leser.composition import leaves
from leser.environment import SEARCHES_AT_ONCE, Attempt, Environment
from leser.expansion import Expansion
from leser.lesson import LearnsFromTrain
from leser.reward import Outcome, Reward
from leser.store.weights import keep_weight, kept_weights
from leser.task import Query, Split
from leser.verified.anchor import BESIDE_A_JUDGE, agreement
from leser.warmup.shown import say_shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from leser.sampler import Sampler
    from leser.training.state import TrainingState

GRID = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
TARGETS, GRPO = "targets", "grpo"
"""What a weight was chosen for, beside the systems of the final table."""
TOP = 10
"""Hits that the engine's own scores are asked about."""
QUERIES, TERMS = 100, 6
"""Train queries, and feedback terms of each, that the weight is chosen on before there is a policy."""


def tune_before_targets(state: TrainingState) -> None:
    """Choose the weight on train, by what the best feedback term of each query earns, or all shown words; once per run."""
    train, config = state.session.task.train, state.session.config
    groups: list[list[tuple[Query, str]]] = []
    say = state.sampler.environment.say
    if config.expansion.tune_weight and TARGETS not in kept_weights(state.folder.path):
        spread = train.queries[:: max(1, len(train.queries) // QUERIES)][:QUERIES]
        seen = state.sampler.observations(spread)
        if config.warmup.targets == "shown":
            groups = [[(o.query, say_shown(state.sampler.environment, o, config.prompt))] for o in seen]
        else:
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

    Where a judge rewards without labels, what the engine's own scores say of the hits counts beside it (`agreement`).
    Leaves the environment at the weight it had. A group that failed at one weight, or that no reward applies to, judges none:
    a weight gains nothing by failing on what is hard.
    """
    said = [(query, completion) for group in groups for query, completion in group]
    ends = np.cumsum([len(group) for group in groups])[:-1]
    before, readings = environment.expansion.weight, []
    judged = _judge_without_labels(environment)
    try:
        for weight in grid:
            environment.weigh(weight)
            readings.append(_read(environment, split, said, judged))
    finally:
        environment.weigh(before)
    anchored = judged and not any(reading.labelled for reading in readings)
    values = np.array([[np.max(part) for part in np.split(reading.worth(anchored), ends)] for reading in readings])
    known = ~np.isnan(values).any(axis=0)
    return dict(zip(grid, values[:, known].mean(axis=1).tolist(), strict=True)) if said and known.any() else {}


@dataclass
class _Reading:
    """What attempts earn at one weight, the engine's opinion of their hits, and whether labels had a part in the first."""

    totals: list[float] = field(default_factory=list)
    agreed: list[float] = field(default_factory=list)
    labelled: bool = False

    def worth(self, anchored: bool) -> NDArray[np.float64]:
        """What counts for each attempt, shape (attempts,); NaN for a failure."""
        return np.array(self.totals) + (BESIDE_A_JUDGE * np.array(self.agreed) if anchored else 0.0)


def _read(environment: Environment, split: Split, said: Sequence[tuple[Query, str]], judged: bool) -> _Reading:
    reading = _Reading()
    for first in range(0, len(said), SEARCHES_AT_ONCE):  # outcomes hold their rankings: a bound on memory
        part = said[first : first + SEARCHES_AT_ONCE]
        attempts = [Attempt(query, number, completion) for number, (query, completion) in enumerate(part)]
        outcomes = environment.judge(attempts, split)
        scores = environment.score(outcomes)
        reading.totals += scores.total.tolist()
        reading.agreed += [_agreement(outcome) for outcome in outcomes]
        if judged and not reading.labelled:
            reading.labelled = environment.rewards.reads_labels(outcomes, scores)
    return reading


def _agreement(outcome: Outcome) -> float:
    return 0.0 if outcome.expanded is None else agreement(outcome.original, outcome.expanded, TOP)


def _judge_without_labels(environment: Environment) -> bool:
    """Whether a reward reads documents, none has learned from judgments, and none counts the engine's own scores already."""
    rewards = environment.rewards
    known = any(
        isinstance(part, LearnsFromTrain) or (isinstance(part, Reward) and part.anchor)
        for part in leaves(rewards.rewards)
    )
    return bool(rewards.fields) and not known


def best_weight(values: dict[float, float], before: float) -> float:
    """The weight of the highest value; of equal ones the nearest to `before`, which stays where there is no value."""
    return max(values, key=lambda weight: (values[weight], -abs(weight - before)), default=before)
