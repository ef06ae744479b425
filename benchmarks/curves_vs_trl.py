"""Learning curves of LESER and TRL's GRPOTrainer: the same warm-up, prompts, rewards and number of completions, paired by seed.

    python -m benchmarks.curves_vs_trl --seeds 11 --sides ours --out runs/curves     # one part of it; parts that are there stay
    python -m benchmarks.curves_vs_trl --report --out runs/curves                    # table and plot of what is there

For each seed one warm-up is trained on a demo shop of that seed (memory engine, a small `tiny` whose prompt shows up to 48
feedback terms), from which both sides start.
Equal are queries and their order, prompts to the token, group size, length limit, temperature, reward and gates
(leser.bridge), learning rate, AdamW, clipping, and one update per batch without KL; noise is each side's own. One difference
is left: LESER leaves zero-variance groups out of the number of tokens that a batch's loss is divided by. The value is the
mean reward of greedy answers to dev's queries, by the same code; seconds are of training alone, sampling and searching
included, looking excluded, on one thread.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from benchmarks import evidence, plots
from leser.cli.console import replace_what_cannot_be_shown
from leser.config.build import complete
from leser.config.load import config_of
from leser.evaluation.statistics import paired
from leser.grpo.options import GrpoOptions
from leser.grpo.queries import batch_of
from leser.options import seed_argument
from leser.plugins import load_plugins
from leser.policy.adapters import load_trained
from leser.policy.loading import load_policy
from leser.run.runner import run
from leser.sampler import Sampler
from leser.session import Session, open_session
from leser.task import Query

TINY = {"d_model": 128, "layers": 3, "heads": 4, "kv_heads": 2, "ffn": 320, "vocabulary": 2000, "pretrain_steps": 10}
BASE: dict[str, Any] = {
    "backend": {"name": "memory"},
    "expansion": {"weight": 2.0},
    "prompt": {"terms": 48},
    "policy": {"name": "tiny", "device": "cpu", "tiny": TINY},
    "warmup": {
        "max_queries": 2000, "targets_per_query": 1, "batch_size": 32, "learning_rate": 3e-3,
        "steps_between_evaluations": 80, "max_evaluations": 6, "samples": 0,
    },
    "training": {"steps": 0},
    "evaluation": {"baselines": ["original"], "best_of": 0, "prompted": False, "warmup_plus": False, "resamples": 200},
}  # fmt: skip
QUERIES, RATE, LOOKS = 32, 5e-4, 6
OPTIONS = GrpoOptions(group_size=16, warmup_steps=0, learning_rate=RATE)
SIDES = ("ours", "trl")
T_TWO_SIDED = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776}
"""Student's t for a 95 % interval, by degrees of freedom."""
Look = Callable[[int, float], None]


def main() -> None:
    """Measure the parts that are missing, or report on those that are there."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here needs a model hub
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=seed_argument, nargs="+", default=[11, 12, 13])
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--steps", type=int, default=36)
    parser.add_argument("--out", type=Path, default=Path("runs/curves"))
    parser.add_argument("--report", action="store_true", help="print the table of the parts that are there")
    parser.add_argument("--plot", type=Path, help="with --report: draw the curves into this file (.svg, .png)")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.report:
        parts = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in given.out.glob("*-*.json")}
        print(json.dumps(report(parts, given.seeds), indent=1))
        if given.plot:
            plot(parts, given.seeds, given.plot)
        return
    for seed in given.seeds:
        for side in given.sides:
            path = given.out / f"{side}-{seed}.json"
            if path.exists():
                continue
            rows = curve(side, seed, given.steps, given.out)
            path.write_text(json.dumps({"side": side, "seed": seed, **about(), "rows": rows}) + "\n", encoding="utf-8")


def about() -> dict[str, Any]:
    """Commit, machine and versions."""
    packages = ("torch", "transformers", "trl", "numpy")
    return {"commit": evidence.commit(), "machine": evidence.machine(), "versions": evidence.versions(packages)}


def warmed_up(seed: int, out: Path) -> tuple[Session, Path]:
    """A session on the shop of this seed, and the folder of its warm-up, which is trained where it is not there yet."""
    registry, folder = load_plugins(), out / f"seed-{seed}"
    values = {**BASE, "seed": seed, "task": {"name": "demo", "seed": seed}, "out": str(folder)}
    config = complete(config_of(values | {"resume": folder.exists()}), registry)
    if not (folder / "evaluation.json").exists():
        run(config, registry)
    return open_session(config, registry), folder / "policies"


def curve(side: str, seed: int, steps: int, out: Path) -> list[dict[str, Any]]:
    """A row for the start and for each look: steps, seconds, dev's value, and each dev query's at the last one."""
    session, folder = warmed_up(seed, out)
    with session:
        policy = load_policy(session.config.policy.model_copy(update={"name": str(folder / "base")}))
        load_trained(policy, folder / "warmup")
        sampler = Sampler(policy, session.environment, session.config.prompt, session.config.training.max_new_tokens)
        train = session.task.train
        batches = [batch_of(train.queries, QUERIES, seed, step) for step in range(steps)]
        sampler.prompts([query for batch in batches for query in batch])  # neither side's clock searches for prompts
        rows = [{"step": 0, "seconds": 0.0, **dev_values(sampler, session)}]

        def look(step: int, seconds: float) -> None:
            rows.append({"step": step, "seconds": round(seconds, 2), **dev_values(sampler, session)})
            print(json.dumps({"side": side, "seed": seed, **rows[-1], "queries": None}), flush=True)

        begin = _train_ours if side == "ours" else _train_trl
        begin(session, sampler, batches, seed, max(1, steps // LOOKS), look)
    for row in rows[1:-1]:
        del row["queries"]
    return rows


def dev_values(sampler: Sampler, session: Session) -> dict[str, Any]:
    """Mean reward of greedy answers to dev's queries, terms and tokens of an answer, and the reward of each query."""
    dev = session.task.dev
    answers = sampler.answer(dev)
    totals = session.environment.score(answers.served).total
    return {
        "value": round(answers.value, 5),
        "terms": round(fmean(len(o.expansions) for o in answers.outcomes), 3),
        "tokens": round(fmean(answers.tokens), 2),
        "queries": {q.id: round(float(total), 6) for q, total in zip(dev.queries, totals, strict=True)},
    }


