"""Which queries a step trains on: passes over all of them, a curriculum, and those that take the place of zero-variance groups.

Everything is a function of (seed, step) and, for the curriculum, of what the steps before have shown: a resumed run draws the
same.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from leser.task import Query

CURRICULUM_DRAW, REFILL_DRAW = 1 << 61, 1 << 62
"""Where the numbers of these draws begin, apart from those of passes, which count from 0."""
LEAST_WEIGHT = 0.1
"""A query whose completions never differed keeps this chance, relative to one of the widest spread: policies change."""
MEMORY = 0.5
"""Weight of the newest spread in a query's running one."""


def batch_of(queries: Sequence[Query], size: int, seed: int, step: int) -> list[Query]:
    """The queries of step number `step` (from 0): passes over all of them, each in an order decided by (seed, pass).

    Passes run on across steps, so that no query is dropped because the batch size does not divide their number. A batch that ends
    one pass and begins the next holds each query once: the new pass begins with others, and comes to those later.
    """
    count = len(queries)
    size = min(size, count)
    if not size:
        return []
    number, offset = divmod(step * size, count)
    chosen = _pass(count, size, seed, number)[offset : offset + size]
    if len(chosen) < size:
        chosen += _pass(count, size, seed, number + 1)[: size - len(chosen)]
    return [queries[i] for i in chosen]


def curriculum_batch(
    queries: Sequence[Query], size: int, seed: int, step: int, spreads: Mapping[str, float]
) -> list[Query]:
    """`size` queries without repetition, each drawn in proportion to how much its completions' rewards differed.

    A query's weight is its running spread relative to the widest, at least LEAST_WEIGHT; one never sampled has weight 1.
    The keys log(u) / weight of independent uniform u give such a draw (Efraimidis and Spirakis 2006).
    """
    widest = max(spreads.values(), default=0.0)
    weights = [max(LEAST_WEIGHT, spreads[q.id] / widest) if q.id in spreads and widest > 0 else 1.0 for q in queries]
    drawn = _uniform(seed, CURRICULUM_DRAW + step, len(queries))
    keys = [math.log(max(u, 1e-300)) / weight for u, weight in zip(drawn, weights, strict=True)]
    order = sorted(range(len(queries)), key=lambda i: -keys[i])
    return [queries[i] for i in order[: min(size, len(queries))]]


def note_spreads(spreads: dict[str, float], rewards: Mapping[str, Sequence[float]]) -> None:
    """Bring the running spreads up to date with the rewards of a step's groups, by query id; NaN is left out."""
    for query, values in rewards.items():
        usable = [v for v in values if not math.isnan(v)]
        if len(usable) > 1:
            spread = float(np.std(usable))
            spreads[query] = MEMORY * spread + (1 - MEMORY) * spreads.get(query, spread)


def refill_of(queries: Sequence[Query], known: Collection[str], count: int, seed: int, step: int) -> list[Query]:
    """Up to `count` queries whose ids are not `known`, in an order decided by (seed, step)."""
    drawn = _uniform(seed, REFILL_DRAW + step, len(queries))
    order = [i for i in np.argsort(drawn, kind="stable").tolist() if queries[i].id not in known]
    return [queries[i] for i in order[:count]]


def _pass(count: int, size: int, seed: int, number: int) -> list[int]:
    """The order of pass `number`; its first places, which share a batch with the pass before, hold none of that batch."""
    # every so many passes one begins with a batch of its own, and hangs on none before it
    apart = size // math.gcd(count, size)
    order: list[int] = []
    for n in range(number - number % apart, number + 1):
        plain = np.random.Generator(np.random.Philox(key=[seed, n])).permutation(count).tolist()
        missing = -n * count % size  # places of the batch that the pass before began
        if missing and n:
            taken = set(order[count - (size - missing) :])
            first = [i for i in plain if i not in taken][:missing]
            begun = set(first)
            plain = first + [i for i in plain if i not in begun]
        order = plain
    return order


def _uniform(seed: int, number: int, count: int) -> np.ndarray[Any, Any]:
    return np.random.Generator(np.random.Philox(key=[seed, number])).random(count)
