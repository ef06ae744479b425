"""A GRPO step beside that of TRL's GRPOTrainer: `python -m benchmarks.grpo_vs_trl [--size 6M --prompt 512 ...] --json`.

Each side is a process of its own and takes one step in its turn, so that a busy machine slows all alike; while one works
the others wait. What is equal, and how TRL is set up, stands in benchmarks/grpo_case.py and benchmarks/grpo_trl.py. Sides:
  ours            LESER: prompts computed once per group, in sampling and in training
  trl_fair        TRL with its language-model head held to completion positions, as on a GPU
  trl_installed   TRL as it is, whose head on a CPU takes the prompts' positions as well (with --installed)
Seconds are medians over the rounds, of the whole step, of sampling (token ids to token ids) and of training (forward,
backward, clipping, optimiser); what is left is tokenizing, decoding, advantages. cpu is the whole step in processor
seconds, which other work on the machine disturbs least. Memory is the process's largest resident set above what it held
before its first step, in MB: activations, caches, gradients and optimiser state, not the model or the libraries.
Ratios: speedup_* is TRL over ours, memory_ratio_* is ours over TRL's, token_ratio the tokens that pass through the model
without sharing over those with it, G (P + C) / (P + G C).

`--table` measures the cases of docs/evidence/grpo-vs-trl.json and writes each row when it is done; a second call goes
on with the rows that are missing for this commit, these versions and this number of threads.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks import evidence
from benchmarks.condensed import text_of
from benchmarks.evidence import ROOT
from benchmarks.grpo_case import SHAPES, Case, Report, Turns
from leser.cli.console import replace_what_cannot_be_shown
from leser.errors import LeserError

EVIDENCE = ROOT / "docs" / "evidence" / "grpo-vs-trl.json"
PACKAGES = ("torch", "transformers", "trl", "accelerate", "numpy")
KEY = ("size", "prompt", "group", "completion", "prompts", "threads", "trl_rows", "device", "precision", "lora")
HEADLINE = (512, 16, 32)
TABLE = (HEADLINE, (256, 8, 32), (256, 16, 32), (512, 8, 32), (1024, 8, 32), (1024, 16, 32), (512, 16, 128))
NOTE = (
    "Medians of alternating repetitions after warm-up, each side in a process of its own. speedup_fair compares whole "
    "steps with TRL's head held to completion positions, as on a GPU; memory_ratio_fair is our memory over TRL's. Both "
    "follow token_ratio, which falls towards 1 + P/C with longer completions: the headline holds for short answers."
)


def measure(case: Case, *, installed: bool = False) -> dict[str, Any]:
    """The case's row. Raises LeserError when a side stops, or when the sides did not do the same work."""
    sides = ["ours", "trl_fair", *(["trl_installed"] if installed else [])]
    os.environ["OMP_NUM_THREADS"] = str(case.threads)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here needs a model hub
    context = multiprocessing.get_context("spawn")
    pipes, workers = {}, []
    try:
        for side in sides:
            pipes[side], end = context.Pipe()
            worker = context.Process(target=serve, args=(side, case, end), daemon=True)
            worker.start()
            end.close()
            workers.append(worker)
        reports: dict[str, list[Report]] = {side: [] for side in sides}
        for number in range(case.steps):
            for side in sides if number % 2 == 0 else reversed(sides):
                reports[side].append(_ask(pipes[side], side))
            same_work(case, {side: found[-1] for side, found in reports.items()})
            took = ", ".join(f"{side} {found[-1].step:.2f} s" for side, found in reports.items())
            print(f"  step {number + 1} of {case.steps}: {took}", file=sys.stderr)
        for worker in workers:
            worker.join()  # until the machine is free again
    finally:
        for worker in workers:
            worker.kill()
    return row_of(case, reports)


def serve(side: str, case: Case, pipe: Connection) -> None:
    """A worker process: one side, step by step as the parent asks for them; what it prints goes to stderr."""
    sys.stdout = sys.stderr
    turns = Turns(pipe, cuda=case.cuda)
    if side == "ours":
        from benchmarks.grpo_ours import run_ours

        run_ours(case, turns)
        return
    from benchmarks.grpo_trl import head_on_completions, run_trl

    with tempfile.TemporaryDirectory() as folder, head_on_completions() if side == "trl_fair" else nullcontext():
        run_trl(case, Path(folder), turns)


def _ask(pipe: Connection, side: str) -> Report:
    try:
        pipe.send(None)
        answer: Report = pipe.recv()
    except (EOFError, OSError) as error:
        raise LeserError(f"The side '{side}' stopped in the middle; its own message stands above.") from error
    return answer


def same_work(case: Case, reports: dict[str, Report]) -> None:
    """Raise LeserError unless every side read the same prompts and sampled and trained on all completions in full."""
    wanted = case.completions * case.completion
    for what in ("prompts", "parameters", "sampled", "trained"):
        found = {side: getattr(report, what) for side, report in reports.items()}
        if len(set(found.values())) > 1 or (what in ("sampled", "trained") and wanted not in found.values()):
            raise LeserError(f"The sides did not do the same work: {what} {found}, completion tokens wanted {wanted}.")


