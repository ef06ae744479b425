"""Targets out of stored rollouts: the best of what a policy sampled in an earlier run, proven once more.

What a policy has sampled, one like it can say. The completions that earned most then are searched with again under this
run's engine and rewards, and those that lie above the original by `min_gain` become targets: best of n, without sampling. A
query of which no completion does has no target, for that nothing was sampled which helps proves nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from leser.environment import Environment
from leser.errors import LeserError
from leser.expansion import Code
from leser.replay.rescore import Rescored, rescore
from leser.replay.stored import Stored, distinct, queries_of, read_stored
from leser.task import Query, Split, drawn
from leser.warmup.options import WarmupOptions
from leser.warmup.searched import Row, targets_of
from leser.warmup.targets import Target

TRIED = 4
"""Completions searched with for each target wanted: the earlier run may have been judged otherwise."""


def replayed_targets(environment: Environment, split: Split, options: WarmupOptions, seed: int) -> list[Target]:
    """Targets for (up to `max_queries` of) the queries whose completions `options.from_rollouts` holds.

    Raises LeserError where the file does not fit the task, and where no completion beats its original.
    """
    assert options.from_rollouts is not None
    path = options.from_rollouts
    queries, stored = stored_for(split, path)
    wanted = {query.id for query in drawn(list(queries.values()), options.max_queries, seed)}
    tried = [row for id_, own in distinct(stored).items() if id_ in wanted for row in _best(own, options)]
    found = rescore(environment, split, {row.query_id: queries[row.query_id] for row in tried}, tried)
    rows = _above(found, options)
    if not rows:
        raise LeserError(
            f"{path}: none of the {len(tried)} best completions of {len(wanted)} queries earns {options.min_gain:g} more than "
            "its query as it stands (warmup.min_gain). Name another run, or start from other targets (warmup.targets)."
        )
    return targets_of(rows, queries, options, environment.expansion, path)


def stored_for(split: Split, path: Path) -> tuple[dict[str, Query], list[Stored]]:
    """The completions that a target could be made of, and their queries; raises LeserError where there are none."""
    stored = read_stored(path)
    queries = queries_of(split, stored, path)
    usable = [row for row in stored if row.code == Code.OK and row.reward is not None]
    if not usable:
        raise LeserError(f"{path}: none of the {len(stored)} stored completions was searched with. Name another run.")
    return {row.query_id: queries[row.query_id] for row in usable}, usable


def _best(rows: Sequence[Stored], options: WarmupOptions) -> list[Stored]:
    ranked = sorted(rows, key=lambda row: (-(row.reward or 0.0), row.completion))
    return ranked[: TRIED * options.targets_per_query]


def _above(found: Rescored, options: WarmupOptions) -> list[Row]:
    """The completions that gain enough, best first for each query, and none far below its query's best."""
    rows: dict[str, list[tuple[float, str]]] = {}
    for row, gain, code in zip(found.stored, found.gain, found.codes, strict=True):
        if code == Code.OK and gain >= options.min_gain:
            rows.setdefault(row.query_id, []).append((float(gain), row.completion))
    kept: list[Row] = []
    for query, own in rows.items():
        ranked = sorted(own, key=lambda pair: (-pair[0], pair[1]))
        kept += [(query, said, gain) for gain, said in ranked if gain >= options.min_share * ranked[0][0]]
    return kept
