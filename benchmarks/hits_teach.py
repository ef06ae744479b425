"""Do the hits teach? The same policy with and without them in its prompt, in the demo's world `hits`, paired.

    python -m benchmarks.hits_teach --seeds 11 12 13 --out runs/hits-teach

For each seed one shop, and on it two runs that differ in `prompt.context` alone: same warm-up budget, same number of
completions. Primary measure: nDCG@10 of greedy answers to the test queries, whose words no train query holds; the difference
is paired by query, its interval a bootstrap over queries within each shop.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from leser.cli.console import replace_what_cannot_be_shown
from leser.config.build import complete
from leser.config.load import config_of
from leser.evaluation.evaluate import POLICY
from leser.evaluation.statistics import paired
from leser.options import seed_argument
from leser.plugins import load_plugins
from leser.report.answers import FILE, ShownAnswer, read_answers
from leser.run.runner import run

MEASURE = "nDCG@10"
ARMS: Mapping[str, bool] = {"context": True, "none": False}
TINY = {"d_model": 128, "layers": 3, "heads": 4, "kv_heads": 2, "ffn": 320, "vocabulary": 2000, "pretrain_steps": 10}
BASE: dict[str, Any] = {
    "backend": {"name": "memory"},
    "expansion": {"weight": 2.0},
    "policy": {"name": "tiny", "device": "cpu", "tiny": TINY},
    "warmup": {
        "max_queries": 3000, "targets_per_query": 1, "batch_size": 32, "learning_rate": 3e-3, "min_queries": 2, "candidates": 10,
        "max_terms": 2, "steps_between_evaluations": 100, "patience": 20, "max_evaluations": 8, "samples": 0,
    },
    "training": {"steps": 30, "queries_per_step": 64, "steps_between_evaluations": 15},
    "grpo": {"group_size": 8, "epochs_per_batch": 2, "credit": "prefix", "learning_rate": 5e-4},
    "rewards": {"weights": ["nDCG@10=1.0"]},
    "evaluation": {
        "measures": [MEASURE, "R@100"], "baselines": ["original", "rm3", "dictionary"], "best_of": 0, "prompted": False,
        "warmup_plus": False, "resamples": 2000,
    },
}  # fmt: skip


def main() -> None:
    """Train both arms on each shop, one after the other, then print the table as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=seed_argument, nargs="+", default=[11, 12, 13])
    parser.add_argument("--out", type=Path, default=Path("runs/hits-teach"))
    given = parser.parse_args()
    for seed in given.seeds:
        for arm in ARMS:
            trained(seed, arm, given.out)
    table = {"seeds": [row(seed, given.out) for seed in given.seeds], "pooled": pooled(given.seeds, given.out)}
    given.out.joinpath("table.json").write_text(json.dumps(table, indent=1), encoding="utf-8")
    print(json.dumps(table, indent=1))


def trained(seed: int, arm: str, out: Path) -> None:
    """One run, unless it is there."""
    folder = out / f"seed-{seed}-{arm}"
    if (folder / "evaluation.json").exists():
        return
    registry, begun = load_plugins(), time.monotonic()
    values = {
        **BASE, "seed": seed, "task": {"name": "demo", "seed": seed, "world": "hits"}, "out": str(folder),
        "prompt": {"context": ARMS[arm]},
    }  # fmt: skip
    run(complete(config_of(values), registry), registry)
    print(json.dumps({"seed": seed, "arm": arm, "wall_s": round(time.monotonic() - begun)}), flush=True)


def row(seed: int, out: Path) -> dict[str, Any]:
    """What both arms reached on one shop, and the paired difference of their policies, over all queries and by kind."""
    both = [json.loads((out / f"seed-{seed}-{arm}" / "evaluation.json").read_text(encoding="utf-8")) for arm in ARMS]
    systems = {
        arm: {name: figures[MEASURE] for name, figures in evaluation["systems"].items()}
        for arm, evaluation in zip(ARMS, both, strict=True)
    }
    return {"seed": seed, "systems": systems, "difference": compared([seed], out)}


def pooled(seeds: list[int], out: Path) -> dict[str, Any]:
    """The difference over the queries of all shops, over all and by kind."""
    kinds = sorted({answer.kind or "" for answer in _answers(seeds[0], "context", out)})
    return {"all": compared(seeds, out)} | {kind: compared(seeds, out, kind) for kind in kinds}


def compared(seeds: list[int], out: Path, kind: str = "") -> dict[str, Any]:
    """Context minus none, query by query."""
    found: list[float] = []
    for seed in seeds:
        values = {arm: {a.id: a.values[POLICY] for a in _answers(seed, arm, out, kind)} for arm in ARMS}
        found += [value - values["none"][id_] for id_, value in values["context"].items()]
    result = paired(np.array(found)[:, None], seed=0)[0]
    return {
        "queries": len(found), "delta": round(result.delta, 4), "ci95": [round(end, 4) for end in result.ci95],
        "wins": result.wins, "ties": result.ties, "losses": result.losses,
    }  # fmt: skip


def _answers(seed: int, arm: str, out: Path, kind: str = "") -> list[ShownAnswer]:
    return [a for a in read_answers(out / f"seed-{seed}-{arm}" / FILE) if not kind or a.kind == kind]


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
