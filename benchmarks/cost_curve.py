"""Seconds and memory of one of our steps as prompt, group, completion and prompts double: what a step costs, and why.

    python -m benchmarks.cost_curve [--size 6M --device cpu --precision fp32] --json
    python -m benchmarks.cost_curve --out docs/evidence/cost-curve.json --plot docs/cost-curve.svg

Each point is a process of its own, and the median of its steps after two of warm-up. Memory is the largest resident set above
the one before the first step (on a GPU the allocator's peak). With `--out` points are written one by one, and a second call
measures those that are missing; `--plot FILE` draws the curves.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import plots
from benchmarks.condensed import text_of
from benchmarks.grpo_case import RATE, SHAPES, Case, make_prompts, make_rewards, resident
from benchmarks.grpo_ours import make_policy, our_options
from benchmarks.grpo_vs_trl import circumstances
from leser.cli.console import replace_what_cannot_be_shown
from leser.grpo.advantage import group_advantages
from leser.grpo.update import GroupBatch, make_optimizer, policy_update
from leser.policy.generate import NoiseKey, generate

BASE = {"prompt": 256, "group": 8, "completion": 16, "prompts": 4}
NAMES = {
    "prompt": "P, tokens of a prompt",
    "group": "G, completions of a prompt",
    "completion": "C, tokens of a completion",
    "prompts": "queries in a step",
}


def points(base: Case, doublings: int) -> list[Case]:
    """The base, and each of the four sizes doubled again and again with the others as they are."""
    cases = [base]
    for name in BASE:
        cases += [replace(base, **{name: getattr(base, name) * 2**n}) for n in range(1, doublings + 1)]
    return cases


def measure(case: Case) -> dict[str, Any]:
    """One point: median seconds of sampling and of training, memory in MB."""
    policy, options, texts, rewards = make_policy(case), our_options(case), make_prompts(case), make_rewards(case)
    optimizer = make_optimizer(policy, options)
    found: dict[str, list[float]] = {"sampling": [], "training": []}
    before = _reset(case)
    for number in range(case.steps):
        chosen = texts[number * case.prompts : (number + 1) * case.prompts]
        prompts = policy.tokenizer(chosen)["input_ids"]
        keys = [[NoiseKey(1, number, str(b), g) for g in range(case.group)] for b in range(case.prompts)]
        begun = _now(case)
        samples = generate(policy, prompts, keys, max_new_tokens=case.completion, temperature=options.temperature)
        sampled = _now(case)
        result = group_advantages(rewards, options=options)
        batch = GroupBatch(
            prompts,
            [[s.tokens for s in row] for row in samples],
            result.advantages,
            result.active,
            [[s.logprobs for s in row] for row in samples],
        )
        policy_update(policy, optimizer, batch, options, rate=RATE, total=case.steps, step=number)
        found["sampling"].append(sampled - begun)
        found["training"].append(_now(case) - sampled)
    sizes = {name: getattr(case, name) for name in BASE}
    seconds = {part: round(statistics.median(times[case.warm_up :]), 4) for part, times in found.items()}
    return {**sizes, **seconds, "step": round(sum(seconds.values()), 4), "memory_mb": round(_memory(case) - before, 1)}


def _now(case: Case) -> float:
    if case.cuda:
        import torch

        torch.cuda.synchronize()
    return time.perf_counter()


def _reset(case: Case) -> float:
    """Let the peak start anew; returns the memory held now, MB (0 on a GPU, where weights count)."""
    if case.cuda:
        import torch

        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return 0.0
    Path("/proc/self/clear_refs").write_text("5")  # the largest resident set starts anew (proc(5))
    return resident("VmRSS")


def _memory(case: Case) -> float:
    if case.cuda:
        import torch

        return torch.cuda.max_memory_allocated() / 1e6
    return resident("VmHWM")


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Seconds (left) and memory (right) against the size that grows, all logarithmic."""
    figure = plots.new_figure(10, 4)
    for axis, (what, up) in zip(
        figure.subplots(1, 2), {"step": "seconds per step", "memory_mb": "memory, MB"}.items(), strict=True
    ):
        lines = {}
        for name, base in BASE.items():
            line = sorted((r for r in rows if all(r[n] == BASE[n] for n in BASE if n != name)), key=lambda r: r[name])
            lines[NAMES[name]] = [([r[name] / base for r in line], [r[what] for r in line])]
        plots.draw(axis, lines, across="times the base", up=up, logarithmic=True)
    plots.save(figure, path)


def measured(base: Case, doublings: int, around: dict[str, Any], out: Path | None) -> list[dict[str, Any]]:
    """Rows of all points, each from a process of its own; those that `out` holds for the same circumstances are not repeated."""
    kept = json.loads(out.read_text(encoding="utf-8")) if out and out.exists() else {}
    rows: list[dict[str, Any]] = kept.get("rows", []) if {**kept, "rows": []} == {**around, "rows": []} else []
    for case in points(base, doublings):
        if any(all(row[name] == getattr(case, name) for name in BASE) for row in rows):
            continue
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(measure, (case,)))
        if out:
            out.write_text(text_of({**around, "rows": rows}), encoding="utf-8")
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What one step costs as its sizes double.")
    parser.add_argument("--size", choices=list(SHAPES), default="6M")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("fp32", "tf32", "bf16"), default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--doublings", type=int, default=3, help="how often each size is doubled")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="keep the points in this file (.json), and measure what it lacks")
    parser.add_argument("--plot", type=Path, help="draw the curves into this file (.svg, .png)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    base = Case(
        size=given.size,
        device=given.device,
        precision=given.precision,
        threads=given.threads,
        rounds=given.rounds,
        **BASE,
    )
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    sizes = {"size": given.size, "device": given.device, "precision": given.precision, "threads": given.threads}
    around = {**sizes, **circumstances(device=given.device)}
    rows = measured(base, given.doublings, around, given.out)
    if given.plot:
        plot(rows, given.plot)
    if given.json:
        print(json.dumps({**around, "rows": rows}))
    else:
        print("\n".join(map(str, rows)))


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
