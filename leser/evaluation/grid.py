"""Grid search on dev, as every tuned baseline does it: the setting of the highest mean reward, failures counted fairly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from leser.errors import LeserError

if TYPE_CHECKING:
    from leser.backend import Term
    from leser.baseline import BaselineContext
    from leser.task import Query, Split

Setting = TypeVar("Setting")


def best_setting(
    name: str,
    context: BaselineContext,
    split: Split,
    queries: Sequence[Query],
    grid: Sequence[Setting],
    terms: Callable[[Setting], Sequence[Sequence[Term]]],
    also: Callable[[Sequence[Sequence[Term]]], Sequence[float]] | None = None,
) -> tuple[Setting, float]:
    """The setting of `grid` whose clauses `terms(setting)` earn most on `queries`, and their mean reward.

    `also` says what counts for the clauses of each query beside the reward, such as an anchor.

    A query that fails at a setting counts as it stands, without clauses: a setting gains nothing by failing on what is
    hard. A setting at which every search fails is never chosen; of equal ones it is the first. Raises LeserError, naming
    the baseline `name`, where all settings fail.
    """

    def worth(clauses: Sequence[Sequence[Term]]) -> list[float]:
        rewards = context.reward(split, queries, clauses)
        return rewards if also is None else [a + b for a, b in zip(rewards, also(clauses), strict=True)]

    alone = np.array(worth([()] * len(queries)))
    values = np.array([worth(terms(setting)) for setting in grid])
    works = ~np.isnan(values).all(axis=1)
    values = np.where(np.isnan(values), alone, values)
    known = ~np.isnan(values[works]).any(axis=0)  # a query to which no reward applies judges no setting
    if not works.any() or not known.any():
        raise LeserError(
            f"{name} cannot be tuned: each of its {len(grid)} settings failed on all of {len(queries)} queries of "
            f"{split.name}. Try the engine with `leser doctor`; without {name} in evaluation.baselines a run does not need it."
        )
    means = np.where(works, values[:, known].mean(axis=1), -np.inf)
    best = int(np.argmax(means))
    return grid[best], float(means[best])