def row_of(case: Case, reports: dict[str, list[Report]]) -> dict[str, Any]:
    """A row of the table from the steps of each side, the warm-up first among them."""
    seconds = {
        side: {
            part: round(statistics.median(getattr(r, part) for r in found[case.warm_up :]), 4)
            for part in ("step", "sampling", "training", "cpu")
        }
        for side, found in reports.items()
    }
    memory = {side: round(found[-1].memory, 1) for side, found in reports.items()}
    ours = seconds["ours"]
    row: dict[str, Any] = {**asdict(case), "parameters": reports["ours"][0].parameters}
    for side in list(reports)[1:]:
        name = side.removeprefix("trl_")
        row[f"speedup_{name}"] = round(seconds[side]["step"] / ours["step"], 2)
        row[f"sampling_speedup_{name}"] = round(seconds[side]["sampling"] / ours["sampling"], 2)
        row[f"training_speedup_{name}"] = round(seconds[side]["training"] / ours["training"], 2)
        row[f"memory_ratio_{name}"] = round(memory["ours"] / memory[side], 3)
    return row | {
        "token_ratio": round(case.token_ratio, 2),
        "seconds": seconds,
        "memory_mb": memory,
        "largest_resident_mb": {side: round(found[-1].resident, 1) for side, found in reports.items()},
        "step_seconds": {side: [round(r.step, 4) for r in found[case.warm_up :]] for side, found in reports.items()},
    }


def circumstances(commit: str | None = None, device: str = "cpu") -> dict[str, Any]:
    """Commit (the checkout's unless given), machine, its GPU where one was used, and versions."""
    return {
        "commit": commit or evidence.commit(),
        "machine": evidence.machine() | _card(device),
        "versions": evidence.versions(PACKAGES),
    }


def _card(device: str) -> dict[str, str]:
    if not device.startswith("cuda"):
        return {}
    import torch

    return {"gpu": torch.cuda.get_device_name(device)}


def table(base: Case, path: Path = EVIDENCE, *, commit: str | None = None) -> list[dict[str, Any]]:
    """Measure the table's cases that `path` lacks for this commit and these versions; each is written when done."""
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known: list[dict[str, Any]] = content.get("rows", [])
    around, default = (
        circumstances(commit, base.device),
        asdict(Case()),
    )  # a row of before a field was added has its default
    for prompt, group, completion in TABLE:
        case = replace(base, prompt=prompt, group=group, completion=completion)
        same = [row for row in known if all(row.get(name, default[name]) == getattr(case, name) for name in KEY)]
        if any(row["commit"] == around["commit"] and row["versions"] == around["versions"] for row in same):
            when = "at this commit" if around["commit"] != "unknown" else f"at a commit unknown (see {path})"
            print(f"P={prompt} G={group} C={completion}: measured {when} already", file=sys.stderr)
            continue
        print(f"P={prompt} G={group} C={completion}:", file=sys.stderr)
        row = measure(case, installed=(prompt, group, completion) == HEADLINE) | around
        known = [r for r in known if r not in same] + [row]
        _write(path, {"name": path.stem, "note": NOTE, "rows": known})
    return known


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    work = path.with_suffix(".tmp")
    work.write_text(text_of(content), encoding="utf-8")
    work.replace(path)


def told(row: dict[str, Any]) -> str:
    """A row in one line."""
    ours, fair = row["seconds"]["ours"], row["seconds"]["trl_fair"]
    return (
        f"{row['size']} P={row['prompt']} G={row['group']} C={row['completion']}: {row['speedup_fair']} times faster "
        f"(sampling {row['sampling_speedup_fair']}, training {row['training_speedup_fair']}; {fair['step']} s against "
        f"{ours['step']} s), memory {row['memory_ratio_fair']} of TRL's, token ratio {row['token_ratio']}"
        + (f"; TRL as installed: {row['speedup_installed']} times" if "speedup_installed" in row else "")
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="A GRPO step beside that of TRL's GRPOTrainer.")
    parser.add_argument("--size", choices=list(SHAPES), default="6M", help="parameters of the model, of random weights")
    parser.add_argument("--prompt", type=int, default=512, help="tokens of a prompt")
    parser.add_argument("--group", type=int, default=16, help="completions of a prompt")
    parser.add_argument("--completion", type=int, default=32, help="tokens of a completion")
    parser.add_argument("--prompts", type=int, default=4, help="prompts in a step")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of each side")
    parser.add_argument("--trl-rows", type=int, help="completions in one pass of TRL's training; a group unless given")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1")
    parser.add_argument("--precision", choices=("fp32", "tf32", "bf16"), default="fp32", help="of both sides")
    parser.add_argument(
        "--lora", type=int, default=0, help="rank of LoRA adapters on both sides; 0 trains every weight"
    )
    parser.add_argument("--rounds", type=int, default=5, help="repetitions of each side that count")
    parser.add_argument("--warm-up", type=int, default=2, help="repetitions before them")
    parser.add_argument("--installed", action="store_true", help="TRL with its head as installed as well")
    parser.add_argument(
        "--table", action="store_true", help="measure the table and write docs/evidence/grpo-vs-trl.json"
    )
    parser.add_argument(
        "--commit", help="the commit that is measured, where the checkout has moved on between two calls"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = vars(parser.parse_args())
    as_json, whole, installed = given.pop("json"), given.pop("table"), given.pop("installed")
    commit = given.pop("commit")
    case = Case(**given)
    if case.rounds < 1 or (whole and (case.rounds < 5 or case.warm_up < 2)):
        parser.error("evidence needs at least --rounds 5 and --warm-up 2; a single case at least --rounds 1")
    try:
        rows = (
            table(case, commit=commit)
            if whole
            else [measure(case, installed=installed) | circumstances(commit, case.device)]
        )
    except LeserError as error:
        raise SystemExit(f"Error: {error}") from error
    if as_json:
        print(json.dumps({"rows": rows} if whole else rows[0]))
    else:
        print("\n".join(map(told, rows)))


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
