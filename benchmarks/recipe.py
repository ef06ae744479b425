"""How many completions a given value takes: recipes of a GRPO step, paired by warm-up, on the demo's settings.

    python -m benchmarks.recipe --seeds 1 --out runs/recipe
    python -m benchmarks.recipe --seeds 2 3 --arms "32 x 16, whole" "64 x 8, four updates" --out runs/recipe
    python -m benchmarks.recipe --seeds 1 2 3 --table --out runs/recipe

For each seed one warm-up on the demo shop of that seed (memory engine, the demo's policy and rates, `--updates` updates); every
arm starts from it. The rate falls linearly over each arm's own completions. Named before: the value is the mean reward of
greedy answers to the queries of dev and test together, which choose nothing; an arm with a quarter of the completions is
compared at its end with the first arm at its end. Refilled groups count as completions. A seed's arm that has ended is not
run again.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from leser.cli.console import replace_what_cannot_be_shown
from leser.config.build import complete
from leser.config.load import config_of
from leser.files import write_atomically
from leser.grpo.metrics import behaviour
from leser.grpo.options import GrpoOptions
from leser.grpo.queries import batch_of, curriculum_batch, note_spreads
from leser.grpo.update import make_optimizer
from leser.options import seed_argument
from leser.plugins import load_plugins
from leser.policy.adapters import load_trained, save_trained
from leser.policy.loading import load_policy
from leser.run.runner import run
from leser.sampler import Sampler
from leser.session import Session, open_session
from leser.task import Query, Split
from leser.training.grpo import Schedule, grpo_step, rewards_by_query

ROOT = Path(__file__).resolve().parents[1]
WHOLE = 51_200
"""Completions of the first arm; the others have a quarter of them."""
RATE = 6e-4
"""The demo's peak rate."""
LOOKS = 4
"""Looks at the value after the start."""
EVERY = 60
"""Updates of the warm-up between its evaluations, as in the demo."""


@dataclass(frozen=True, slots=True)
class Arm:
    """Queries in a step, completions of each, the share of all, and options of [grpo] beside rate and prefix credit."""

    queries: int
    group: int
    share: float = 0.25
    options: Mapping[str, Any] = field(default_factory=dict)

    def grpo(self) -> GrpoOptions:
        """The options of [grpo]."""
        demo = {"learning_rate": RATE, "schedule": "linear", "credit": "prefix"}
        return GrpoOptions.model_validate({**demo, "group_size": self.group, **self.options})

    def steps(self, whole: int) -> int:
        """Steps in which this arm's share of so many completions is spent, where no group is refilled."""
        return int(self.share * whole) // (self.queries * self.group)


TWO_HALVES: Mapping[str, Any] = {"epochs_per_batch": 2, "mini_batches": 2}
BELOW: Mapping[str, Any] = {"gated_below": 0.02}
ARMS: Mapping[str, Arm] = {
    "32 x 16, whole": Arm(32, 16, 1.0),
    "32 x 16, leave-one-out, whole": Arm(32, 16, 1.0, {"credit": "leave-one-out", "credit_share": 0.5}),
    "32 x 16": Arm(32, 16),
    "64 x 8": Arm(64, 8),
    "64 x 8, two updates": Arm(64, 8, options={"epochs_per_batch": 2}),
    "64 x 8, two updates, no credit": Arm(64, 8, options={"epochs_per_batch": 2, "credit": "none"}),
    "64 x 8, four updates": Arm(64, 8, options={"epochs_per_batch": 4}),
    "64 x 8, two updates of two halves": Arm(64, 8, options={"epochs_per_batch": 2, "mini_batches": 2}),
    "64 x 8, two of two halves, rise 2": Arm(
        64, 8, options={"epochs_per_batch": 2, "mini_batches": 2, "warmup_steps": 2}
    ),
    "64 x 8, two of four quarters, rise 2": Arm(
        64, 8, options={"epochs_per_batch": 2, "mini_batches": 4, "warmup_steps": 2}
    ),
    "64 x 8, four of two halves, rise 2": Arm(
        64, 8, options={"epochs_per_batch": 4, "mini_batches": 2, "warmup_steps": 2}
    ),
    "64 x 8, two of two halves, rise 2, rate 1e-3": Arm(
        64, 8, options={"epochs_per_batch": 2, "mini_batches": 2, "warmup_steps": 2, "learning_rate": 1e-3}
    ),
    "64 x 8, two of four quarters, rise 2, rate 1e-3": Arm(
        64, 8, options={"epochs_per_batch": 2, "mini_batches": 4, "warmup_steps": 2, "learning_rate": 1e-3}
    ),
    "128 x 4, two of four quarters, rise 2": Arm(
        128, 4, options={"epochs_per_batch": 2, "mini_batches": 4, "warmup_steps": 2}
    ),
    "64 x 8, two updates of two halves, half": Arm(64, 8, 0.5, {"epochs_per_batch": 2, "mini_batches": 2}),
    "32 x 16, gated below, whole": Arm(32, 16, 1.0, BELOW),
    "64 x 8, two updates of two halves, gated below": Arm(64, 8, options={**TWO_HALVES, **BELOW}),
    "64 x 8, two updates of two halves, gated below, half": Arm(64, 8, 0.5, {**TWO_HALVES, **BELOW}),
    "64 x 8, two updates of two halves, gated below by .1": Arm(64, 8, options={**TWO_HALVES, "gated_below": 0.1}),
    "64 x 8, two updates of two halves, temperature .7": Arm(64, 8, options={**TWO_HALVES, "temperature": 0.7}),
    "64 x 8, two updates, half": Arm(64, 8, 0.5, {"epochs_per_batch": 2}),
    "32 x 8, two updates": Arm(32, 8, options={"epochs_per_batch": 2}),
    "32 x 8, four updates": Arm(32, 8, options={"epochs_per_batch": 4}),
    "64 x 4, four updates": Arm(64, 4, options={"epochs_per_batch": 4}),
    "32 x 8, four updates, spread": Arm(32, 8, options={"epochs_per_batch": 4, "curriculum": "spread"}),
    "32 x 8, four updates, refill": Arm(32, 8, options={"epochs_per_batch": 4, "refill": 1}),
}


