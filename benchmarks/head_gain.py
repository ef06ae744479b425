"""What precomputed expansions bring on judgments that took no part in the choice.

    python -m benchmarks.head_gain TASK [--limit N]

The judgments of each query are cut in two halves. Stores are made on the memory engine by verified search, each with and
without the guards of `leser precompute`: judged by the first half of the labels (`--labels`; the guards cut that half once
more), by labels and encoder together, half each, and by the encoder alone. All are measured on the second half, as is the
original query; documents of the other half are left out of every ranking. Intervals: 95 % bootstrap by query.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from leser.cli.console import replace_what_cannot_be_shown
from leser.config.build import task_of
from leser.environment import Attempt, Environment
from leser.evaluation.measures import Measurer
from leser.evaluation.statistics import paired
from leser.evaluation.systems import SystemRun
from leser.expansion import Expansion
from leser.inspect.precomputing import Source, open_job
from leser.offline.guards import Guards
from leser.offline.options import PrecomputeOptions
from leser.task import Query, Split
from leser.verified.halves import halve

MEASURES = ("nDCG@10", "nDCG(holes=skip)@10", "R@100")
Chosen = list[tuple[Expansion, ...]]


def run_of(environment: Environment, name: str, queries: Sequence[Query], chosen: Chosen) -> SystemRun:
    """Rankings 100 deep."""
    attempts = [Attempt(q, n, environment.say(e)) for n, (q, e) in enumerate(zip(queries, chosen, strict=True))]
    outcomes = environment.judge(attempts, Split("none", tuple(queries), {}), 100)
    return SystemRun(name, {o.query.id: o.expanded or o.original for o in outcomes})


def choose(
    source: Source, name: str, queries: Sequence[Query], labels: Split, guarded: bool
) -> tuple[Chosen, SystemRun, SystemRun]:
    """The expansions of each query, by search alone or as a store would serve them; the original's run and theirs."""
    with open_job(source, "search", "none") as job:
        environment = job.guards.environment
        proposed = job.proposers[0].propose(queries, labels)
        chosen = [p.expansions for p in proposed]
        if guarded:
            guards = Guards(environment, PrecomputeOptions(), labels)
            proposed = job.proposers[0].propose(queries, guards.chosen_on)
            answers = guards.weigh(queries, [[p] for p in proposed])
            chosen = [a.expansions if a.state == "live" else () for a in answers]
        plain = run_of(environment, "original", queries, [()] * len(queries))
        return chosen, plain, run_of(environment, name, queries, chosen)


def main() -> None:
    """Print the table, and the expansions of twenty queries."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("task", type=Path)
    given.add_argument("--encoder", default="encoder@10")
    given.add_argument("--labels", default="nDCG@10")
    options = given.parse_args()
    flags = {"task.name": str(options.task), "backend.name": "memory"}

    def judged_by(*weights: str) -> Source:
        return Source(flags={**flags, "rewards.weights": weights}, assignments=("rewards.term_cost=0",))

    by_labels, by_encoder = judged_by(options.labels), judged_by(options.encoder)
    by_both = judged_by(f"{options.labels}=0.5", f"{options.encoder}=0.5")
    task = task_of(*by_labels.read())
    queries = tuple(q for split in task.splits for q in split.queries)
    qrels = {q: grades for split in task.splits for q, grades in split.qrels.items()}
    first, second = halve(Split("all", queries, qrels), 1)
    shown = tuple(q for q in queries if any(g > 0 for g in second.qrels.get(q.id, {}).values()))
    part = second.part(shown)
    measurer = Measurer(part, MEASURES)
    rows = [
        (name + guard, source, labels, bool(guard))
        for name, source, labels in (
            ("labels", by_labels, first),
            ("labels and encoder", by_both, first),
            ("encoder alone", by_encoder, Split("none", queries, {})),
        )
        for guard in ("", ", guarded")
    ]
    before = None
    for name, source, labels, guarded in rows:
        start = time.monotonic()
        chosen, plain, run = choose(source, name, shown, labels, guarded)
        seconds = time.monotonic() - start
        if before is None:
            before = measurer(plain)
            print("original", {m: round(float(np.mean(list(v.values()))), 3) for m, v in before.items()}, len(shown))
        values = measurer(run)
        gains = np.array([[values[m][q.id] - before[m][q.id] for m in MEASURES] for q in shown])
        print(name, f"{sum(map(bool, chosen))} expanded, {seconds:.0f} s")
        for measure, result in zip(MEASURES, paired(gains), strict=True):
            low, high = result.ci95
            print(f"  {measure}: {result.delta:+.3f} [{low:+.3f}, {high:+.3f}], {result.wins} up {result.losses} down")
        told = [(q.text, [e.text for e in c]) for q, c in zip(shown, chosen, strict=True) if c][:20]
        print("\n".join(f"    {text} -> {', '.join(words)}" for text, words in told))


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
