"""Replay beside GRPO at equal completions: best-of-n targets and DPO's pairs out of what one warm-up sampled once.

    python -m benchmarks.replay --seeds 1 --out runs/recipe

It begins at the warm-ups of benchmarks.recipe, under the same --out. 1,600 train queries get 8 completions each: a quarter's
12,800. The arms learn from these alone, for four passes over them, at GRPO's rate, which falls linearly. Named before: the value
of benchmarks.recipe after the last pass, beside "64 x 8, two updates" there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks.recipe import WHOLE, held_out, place, started, warmed_up
from leser.cli.console import replace_what_cannot_be_shown
from leser.files import write_atomically
from leser.grpo.options import GrpoOptions
from leser.grpo.queries import batch_of
from leser.grpo.update import learning_rate, make_optimizer
from leser.options import seed_argument
from leser.policy.memory import TOKENS_PER_PASS
from leser.sampler import Sampler
from leser.session import Session
from leser.training.preference import encoded_pairs, preference_step, with_reference
from leser.training.rollout import roll_out, rows_of
from leser.training.supervised import supervised_step
from leser.training.warmup import batches, examples
from leser.warmup.options import WarmupOptions
from leser.warmup.pairs import preference_pairs
from leser.warmup.replayed import replayed_targets

GROUP, BATCH, PASSES, RATE = 8, 64, 4, 6e-4
COMPLETIONS = WHOLE // 4
ARMS: Mapping[str, dict[str, Any]] = {
    "best-of-8": {"loss": "likelihood"},
    "dpo": {"loss": "dpo"},
    "dpo-likelihood": {"loss": "dpo", "dpo_likelihood": 0.3},
}
"""Options of [warmup]."""


def main() -> None:
    """Run the arms of each seed that have not been run, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=seed_argument, nargs="+", default=[1])
    parser.add_argument("--updates", type=int, default=420, help="updates of the warm-up")
    parser.add_argument("--out", type=Path, default=Path("runs/recipe"))
    given = parser.parse_args()
    for seed in given.seeds:
        with warmed_up(seed, given.updates, given.out) as (session, folder):
            stored = folder.parent.parent / "sampled.parquet"
            if not stored.exists():
                pq.write_table(pa.Table.from_pylist(sampled(started(session, folder), session, seed)), stored)
            for arm in ARMS:
                path = place(given.out, seed, given.updates, WHOLE, arm)
                if not path.exists():
                    rows = looks(started(session, folder), session, seed, arm, stored)
                    write_atomically(path, json.dumps(rows, indent=1) + "\n")
                    print(json.dumps({"seed": seed, "arm": arm, **rows[-1]}), flush=True)


def sampled(sampler: Sampler, session: Session, seed: int) -> list[dict[str, Any]]:
    """Rows of a quarter's completions, as rollouts hold them, all of the policy as the warm-up left it."""
    options, train, rows = GrpoOptions(group_size=GROUP), session.task.train, list[dict[str, Any]]()
    for step in range(COMPLETIONS // GROUP // BATCH):
        found = roll_out(sampler, train, batch_of(train.queries, BATCH, seed, step), options, seed, step)
        rows += rows_of(step, found, found.scores.total)
    return rows


def looks(sampler: Sampler, session: Session, seed: int, arm: str, stored: Path) -> list[dict[str, Any]]:
    """The arm's value at its start and after each pass."""
    options = WarmupOptions.model_validate({"from_rollouts": stored, "targets_per_query": 2, **ARMS[arm]})
    rates = GrpoOptions.model_validate({"schedule": "linear", "learning_rate": RATE})
    optimizer = make_optimizer(sampler.policy, rates)
    lessons, update = lesson(sampler, session, options, seed, optimizer)
    steps = len(lessons) // BATCH
    found: list[dict[str, Any]] = [{"completions": 0, **held_out(sampler, session)}]
    for step, batch in batches(lessons, BATCH, seed, 0):
        loss = update(batch, learning_rate(step, rates, total=PASSES * steps))
        if (step + 1) % steps == 0:
            found.append(
                {
                    "completions": COMPLETIONS,
                    "updates": step + 1,
                    "lessons": len(lessons),
                    "loss": loss,
                    **held_out(sampler, session),
                }
            )
        if step + 1 == PASSES * steps:
            return found
    raise AssertionError("batches never end")


Update = Callable[[Sequence[Any], float], float | None]


def lesson(
    sampler: Sampler, session: Session, options: WarmupOptions, seed: int, optimizer: torch.optim.Optimizer
) -> tuple[list[Any], Update]:
    """What is taught, one entry per query or pair, and an update from a batch of it."""
    policy, train = sampler.policy, session.task.train
    if options.loss == "dpo":
        pairs = preference_pairs(session.environment, train, options, seed)
        rows = with_reference(policy, encoded_pairs(sampler, train, pairs))
        return rows, lambda part, rate: preference_step(policy, optimizer, part, rate, TOKENS_PER_PASS, options)
    taught = examples(sampler, replayed_targets(session.environment, train, options, seed))
    return taught, lambda part, rate: supervised_step(policy, optimizer, part, rate)


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