def main() -> None:
    """Run the arms that have not been run, or print the table of those that have."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=seed_argument, nargs="+", default=[1])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--updates", type=int, default=420, help="updates of the warm-up")
    parser.add_argument("--whole", type=int, default=WHOLE, help="completions of the first arm")
    parser.add_argument("--out", type=Path, default=Path("runs/recipe"))
    parser.add_argument("--keep", action="store_true", help="keep each arm's policy in the end beside its looks")
    parser.add_argument("--table", action="store_true", help="print the table as JSON and run nothing")
    given = parser.parse_args()
    if given.table:
        print(json.dumps(table(given.out, given.seeds, given.updates, given.whole), indent=1))
        return
    for seed in given.seeds:
        missing = [arm for arm in given.arms if not place(given.out, seed, given.updates, given.whole, arm).exists()]
        if not missing:
            continue
        with warmed_up(seed, given.updates, given.out) as (session, folder):
            for arm in missing:
                kept = place(given.out, seed, given.updates, given.whole, arm).with_suffix("") if given.keep else None
                rows = looks(session, folder, seed, ARMS[arm], given.whole, kept)
                write_atomically(
                    place(given.out, seed, given.updates, given.whole, arm), json.dumps(rows, indent=1) + "\n"
                )
                print(json.dumps({"seed": seed, "arm": arm, **rows[-1]}), flush=True)


def place(out: Path, seed: int, updates: int, whole: int, arm: str) -> Path:
    """Where the looks of one arm are kept; its folder is made."""
    folder = out / f"seed-{seed}-{updates}" / str(whole)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{arm.replace(', ', '-').replace(' ', '-')}.json"


@contextmanager
def warmed_up(seed: int, updates: int, out: Path) -> Iterator[tuple[Session, Path]]:
    """A session on the shop of this seed, and the folder of its warm-up's policies."""
    registry, folder = load_plugins(), out / f"seed-{seed}-{updates}" / "run"
    values = tomllib.loads((ROOT / "examples" / "catalogue" / "demo.toml").read_text(encoding="utf-8"))
    values |= {"seed": seed, "out": str(folder), "backend": {"name": "memory"}, "task": {"name": "demo", "seed": seed}}
    values["warmup"] = {
        **values["warmup"],
        "max_evaluations": math.ceil(updates / EVERY),
        "patience": 100,
        "samples": 0,
    }
    values["training"] = {"steps": 0}
    values["evaluation"] = {
        "baselines": ["original"],
        "best_of": 0,
        "prompted": False,
        "warmup_plus": False,
        "resamples": 200,
    }
    config = complete(config_of(values), registry)
    if not (folder / "evaluation.json").exists():
        run(config.model_copy(update={"resume": folder.exists()}), registry)
    with open_session(config, registry) as session:
        yield session, folder / "policies"


