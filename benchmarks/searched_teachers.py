"""What verified search itself gains when an arm of benchmarks.without_labels judges it: no policy, the test queries' labels kept
from it. A part of that benchmark (`--search`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.evidence import write
from leser.config.tables import RunConfig
from leser.evaluation.measures import Measurer
from leser.evaluation.statistics import paired
from leser.evaluation.systems import SystemRun
from leser.lesson import prepare
from leser.plugins import Registry
from leser.run.search_row import search_run
from leser.session import open_session

DEPTH = 100
"""Hits of each ranking."""
_SAME = 1e-9


def searched(config: RunConfig, registry: Registry, measure: str, limit: int | None = None) -> dict[str, list[Any]]:
    """For each test query (the first `limit`) its value as typed, its value with what the search found, and whether that is
    nothing. Raises LeserError where the arm's rewards say nothing of a query without its judgments."""
    with open_session(config, registry) as session:
        test = session.task.test
        queries = test.queries[:limit]
        prepare(session.environment.rewards.rewards, session.reporter)
        found = search_run(session, test, queries, DEPTH)
        measurer = Measurer(test.part(queries), [measure])
        before = measurer(SystemRun("original", session.environment.originals(queries)))[measure]
        after = measurer(found)[measure]
    return {q.id: [before.get(q.id, 0.0), after.get(q.id, 0.0), not found.expansions[q.id]] for q in queries}


def file_of(out: Path, seed: int, arm: str) -> Path:
    """Where what was found for one arm is kept."""
    return out / f"search-{seed}-{arm}.json"


def keep(out: Path, seed: int, arm: str, found: Mapping[str, Sequence[Any]]) -> None:
    """Keep it for the table."""
    write(file_of(out, seed, arm), dict(found))


def search_rows(out: Path, seeds: Sequence[int], arms: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The table's rows: each arm whose search is there, over all its seeds."""
    rows = {}
    for arm in arms:
        files = [path for seed in seeds if (path := file_of(out, seed, arm)).exists()]
        if values := [row for path in files for row in json.loads(path.read_text(encoding="utf-8")).values()]:
            rows[arm] = search_row(values)
    return rows


def search_row(values: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Means as typed and with the search, the paired gain with its interval, and the shares of queries left alone and hurt."""
    before, after, alone = (np.array(column, dtype=np.float64) for column in zip(*values, strict=True))
    gain = paired((after - before)[:, None])[0]
    return {
        "original": round(float(before.mean()), 4),
        "search": round(float(after.mean()), 4),
        "gain": [round(gain.delta, 4), [round(end, 4) for end in gain.ci95]],
        "left_alone": round(float(alone.mean()), 3),
        "hurt": round(float((after < before - _SAME).mean()), 3),
    }