def _train_ours(
    session: Session, sampler: Sampler, batches: Sequence[Sequence[Query]], seed: int, every: int, look: Look
) -> None:
    from leser.grpo.update import make_optimizer
    from leser.training.grpo import Schedule, grpo_step

    optimizer, seconds = make_optimizer(sampler.policy, OPTIONS), 0.0
    schedule = Schedule(RATE, len(batches), seed)
    for step, queries in enumerate(batches):
        begun = time.perf_counter()
        grpo_step(sampler, optimizer, session.task.train, queries, OPTIONS, schedule, step)
        seconds += time.perf_counter() - begun
        if (step + 1) % every == 0:
            look(step + 1, seconds)


def _train_trl(
    session: Session, sampler: Sampler, batches: Sequence[Sequence[Query]], seed: int, every: int, look: Look
) -> None:
    from benchmarks.curves_trl import train_trl

    train_trl(session, sampler, batches, OPTIONS, rate=RATE, seed=seed, every=every, look=look)


def report(parts: Mapping[str, Any], seeds: Sequence[int]) -> dict[str, Any]:
    """Per seed both sides' last dev values, their paired difference with its 95 % interval over queries, and seconds; over
    seeds the mean difference with its interval (Student's t), and how many times the seconds of ours TRL took."""
    found = []
    for seed in seeds:
        if any(f"{side}-{seed}" not in parts for side in SIDES):
            continue
        ours, trl = (parts[f"{side}-{seed}"]["rows"] for side in SIDES)
        start, mine, theirs = ours[0], ours[-1], trl[-1]
        gaps = np.array([[mine["queries"][q] - theirs["queries"][q]] for q in mine["queries"]])
        result = paired(gaps)[0]
        found.append({
            "seed": seed, "steps": mine["step"], "start": start["value"], "ours": mine["value"], "trl": theirs["value"],
            "difference": round(result.delta, 4), "ci95": [round(x, 4) for x in result.ci95],
            "ours_s": mine["seconds"], "trl_s": theirs["seconds"], "times": round(theirs["seconds"] / mine["seconds"], 2),
        })  # fmt: skip
    gaps_by_seed = [row["difference"] for row in found]
    whole: dict[str, Any] = {"seeds": found}
    if len(found) > 1:
        middle = fmean(gaps_by_seed)
        half = T_TWO_SIDED[len(found) - 1] * stdev(gaps_by_seed) / math.sqrt(len(found))
        whole |= {
            "difference": round(middle, 4),
            "ci95": [round(middle - half, 4), round(middle + half, 4)],
            "times": round(sum(r["trl_s"] for r in found) / sum(r["ours_s"] for r in found), 2),
        }
    return whole


def plot(parts: Mapping[str, Any], seeds: Sequence[int], path: Path) -> None:
    """Dev's value against steps (left) and against seconds (right), a line for each seed and side."""
    figure = plots.new_figure(10, 4)
    for axis, across in zip(figure.subplots(1, 2), ("step", "seconds"), strict=True):
        lines = {
            name: [
                ([r[across] for r in part["rows"]], [r["value"] for r in part["rows"]])
                for seed in seeds
                if (part := parts.get(f"{side}-{seed}"))
            ]
            for side, name in zip(SIDES, ("LESER", "TRL"), strict=True)
        }
        plots.draw(axis, lines, across=f"{across} of training", up="mean reward on dev")
    plots.save(figure, path)


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
