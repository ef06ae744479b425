"""Training alone, without engine or sampling: `python -m benchmarks.gpu_training --size 135M --precision bf16`.

Times `policy_update` on given advantages over random prompts and completions of the lengths asked for, with random weights
in the shape of models that people train. Prints one JSON object: seconds of an update (median), peak memory of the device,
tokens per second, how a batch was split, and with `--profile FILE` writes the kernels that took longest. The figures are
those of the card named in it.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from benchmarks.shapes import make_model
from leser.cli.console import replace_what_cannot_be_shown
from leser.grpo.optimizer import make_optimizer
from leser.grpo.options import GrpoOptions
from leser.grpo.update import GroupBatch, policy_update
from leser.policy.loading import prepare
from leser.policy.memory import TOKENS_PER_PASS, activation_bytes, pass_tokens
from leser.policy.options import PolicyOptions, PrecisionOption
from leser.policy.policy import Policy

SIZES = ("tiny", "135M", "0.5B", "1.5B", "1.5B-lora")


class Unbounded:
    """No bound by hand on the tokens of a pass."""

    tokens_per_pass = None


def make_policy(given: argparse.Namespace) -> Policy:
    """The policy as LESER holds it."""
    options = PolicyOptions(
        device=given.device,
        precision=given.precision,
        attention=given.attention,
        gradient_checkpointing=given.gradient_checkpointing,
        lora_rank=16 if given.size.endswith("-lora") else 0,
        dtype="bfloat16" if given.size.endswith("-lora") and given.device == "cuda" else "float32",
    )
    with torch.device(given.device if given.device == "cuda" else "cpu"):
        model = make_model(given.size.removesuffix("-lora"), given.prompt + given.completion)
    return prepare(Policy(model, None, given.size, "text", (2,), given.prompt + given.completion), options, 0)


def make_batch(given: argparse.Namespace, vocabulary: int) -> GroupBatch:
    """Random prompts and completions, of mixed lengths with `--ragged`, and advantages that leave no group out."""
    draw = random.Random(1)

    def row(length: int) -> list[int]:
        return draw.choices(
            range(3, vocabulary), k=max(1, int(length * draw.uniform(0.5, 1))) if given.ragged else length
        )

    prompts = [row(given.prompt) for _ in range(given.prompts)]
    completions = [[row(given.completion) for _ in range(given.group)] for _ in prompts]
    advantages = np.random.default_rng(1).normal(size=(given.prompts, given.group))
    return GroupBatch(prompts, completions, advantages, np.ones_like(advantages, dtype=bool))


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Seconds and memory of updates."""
    policy = make_policy(given)
    weights = sum(p.numel() for p in policy.model.parameters())
    bound = given.tokens_per_pass or pass_tokens(policy, Unbounded())
    options = GrpoOptions(group_size=given.group, warmup_steps=0, learning_rate=1e-6, tokens_per_pass=bound)
    optimizer = make_optimizer(policy, options)
    batch = make_batch(given, int(policy.causal_lm.config.vocab_size))
    gpu = policy.device.type == "cuda"
    seconds: list[float] = []
    for number in range(given.warm_up + given.rounds):
        if gpu:
            torch.cuda.synchronize()
            if number == given.warm_up:
                torch.cuda.reset_peak_memory_stats()
        begun = time.perf_counter()
        stats = policy_update(policy, optimizer, batch, options, step=number)
        if gpu:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begun)
    tokens = sum(map(len, batch.prompts)) + sum(len(c) for group in batch.completions for c in group)
    took = statistics.median(seconds[given.warm_up :])
    if given.profile:
        write_profile(Path(given.profile), lambda: policy_update(policy, optimizer, batch, options), gpu)
    return {
        **{k: v for k, v in vars(given).items() if k != "profile"},
        "device_name": torch.cuda.get_device_name() if gpu else "CPU",
        "torch": torch.__version__,
        "weights": weights,
        "precision_used": policy.precision,
        "prompts_shared": policy.shared.enabled,
        "why_not_shared": policy.shared.reason,
        "tokens_per_pass": bound,
        "passes": stats.passes,
        "activation_mb_estimated": round(activation_bytes(policy) * min(bound, tokens) / 1e6, 1),
        "update_s": round(took, 4),
        "first_update_s": round(seconds[0], 4),
        "all_update_s": [round(s, 4) for s in seconds],
        "tokens_per_s": round(tokens / took),
        "peak_memory_mb": round(torch.cuda.max_memory_allocated() / 1e6, 1) if gpu else None,
        "grad_norm": stats.grad_norm,
        "entropy": stats.entropy,
    }


def write_profile(path: Path, update: Any, gpu: bool) -> None:
    """The kernels that took longest in one update."""
    from torch.profiler import ProfilerActivity, profile

    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if gpu else [])]
    with profile(activities=kinds) as found:
        update()
        if gpu:
            torch.cuda.synchronize()
    order = "self_cuda_time_total" if gpu else "self_cpu_time_total"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(found.key_averages().table(sort_by=order, row_limit=15), encoding="utf-8")


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(description="Seconds and memory of one policy update.")
    parser.add_argument("--size", choices=SIZES, default="tiny", help="shape of the model")
    parser.add_argument("--prompts", type=int, default=16, help="prompts in a batch")
    parser.add_argument("--prompt", type=int, default=512, help="tokens of a prompt")
    parser.add_argument("--group", type=int, default=16, help="completions of a prompt")
    parser.add_argument("--completion", type=int, default=32, help="tokens of a completion")
    parser.add_argument("--ragged", action="store_true", help="lengths between half of these and the whole")
    parser.add_argument("--precision", choices=get_args(PrecisionOption), default="auto", help="policy.precision")
    parser.add_argument("--attention", choices=("shared", "plain"), default="shared", help="policy.attention")
    parser.add_argument("--gradient-checkpointing", action="store_true", help="policy.gradient_checkpointing")
    parser.add_argument("--tokens-per-pass", type=int, help=f"else from free memory; {TOKENS_PER_PASS} on a CPU")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cuda or cpu")
    parser.add_argument("--rounds", type=int, default=5, help="updates that count")
    parser.add_argument("--warm-up", type=int, default=2, help="updates before them")
    parser.add_argument("--profile", metavar="FILE", help="write the 15 kernels that took longest in one update")
    return parser.parse_args(given)


def main() -> None:
    """Measure and print."""
    print(json.dumps(measure(arguments())))


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
