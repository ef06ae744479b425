"""Stored completions judged again: searched with once more, by another engine, rule or reward perhaps, and never sampled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leser.environment import SEARCHES_AT_ONCE, Attempt, Environment
from leser.replay.stored import Stored, distinct
from leser.task import Query, Split

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rescored:
    """n stored completions and what they earn under r other rewards.

    `values` (n, r) and `total` (n,) are NaN where a reward does not apply or the search failed; `codes` are what each
    completion came to now; `original` is what the query earns as it stands, by query id.
    """

    stored: Sequence[Stored]
    names: tuple[str, ...]
    values: Array
    total: Array
    codes: tuple[str, ...]
    original: Mapping[str, float]

    @property
    def gain(self) -> Array:
        """By how much each completion's total lies above that of its query as it stands (n,)."""
        base: Array = np.array([self.original[row.query_id] for row in self.stored], dtype=np.float64)
        above: Array = self.total - base
        return above


def rescore(environment: Environment, split: Split, queries: Mapping[str, Query], stored: Sequence[Stored]) -> Rescored:
    """Judge each different completion of each query once, and each query as it stands; `queries` are those of `stored`.

    All of a query's completions are judged together. Raises EngineDown once the engine stops answering.
    """
    found: dict[tuple[str, str, bool], tuple[Array, float, str]] = {}
    original: dict[str, float] = {}
    names = environment.rewards.names
    for part in _parts(distinct(stored)):
        attempts = [
            Attempt(queries[query], group, *said)
            for group, (query, rows) in enumerate(part)
            for said in [(environment.say(), True), *((row.completion, row.finished) for row in rows)]
        ]
        outcomes = environment.judge(attempts, split)
        scores = environment.score(outcomes)
        judged = iter(zip(scores.values, scores.total, (str(outcome.code) for outcome in outcomes), strict=True))
        for query, rows in part:
            original[query] = float(next(judged)[1])
            for row in rows:
                values, total, code = next(judged)
                found[query, row.completion, row.finished] = (values, float(total), code)
    own = [found[row.query_id, row.completion, row.finished] for row in stored]
    return Rescored(
        stored,
        names,
        np.array([values for values, _, _ in own]).reshape(len(own), len(names)),
        np.array([total for _, total, _ in own]),
        tuple(code for _, _, code in own),
        original,
    )


def write_rescored(path: Path, found: Rescored) -> None:
    """Write the completions as rollouts hold them, with `reward` as it is now, `reward_trained` as it was, and `original`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {
            "step": row.step,
            "query_id": row.query_id,
            "query": row.query,
            "completion": row.completion,
            **{f"reward_{name}": _known(value) for name, value in zip(found.names, values, strict=True)},
            "reward": _known(total),
            "reward_trained": row.reward,
            "original": _known(found.original[row.query_id]),
            "code": code,
        }
        for row, values, total, code in zip(found.stored, found.values, found.total, found.codes, strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    pq.write_table(pa.Table.from_pylist(rows), partial, compression="zstd")
    partial.replace(path)


def _parts(found: Mapping[str, list[Stored]]) -> Iterator[list[tuple[str, list[Stored]]]]:
    """Queries with their completions, so many together that their outcomes fit into memory."""
    part: list[tuple[str, list[Stored]]] = []
    for query, rows in found.items():
        if part and sum(len(own) + 1 for _, own in part) + len(rows) >= SEARCHES_AT_ONCE:
            yield part
            part = []
        part.append((query, rows))
    if part:
        yield part


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