def looks(
    session: Session, folder: Path, seed: int, arm: Arm, whole: int, kept: Path | None = None
) -> list[dict[str, Any]]:
    """The arm's value at its start, and each time that so many completions more are spent; its policy in the end is `kept`."""
    options, most, sampler = arm.grpo(), int(arm.share * whole), started(session, folder)
    optimizer, schedule = (
        make_optimizer(sampler.policy, options),
        Schedule(options.learning_rate or RATE, arm.steps(whole), seed),
    )
    rows: list[dict[str, Any]] = [{"completions": 0, **held_out(sampler, session)}]
    spent, step, seconds, spreads = 0, 0, 0.0, dict[str, float]()
    while spent < most:
        begun = time.monotonic()
        queries = _queries(session, arm, seed, step, spreads)
        done = grpo_step(sampler, optimizer, session.task.train, queries, options, schedule, step)
        note_spreads(spreads, rewards_by_query(done.rollouts))
        seconds += time.monotonic() - begun
        spent, step = spent + len(done.rollouts), step + 1
        if spent >= len(rows) * most / LOOKS or spent >= most:
            figures = {name: round(done.metrics[name], 4) for name in ("reward", "entropy_all", "zero_variance_groups")}
            rows.append(
                {"completions": spent, **held_out(sampler, session), **figures, "training_s": round(seconds, 1)}
            )
    if kept is not None:
        kept.mkdir(exist_ok=True)
        save_trained(sampler.policy, kept)
    return rows


def started(session: Session, folder: Path) -> Sampler:
    """A sampler of the policy as the warm-up left it."""
    policy = load_policy(session.config.policy.model_copy(update={"name": str(folder / "base")}))
    load_trained(policy, folder / "warmup")
    return Sampler(policy, session.environment, session.config.prompt, session.config.training.max_new_tokens)


def _queries(session: Session, arm: Arm, seed: int, step: int, spreads: Mapping[str, float]) -> list[Query]:
    queries = session.task.train.queries
    if arm.options.get("curriculum") == "spread":
        return curriculum_batch(queries, arm.queries, seed, step, spreads)
    return batch_of(queries, arm.queries, seed, step)


def held_out(sampler: Sampler, session: Session) -> dict[str, float]:
    """Mean reward of greedy answers to dev and test together, apart too, and what the answers look like."""
    return measured(sampler, (session.task.dev, session.task.test))


def measured(sampler: Sampler, splits: Sequence[Split]) -> dict[str, float]:
    """Mean reward of greedy answers to these splits together, apart too, and what the answers look like."""
    answers = [sampler.answer(split) for split in splits]
    counts = [len(a.served) for a in answers]
    outcomes = [o for a in answers for o in a.outcomes]
    facts = behaviour(sampler, outcomes, [t for a in answers for t in a.tokens])
    served = [o for a in answers for o in a.served]
    return {
        "value": round(sum(a.value * n for a, n in zip(answers, counts, strict=True)) / sum(counts), 4),
        **{split.name: round(a.value, 4) for split, a in zip(splits, answers, strict=True)},
        "terms": round(sum(len(o.expansions) for o in outcomes) / len(outcomes), 3),
        "served_terms": round(sum(len(o.expansions) for o in served) / len(served), 3),
        "gated": round(facts["rule_violations"] + facts["parse_errors"], 3),
        "distinct_terms": round(facts["distinct_terms"], 3),
        "none": round(facts["no_expansion"], 3),
    }  # fmt: skip


def table(out: Path, seeds: list[int], updates: int, whole: int) -> dict[str, Any]:
    """For each arm: its value at the end by seed, its distance from the first arm's, and what it took to reach that one."""
    found = {
        (arm, seed): json.loads(place(out, seed, updates, whole, arm).read_text(encoding="utf-8"))
        for arm in ARMS for seed in seeds if place(out, seed, updates, whole, arm).exists()
    }  # fmt: skip
    first = next(iter(ARMS))
    rows: dict[str, Any] = {}
    for arm in ARMS:
        own = {seed: found[arm, seed] for seed in seeds if (arm, seed) in found}
        if not own:
            continue
        ends = {seed: found[first, seed][-1]["value"] for seed in own if (first, seed) in found}
        rows[arm] = {
            "start": [r[0]["value"] for r in own.values()],
            "end": [r[-1]["value"] for r in own.values()],
            "over first": _differences([own[seed][-1]["value"] - end for seed, end in ends.items()]),
            "completions to first's end": [
                next((r["completions"] for r in own[seed] if r["value"] >= end), None) for seed, end in ends.items()
            ],
            "terms": [(r[0]["terms"], r[-1]["terms"]) for r in own.values()],
            "distinct terms": [(r[0]["distinct_terms"], r[-1]["distinct_terms"]) for r in own.values()],
            "zero variance": [r[-1]["zero_variance_groups"] for r in own.values()],
            "completions": [r[-1]["completions"] for r in own.values()],
            "seconds": [r[-1]["training_s"] for r in own.values()],
        }
    return rows


def _differences(values: list[float]) -> dict[str, Any]:
    """Differences by seed, their mean and, of three or more, the half width of its 95 % interval (t)."""
    from scipy.stats import t

    mean = float(np.mean(values)) if values else float("nan")
    row: dict[str, Any] = {"by seed": [round(v, 4) for v in values], "mean": round(mean, 4)}
    if len(values) > 2:
        width = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
        row["ci95"] = [round(mean - width, 4), round(mean + width, 4)]
    return row


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
