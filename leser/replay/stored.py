"""Stored completions: what rollouts/*.parquet of a run, or a file of `leser rescore`, hold of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leser.errors import LeserError
from leser.expansion import Code
from leser.task import Query, Split

_COLUMNS = ("step", "query_id", "query", "completion", "reward", "code")


@dataclass(frozen=True, slots=True)
class Stored:
    """A sampled completion: in which step and for which query, what it earned then (None: its search failed), and its code."""

    step: int
    query_id: str
    query: str
    completion: str
    reward: float | None
    code: str

    @property
    def group(self) -> tuple[int, str]:
        """The completions that it was compared with: those of its query in its step."""
        return self.step, self.query_id

    @property
    def finished(self) -> bool:
        """Whether it may be read: a completion that was cut reads like a whole one, but for its code."""
        return self.code != Code.PARSE_ERROR


def read_stored(path: Path) -> list[Stored]:
    """The stored completions of a run folder, or of one .parquet file, in the order of training.

    Raises LeserError where there are none, and for a file that cannot be read or lacks a column.
    """
    files = sorted((path / "rollouts").glob("*.parquet")) if path.is_dir() else [path]
    if not path.exists() or not files:
        raise LeserError(
            f"{path} holds no rollouts: there is no .parquet file{' in its folder rollouts' if path.is_dir() else ''}. Name a "
            "run folder whose GRPO has begun, or a file that `leser rescore --out` wrote."
        )
    found = [row for file in files for row in _rows(file)]
    if not found:
        raise LeserError(f"{path} holds no rollouts: its files are empty. Name another run folder or file.")
    return sorted(found, key=lambda row: row.step)


def queries_of(split: Split, stored: Sequence[Stored], path: Path) -> dict[str, Query]:
    """The split's query for each stored one, by id; raises LeserError where the task lacks it or words it differently."""
    known = {query.id: query for query in split.queries}
    for row in stored:
        query = known.get(row.query_id)
        if query is None or query.text != row.query:
            here = "is not in this task" if query is None else f"is '{query.text[:80]}' in this task"
            raise LeserError(
                f"{path}: the {split.name} query {row.query_id} '{row.query[:80]}' {here}. Give the task that the rollouts "
                "were sampled for, with --task and -o task.KEY=VALUE."
            )
    return {id_: known[id_] for id_ in dict.fromkeys(row.query_id for row in stored)}


def distinct(stored: Iterable[Stored]) -> dict[str, list[Stored]]:
    """Each query's different completions, each as it was sampled last."""
    found: dict[str, dict[tuple[str, bool], Stored]] = {}
    for row in stored:
        found.setdefault(row.query_id, {})[row.completion, row.finished] = row
    return {query: list(own.values()) for query, own in found.items()}


def _rows(path: Path) -> list[Stored]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        held = pq.read_schema(path).names
        missing = [name for name in _COLUMNS if name not in held]
        if missing:
            raise LeserError(
                f"{path} is not a file of rollouts: it lacks the column {missing[0]}. Name a run folder, or a file that "
                "`leser rescore --out` wrote."
            )
        rows: list[dict[str, Any]] = pq.read_table(path, columns=list(_COLUMNS)).to_pylist()
    except (OSError, pa.ArrowInvalid) as error:
        raise LeserError(f"{path} cannot be read: {error}. Move it away to read the others.") from error
    return [Stored(**row) for row in rows]
