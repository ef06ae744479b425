"""What a gated completion counts as in advantages: arms of GRPO after one warm-up of a configuration, measured on dev.

    python -m benchmarks.gated --config docs/experiments/movies-copying.toml --task ../shared/data/movies \\
        --seeds 1 2 3 -o expansion.max_expansions=5 -o prompt.terms=5 --out runs/gated

For each seed one warm-up, which all arms start from; they sample the same queries. Named before: the value is the mean reward
of greedy answers to dev's queries at the arm's end, over the warm-up's. Nothing is chosen on the test split, and no figure of
it is printed. A seed's arm that has ended is not run again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recipe import measured, started
from leser.cli.console import replace_what_cannot_be_shown
from leser.config.build import complete
from leser.config.load import load_config
from leser.evaluation.options import EvaluationOptions
from leser.files import write_atomically
from leser.grpo.options import GrpoOptions
from leser.grpo.queries import batch_of
from leser.grpo.update import make_optimizer
from leser.options import seed_argument
from leser.plugins import load_plugins
from leser.run.runner import run
from leser.session import Session, open_session
from leser.store.weights import kept_weights
from leser.training.grpo import Schedule, grpo_step
from leser.training.weight import GRPO

QUERIES, GROUP = 64, 8
LOOKS = 3
"""Looks at dev after the start."""
ARMS: Mapping[str, Mapping[str, Any]] = {
    "reward": {},
    "below": {"gated_below": 0.02},
    "temperature": {"temperature": 0.6},
    "temperature, below": {"temperature": 0.6, "gated_below": 0.02},
}
"""Options of [grpo] beside the configuration's."""
SHOWN = ("reward", "rule_violations", "parse_errors", "zero_variance_groups", "grad_norm", "entropy_all")
TABLE = EvaluationOptions(
    baselines=("original",), resamples=200, best_of=0, prompted=False, warmup_plus=False, passages=False
)
"""A run ends with a table, which nobody reads here."""


def main() -> None:
    """Run the arms that have not been run, and print the last look of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--task", required=True)
    parser.add_argument("--seeds", type=seed_argument, nargs="+", default=[1])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--steps", type=int, default=48, help="GRPO steps of 64 queries x 8 completions")
    parser.add_argument("-o", dest="assignments", action="append", default=[], help="options of the configuration")
    parser.add_argument("--out", type=Path, default=Path("runs/gated"))
    given = parser.parse_args()
    for seed in given.seeds:
        places = {
            arm: given.out / f"seed-{seed}" / f"{arm.replace(', ', '-')}-{given.steps}.json" for arm in given.arms
        }
        missing = [arm for arm, place in places.items() if not place.exists()]
        if missing:
            with warmed_up(given, seed) as (session, folder):
                for arm in missing:
                    rows = looks(session, folder, seed, ARMS[arm], given.steps)
                    write_atomically(places[arm], json.dumps(rows, indent=1) + "\n")
        for arm, place in places.items():
            first, *_, last = json.loads(place.read_text(encoding="utf-8"))
            print(
                json.dumps({"seed": seed, "arm": arm, "gain": round(last["value"] - first["value"], 4), **last}),
                flush=True,
            )


@contextmanager
def warmed_up(given: argparse.Namespace, seed: int) -> Iterator[tuple[Session, Path]]:
    """A session with the weight that the warm-up's answers were tuned to, and the folder of its policies."""
    registry, folder = load_plugins(), given.out / f"seed-{seed}" / "run"
    flags = {"task.name": given.task, "seed": seed, "out": str(folder)}
    loaded = load_config(given.config, flags, [*given.assignments, "training.steps=0"])
    config = complete(loaded.model_copy(update={"evaluation": TABLE}), registry)
    if not (folder / "evaluation.json").exists():
        run(config.model_copy(update={"resume": folder.exists()}), registry)
    with open_session(config, registry) as session:
        if (weight := kept_weights(folder).get(GRPO)) is not None:
            session.environment.weigh(weight)
        yield session, folder / "policies"


def looks(session: Session, folder: Path, seed: int, arm: Mapping[str, Any], steps: int) -> list[dict[str, Any]]:
    """What dev's answers are worth at the arm's start and after each third of its steps, and what was sampled meanwhile."""
    own = session.config.grpo.model_dump(exclude_unset=True)
    options = GrpoOptions.model_validate({**own, "group_size": GROUP, **arm})
    sampler, train = started(session, folder), session.task.train
    optimizer, schedule = make_optimizer(sampler.policy, options), Schedule(options.learning_rate or 3e-4, steps, seed)
    rows: list[dict[str, Any]] = [{"steps": 0, **measured(sampler, [session.task.dev])}]
    sampled: list[dict[str, float]] = []
    seconds = 0.0
    for step in range(steps):
        begun = time.monotonic()
        queries = batch_of(train.queries, QUERIES, seed, step)
        sampled.append(grpo_step(sampler, optimizer, train, queries, options, schedule, step).metrics)
        seconds += time.monotonic() - begun
        if (step + 1) * LOOKS >= len(rows) * steps:
            means = {name: round(float(np.mean([row[name] for row in sampled])), 4) for name in SHOWN}
            look = measured(sampler, [session.task.dev])
            rows.append({"steps": step + 1, **look, "sampled": means, "training_s": round(seconds, 1)})
            sampled = []
    return rows


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
