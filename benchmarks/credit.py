"""Credit and the shape of a batch, paired: the same warm-up, the same number of completions, what dev and test earn.

    python -m benchmarks.credit --seeds 11 12 13 --steps 40 --out runs/credit

For each seed one warm-up is trained on a demo shop of that seed (memory engine, a small `tiny`); every arm starts from it. A
step samples 512 completions in every arm. The value is the mean reward of greedy answers to the queries of dev and test.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from leser.cli.console import replace_what_cannot_be_shown
from leser.config.build import complete
from leser.config.load import config_of
from leser.grpo.options import GrpoOptions
from leser.grpo.queries import batch_of
from leser.grpo.update import make_optimizer
from leser.options import seed_argument
from leser.plugins import load_plugins
from leser.policy.adapters import load_trained
from leser.policy.loading import load_policy
from leser.run.runner import run
from leser.sampler import Sampler
from leser.session import Session, open_session
from leser.training.grpo import Schedule, grpo_step

TINY = {"d_model": 128, "layers": 3, "heads": 4, "kv_heads": 2, "ffn": 320, "vocabulary": 2000, "pretrain_steps": 10}
BASE: dict[str, Any] = {
    "backend": {"name": "memory"},
    "expansion": {"weight": 2.0},
    "policy": {"name": "tiny", "device": "cpu", "tiny": TINY},
    "warmup": {
        "max_queries": 2000, "targets_per_query": 1, "batch_size": 32, "learning_rate": 3e-3,
        "steps_between_evaluations": 80, "max_evaluations": 5, "samples": 0,
    },
    "training": {"steps": 0},
    "rewards": {"weights": ["nDCG@10=1.0"]},
    "evaluation": {"baselines": ["original"], "best_of": 0, "prompted": False, "warmup_plus": False, "resamples": 200},
}  # fmt: skip
RATE = {"learning_rate": 5e-4}
ARMS: Mapping[str, tuple[int, dict[str, Any]]] = {
    "32 x 16, leave-one-out .5": (32, {"group_size": 16, "credit": "leave-one-out", "credit_share": 0.5}),
    "64 x 8, two updates": (64, {"group_size": 8, "epochs_per_batch": 2}),
    "64 x 8, two updates, prefix": (64, {"group_size": 8, "epochs_per_batch": 2, "credit": "prefix"}),
}
"""Queries in a step, and the options of [grpo]."""


def main() -> None:
    """Run the arms one after the other; prints a line of JSON for each look at dev and test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=seed_argument, nargs="+", default=[11, 12, 13])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--looks", type=int, default=2, help="evaluations after the start")
    parser.add_argument("--out", type=Path, default=Path("runs/credit"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with (given.out / "looks.jsonl").open("a", encoding="utf-8") as log:
        for seed in given.seeds:
            session, folder = warmed_up(seed, given.out)
            with session:
                for arm in ARMS:
                    for row in looks(session, folder, seed, arm, given.steps, given.looks):
                        print(json.dumps(row), flush=True)
                        log.write(json.dumps(row) + "\n")


def warmed_up(seed: int, out: Path) -> tuple[Session, Path]:
    """A session on the shop of this seed, and the folder of its warm-up."""
    registry = load_plugins()
    values = {**BASE, "seed": seed, "task": {"name": "demo", "seed": seed}, "out": str(out / f"seed-{seed}")}
    config = complete(config_of(values), registry)
    if not (out / f"seed-{seed}" / "evaluation.json").exists():
        run(config, registry)
    return open_session(config, registry), out / f"seed-{seed}" / "policies"


def looks(session: Session, folder: Path, seed: int, arm: str, steps: int, count: int) -> list[dict[str, Any]]:
    """The arm's values at the start and at `count` evenly spaced steps."""
    size, given = ARMS[arm]
    options = GrpoOptions.model_validate({**RATE, **given})
    policy = load_policy(session.config.policy.model_copy(update={"name": str(folder / "base")}))
    load_trained(policy, folder / "warmup")
    sampler = Sampler(policy, session.environment, session.config.prompt, session.config.training.max_new_tokens)
    optimizer, schedule = make_optimizer(policy, options), Schedule(5e-4, steps, seed)
    train, started, searches = session.task.train, time.monotonic(), session.client.stats().searches
    rows = [{"seed": seed, "arm": arm, "step": 0, **held_out(sampler, session)}]
    seconds = 0.0
    for step in range(steps):
        begun = time.monotonic()
        done = grpo_step(sampler, optimizer, train, batch_of(train.queries, size, seed, step), options, schedule, step)
        seconds += time.monotonic() - begun
        if (step + 1) % max(1, steps // count) == 0:
            rows.append({
                "seed": seed, "arm": arm, "step": step + 1, **held_out(sampler, session), "training_s": round(seconds, 1),
                "searches": session.client.stats().searches - searches, "entropy_all": round(done.metrics["entropy_all"], 4),
                "zero_variance_groups": round(done.metrics["zero_variance_groups"], 3),
                "threads": torch.get_num_threads(), "wall_s": round(time.monotonic() - started, 1),
            })  # fmt: skip
    return rows


def held_out(sampler: Sampler, session: Session) -> dict[str, float]:
    """Mean reward and terms of greedy answers to dev and test together."""
    answers = [sampler.answer(split) for split in (session.task.dev, session.task.test)]
    counts = [len(a.served) for a in answers]
    value = sum(a.value * n for a, n in zip(answers, counts, strict=True)) / sum(counts)
    terms = sum(len(o.expansions) for a in answers for o in a.outcomes) / sum(counts)
    return {"value": round(value, 4), "terms": round(terms, 3)}


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
