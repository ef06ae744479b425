"""Preference pairs out of stored rollouts: of two completions of one query, the one that the engine proves better.

Both completions are searched with again under this run's engine and rewards. A query's best is paired with its worst, its second
best with its second worst, and so on, as long as they differ by `min_addition`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from leser.environment import Environment
from leser.errors import LeserError
from leser.expansion import Code
from leser.files import write_atomically
from leser.replay.rescore import rescore
from leser.replay.stored import Stored, distinct, queries_of, read_stored
from leser.task import Split, drawn
from leser.warmup.options import WarmupOptions

TRIED = 4
"""Completions searched with from either end for each pair wanted: the earlier run may have been judged otherwise."""
UNREADABLE = (Code.PARSE_ERROR, Code.ENGINE_ERROR)
"""Not paired: a completion that was cut has no end to be taught, and a search that failed says nothing of its terms."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two completions of a query, and by how much the chosen one earned more."""

    query_id: str
    chosen: str
    rejected: str
    difference: float


def preference_pairs(environment: Environment, split: Split, options: WarmupOptions, seed: int) -> list[Pair]:
    """At most `targets_per_query` pairs for each of (up to `max_queries` of) the queries in `options.from_rollouts`.

    Raises LeserError where the file does not fit the task, and where no two completions of a query differ enough.
    """
    assert options.from_rollouts is not None
    path = options.from_rollouts
    stored = [row for row in read_stored(path) if row.code not in UNREADABLE and row.reward is not None]
    queries = queries_of(split, stored, path)
    wanted = {query.id for query in drawn(list(queries.values()), options.max_queries, seed)}
    tried = [row for id_, own in distinct(stored).items() if id_ in wanted for row in _ends(own, options)]
    found = rescore(environment, split, queries, tried)
    measured: dict[str, list[tuple[float, str]]] = {}
    for row, total, code in zip(found.stored, found.total.tolist(), found.codes, strict=True):
        if code not in UNREADABLE and not np.isnan(total):
            measured.setdefault(row.query_id, []).append((total, row.completion))
    pairs = [pair for id_, own in measured.items() for pair in _paired(id_, own, options)]
    if not pairs:
        raise LeserError(
            f"{path}: no two of the {len(tried)} completions of a query differ by {options.min_addition:g} in what they earn "
            "(warmup.min_addition). Name another run, or teach targets (warmup.loss=likelihood)."
        )
    return pairs


def write_pairs(path: Path, pairs: Sequence[Pair], reference: Sequence[tuple[float, float]]) -> None:
    """Keep pairs as one JSON line each, with the starting policy's log-probabilities of the chosen and of the rejected one."""
    rows = [asdict(pair) | {"reference": known} for pair, known in zip(pairs, reference, strict=True)]
    write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_pairs(path: Path) -> list[tuple[Pair, tuple[float, float]]]:
    """What `write_pairs` kept."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    return [
        (Pair(row["query_id"], row["chosen"], row["rejected"], row["difference"]), (row["reference"][0], row["reference"][1]))
        for row in rows
    ]  # fmt: skip


def _ends(rows: Sequence[Stored], options: WarmupOptions) -> list[Stored]:
    """The completions that earned most and least."""
    ranked = sorted(rows, key=lambda row: (-(row.reward or 0.0), row.completion))
    count = TRIED * options.targets_per_query
    return ranked if len(ranked) <= 2 * count else ranked[:count] + ranked[-count:]


def _paired(query_id: str, measured: Sequence[tuple[float, str]], options: WarmupOptions) -> list[Pair]:
    ranked = sorted(measured, key=lambda row: (-row[0], row[1]))
    count = min(options.targets_per_query, len(ranked) // 2)
    ends = zip(ranked[:count], ranked[::-1][:count], strict=True)
    return [
        Pair(query_id, best, worst, high - low) for (high, best), (low, worst) in ends if high - low >= options.min_addition
    ]  # fmt: skip
