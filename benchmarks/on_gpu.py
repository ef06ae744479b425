"""All that is measured on a GPU, in one call of a few minutes: `python -m benchmarks.on_gpu --out FOLDER --minutes 6`.

Parts, in this order (`--only` chooses some of them):
  sampling   a pass of sampling by the plain loop, the static loop and the captured graph; same tokens, same numbers
  training   one update with given advantages, and the kernels it spends its time in
  135M, 0.5B, 1.5B   one whole step beside TRL's, both bf16 mixed; 1.5B with LoRA of rank 16 on both sides
  curve      seconds and memory of one of our steps as prompt, group, completion and prompts double
Each part is a process of its own with a limit, writes FOLDER/NAME.json when it is done, and is left out, by name, where
the minutes do not suffice for it. A part that stops is reported and the next one goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from leser.cli.console import replace_what_cannot_be_shown


@dataclass(frozen=True)
class Part:
    """A module of this package, its arguments, and the most seconds it may take."""

    module: str
    arguments: str
    limit: int


VERSUS = "--device cuda --precision bf16 --prompts 16 --prompt 512 --group 16 --completion 32 --warm-up 2 --json"
STEP = "--prompts 16 --prompt 512 --group 16 --completion 32 --precision bf16"
PARTS = {
    "sampling": Part("gpu_sampling", f"--size 135M {STEP} --profile", 90),
    "training": Part("gpu_training", f"--size 135M {STEP} --profile {{out}}/training-profile.txt", 90),
    "135M": Part("grpo_vs_trl", f"--size 135M --trl-rows 32 --rounds 3 {VERSUS}", 100),
    "0.5B": Part("grpo_vs_trl", f"--size 0.5B --trl-rows 32 --rounds 3 {VERSUS}", 120),
    "1.5B": Part("grpo_vs_trl", f"--size 1.5B --lora 16 --trl-rows 16 --rounds 3 {VERSUS}", 150),
    "curve": Part("cost_curve", "--size 135M --device cuda --precision bf16 --json", 90),
}


def run(name: str, out: Path, seconds: float) -> str:
    """Run one part for at most these seconds; what came of it, in one line."""
    part = PARTS[name]
    command = [sys.executable, "-m", f"benchmarks.{part.module}", *part.arguments.format(out=out).split()]
    begun = time.monotonic()
    with (out / f"{name}.log").open("w", encoding="utf-8") as log:
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=log, timeout=min(part.limit, seconds), encoding="utf-8"
            )
        except subprocess.TimeoutExpired:
            return f"{name}: stopped after {time.monotonic() - begun:.0f} s"
    took = time.monotonic() - begun
    if done.returncode:
        last = (out / f"{name}.log").read_text(encoding="utf-8").strip().splitlines()[-25:]
        return f"{name}: failed after {took:.0f} s\n" + "\n".join(last)
    (out / f"{name}.json").write_text(done.stdout, encoding="utf-8")
    return f"{name} ({took:.0f} s): {short(json.loads(done.stdout))}"


def short(row: dict[str, object]) -> str:
    """A row without what it was run with."""
    dropped = ("versions", "machine", "step_seconds", "commit")
    return json.dumps({key: value for key, value in row.items() if key not in dropped})[:1500]


def main() -> None:
    """Run the parts that the minutes suffice for."""
    parser = argparse.ArgumentParser(description="All that is measured on a GPU.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--minutes", type=float, default=6.0, help="limit of all parts together")
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS), help="parts to run")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    end = time.monotonic() + 60 * given.minutes
    for name in given.only:
        left = end - time.monotonic()
        print(run(name, given.out, left) if left > 15 else f"{name}: left out, {left:.0f} s were left", flush=True)


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
