"""Reading back what a run sampled: the completions of rollouts/*.parquet that earned least or most."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leser.errors import LeserError, unknown_name
from leser.expansion import Code
from leser.store.folder import RunFolder


@dataclass(frozen=True, slots=True)
class FoundRollouts:
    """Rows in the order asked for; how many completions matched, and how many of them had each code."""

    rows: list[dict[str, Any]]
    matching: int
    codes: dict[str, int]


def find_rollouts(
    folder: RunFolder, count: int, *, best: bool = False, code: str | None = None, query: str | None = None
) -> FoundRollouts:
    """The `count` completions of the least reward (or the greatest), of one `code`, whose query holds the text `query`.

    A completion that was sampled several times for a query stands once; those without a reward (a failed search) come last.
    Raises LeserError where the run has no rollouts, and for an unknown code.
    """
    if code is not None and code not in set(Code):
        raise unknown_name("code", code, [str(known) for known in Code])
    files = sorted(folder.rollouts.glob("*.parquet"))
    if not files:
        raise LeserError(
            f"The run in {folder.path} has no rollouts yet: {folder.rollouts} holds no .parquet file. "
            "They are written with GRPO's checkpoints."
        )
    rows: list[dict[str, Any]] = []
    codes: Counter[str] = Counter()
    for path in files:
        part, counted = _matching(path, code, query)
        codes.update(counted)
        rows = heapq.nsmallest(count, _distinct((*part, *rows)), key=lambda row: _rank(row, best))
    return FoundRollouts(rows, sum(codes.values()), dict(codes.most_common()))


def _matching(path: Path, code: str | None, query: str | None) -> tuple[list[dict[str, Any]], dict[str, int]]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise LeserError(f"{path} cannot be read: {error}. Move it away to read the others.") from error
    if code is not None:
        table = table.filter(pc.equal(table["code"], code))
    if query is not None:
        table = table.filter(pc.match_substring(table["query"], query, ignore_case=True))
    return table.to_pylist(), Counter(table["code"].to_pylist())


def _distinct(rows: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Each completion of a query once, its latest: what is sampled again and again would fill the list."""
    return {(row["query_id"], row["completion"]): row for row in sorted(rows, key=lambda row: row["step"])}.values()


def _rank(row: dict[str, Any], best: bool) -> tuple[Any, ...]:
    reward = row.get("reward")
    sign = -1 if best else 1
    return reward is None, sign * (reward or 0.0), -row["step"], row["query_id"]
