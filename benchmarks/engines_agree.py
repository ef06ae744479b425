"""Whether several engines teach alike: the completions of a run's first GRPO step, judged by each of them.

    python -m benchmarks.engines_agree runs/demo \\
        --engine 'pyserini index=runs/standard analysis=standard' \\
        --engine 'elasticsearch url=http://localhost:9200 index=standard' [--json]

Each engine must hold the run's documents, made with the same analysis, k1 and b. The first engine is the one that the others
are compared with: rewards of the same completions (their means, the share that is equal to 1e-6, the greatest difference),
and the original run on test (nDCG@10, Kendall's tau-b over the documents that both have among their first 100, the share of
the first 10 that both have).
"""

from __future__ import annotations

import argparse
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from scipy.stats import kendalltau

from benchmarks.evidence import commit, machine
from leser.cli.console import replace_what_cannot_be_shown
from leser.config.build import task_of
from leser.environment import Attempt
from leser.evaluation.measures import Measurer
from leser.evaluation.systems import SystemRun
from leser.expansion import Expansion
from leser.inspect.opening import configured, open_folder
from leser.session import open_session

DEPTH = 100


@dataclass(frozen=True)
class Taught:
    """What one engine says: rewards of the completions, and each test query's ranking as typed."""

    rewards: np.ndarray[Any, Any]
    rankings: dict[str, tuple[str, ...]]
    ndcg: float


def first_step(run: Path) -> list[tuple[str, tuple[Expansion, ...]]]:
    """Query id and expansions of each completion of the first step that could be read."""
    files = sorted((run / "rollouts").glob("*.parquet"))
    if not files:
        raise SystemExit(f"{run} has no rollouts")
    rows = pq.read_table(files[0]).to_pylist()
    return [
        (row["query_id"], tuple(Expansion(t, w) for t, w in zip(row["expansions"], row["weights"], strict=True)))
        for row in rows
        if row["step"] == rows[0]["step"] and row["code"] in ("ok", "none", "nothing_found")
    ]


def ask(run: Path, engine: str) -> Taught:
    """Judge the run's first completions, and search the test queries, on one engine given as `NAME KEY=VALUE ...`."""
    name, *assignments = shlex.split(engine)
    config, registry = configured(open_folder(run), {"backend.name": name}, assignments)
    task = task_of(config, registry)
    session = open_session(config, registry, task=task)
    queries = {query.id: query for query in task.train.queries}
    attempts = [
        Attempt(queries[id], group, session.environment.say(expansions))
        for group, (id, expansions) in enumerate(first_step(run))
    ]
    outcomes = session.environment.judge(attempts, task.train)
    rewards = session.environment.score(outcomes).total
    originals = session.environment.originals(task.test.queries)
    session.client.close()
    values = Measurer(task.test, ("nDCG@10",))(SystemRun("original", originals))["nDCG@10"]
    return Taught(rewards, {id: ranking.ids[:DEPTH] for id, ranking in originals.items()}, fmean(values.values()))


def compare(one: Taught, other: Taught) -> dict[str, float]:
    """How far another engine's rewards and rankings are from the first one's."""
    gaps = np.abs(one.rewards - other.rewards)
    taus, shares = [], []
    for id, ranking in one.rankings.items():
        place = {doc: n for n, doc in enumerate(other.rankings[id])}
        both = [(n, place[doc]) for n, doc in enumerate(ranking) if doc in place]
        if len(both) > 1:
            taus.append(kendalltau(*zip(*both, strict=True)).statistic)
        first = set(ranking[:10]) | set(other.rankings[id][:10])
        shares.append(len(set(ranking[:10]) & set(other.rankings[id][:10])) / len(first) if first else 1.0)
    return {
        "equal_rewards": float(np.mean(gaps < 1e-6)),
        "greatest_difference": float(gaps.max()),
        "correlation_of_rewards": float(np.corrcoef(one.rewards, other.rewards)[0, 1]),
        "tau_of_originals": fmean(taus),
        "overlap_of_first_10": fmean(shares),
    }


def main() -> None:
    """Print a row for each engine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path)
    parser.add_argument("--engine", action="append", required=True, metavar="'NAME KEY=VALUE ...'")
    parser.add_argument("--json", action="store_true", help="print JSON, with the commit and the machine")
    given = parser.parse_args()
    taught = {engine: ask(given.run, engine) for engine in given.engine}
    first = taught[given.engine[0]]
    rows = [
        {
            "engine": engine.split()[0],
            "completions": len(other.rewards),
            "mean_reward": float(np.mean(other.rewards)),
            "original_nDCG@10": other.ndcg,
            **compare(first, other),
        }
        for engine, other in taught.items()
    ]
    if given.json:
        print(json.dumps({"commit": commit(), "machine": machine(), "rows": rows}, indent=1))
        return
    for row in rows:
        print("  ".join(f"{key} {value:.4f}" if isinstance(value, float) else f"{value}" for key, value in row.items()))


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
