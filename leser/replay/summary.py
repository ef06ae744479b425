"""What a reward would have taught: its means over training, how often it tells completions apart, what it agrees with.

zero variance   share of groups whose usable rewards span no more than a tolerance: they teach nothing
correlation     Pearson's, over all completions, and over their distances from their group's mean, which is what
                advantages are made of
best of n       mean over queries of what the best completion earns above the query as it stands, n being the group's size;
                for the best by the trained reward likewise, and for the mean completion
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leser.evaluation.statistics import bootstrap_interval
from leser.replay.rescore import Rescored

Array = npt.NDArray[np.float64]
PARTS = 5
"""Parts of training, by steps, that are looked at one by one."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of training: means of both rewards, and shares of zero-variance groups; None where nothing is known."""

    first: int
    last: int
    trained: float | None
    reward: float | None
    zero_variance_trained: float
    zero_variance: float


@dataclass(frozen=True, slots=True)
class Gain:
    """What is earned above the original, a mean over queries (each the mean of its groups), with its 95 % interval."""

    delta: float
    ci95: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures; correlations are None where one side has no spread, gains where no group has a known one."""

    completions: int
    distinct: int
    queries: int
    groups: int
    failed: int
    means: dict[str, float | None]
    parts: tuple[Stretch, ...]
    correlation: float | None
    correlation_in_groups: float | None
    best: Gain | None
    best_by_trained: Gain | None
    mean: Gain | None

    def row(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def summarised(found: Rescored, tolerance: float) -> Summary:
    """The summary; `tolerance` is what a group's rewards may span and still count as equal (grpo.zero_variance_range)."""
    trained = np.array([np.nan if row.reward is None else row.reward for row in found.stored])
    groups = _groups(found)
    columns = zip((*found.names, "total"), (*found.values.T, found.total), strict=True)
    return Summary(
        completions=len(found.stored),
        distinct=len({(row.query_id, row.completion) for row in found.stored}),
        queries=len(found.original),
        groups=len(groups),
        failed=int(np.isnan(found.total).sum()),
        means={name: _mean(column) for name, column in columns},
        parts=tuple(_parts(found, trained, groups, tolerance)),
        correlation=_correlation(trained, found.total),
        correlation_in_groups=_correlation(*_within(trained, found.total, groups)),
        best=_gain(found, groups, lambda rows: _top(found.total, rows)),
        best_by_trained=_gain(found, groups, lambda rows: _top(trained, rows)),
        mean=_gain(found, groups, lambda rows: rows),
    )


def _groups(found: Rescored) -> list[npt.NDArray[np.intp]]:
    rows: dict[tuple[int, str], list[int]] = {}
    for number, row in enumerate(found.stored):
        rows.setdefault(row.group, []).append(number)
    return [np.array(own) for own in rows.values()]


def _parts(found: Rescored, trained: Array, groups: Sequence[npt.NDArray[np.intp]], tolerance: float) -> list[Stretch]:
    steps = np.array([found.stored[rows[0]].step for rows in groups])
    made = []
    for own in np.array_split(np.unique(steps), min(PARTS, len(set(steps.tolist())))):
        chosen = [rows for rows, step in zip(groups, steps, strict=True) if own[0] <= step <= own[-1]]
        together = np.concatenate(chosen)
        made.append(
            Stretch(
                int(own[0]),
                int(own[-1]),
                _mean(trained[together]),
                _mean(found.total[together]),
                float(np.mean([_equal(trained[rows], tolerance) for rows in chosen])),
                float(np.mean([_equal(found.total[rows], tolerance) for rows in chosen])),
            )
        )
    return made


def _equal(rewards: Array, tolerance: float) -> bool:
    usable = rewards[~np.isnan(rewards)]
    return len(usable) < 2 or bool(usable.max() - usable.min() <= tolerance)


def _within(first: Array, second: Array, groups: Sequence[npt.NDArray[np.intp]]) -> tuple[Array, Array]:
    """Distances from the group's mean, over the completions that both know."""
    parts = []
    for rows in groups:
        both = np.stack([first[rows], second[rows]])
        both = both[:, ~np.isnan(both).any(axis=0)]
        if both.shape[1]:
            parts.append(both - both.mean(axis=1, keepdims=True))
    together = np.concatenate(parts, axis=1) if parts else np.zeros((2, 0))
    return together[0], together[1]


def _correlation(first: Array, second: Array) -> float | None:
    known = ~(np.isnan(first) | np.isnan(second))
    a, b = first[known], second[known]
    if len(a) < 2 or np.ptp(a) < 1e-12 or np.ptp(b) < 1e-12:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _top(rewards: Array, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The row of the greatest known reward; none where no reward is known."""
    return rows[:0] if np.isnan(rewards[rows]).all() else rows[[int(np.nanargmax(rewards[rows]))]]


def _gain(found: Rescored, groups: Sequence[npt.NDArray[np.intp]], choose: Any) -> Gain | None:
    gains = found.gain
    by_query: dict[str, list[float]] = {}
    for rows in groups:
        known = gains[choose(rows)]
        known = known[~np.isnan(known)]
        if len(known):
            by_query.setdefault(found.stored[rows[0]].query_id, []).append(float(known.mean()))
    if not by_query:
        return None
    column = np.array([[float(np.mean(own))] for own in by_query.values()])
    low, high = bootstrap_interval(column, resamples=2000)
    return Gain(float(column.mean()), (float(low[0]), float(high[0])))


def _mean(values: Array) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
