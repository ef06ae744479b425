"""Seconds of one `generate` call by way of decoding: ragged, static shapes run by Python, static shapes as a CUDA graph.

    python -m benchmarks.gpu_sampling --size 135M --prompts 16 --prompt 512 --group 16 --completion 32 --precision bf16

Random weights of a known model's shape. No completion ends early unless --end-share says which part of the vocabulary ends one.
Checks that the graph draws what the static step draws, and that noted log-probabilities agree with one plain pass for each
completion. Prints JSON. Runs on a CPU as well (--size toy).
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch

from benchmarks.shapes import SHAPES, make_model
from leser.cli.console import replace_what_cannot_be_shown
from leser.policy.drawing import NoiseKey, Sample
from leser.policy.generate import Decoding, generate
from leser.policy.graphs import SamplingState
from leser.policy.loading import prepare
from leser.policy.options import PolicyOptions
from leser.policy.packed import plain_logprobs
from leser.policy.policy import Policy

WAYS: tuple[Decoding, ...] = ("ragged", "static", "graph")
SIZES = ("toy", "135M", "0.5B", "1.5B")


def make_policy(given: argparse.Namespace) -> Policy:
    """The shape with random weights on the device."""
    shape = SHAPES[given.size][1]
    context = given.prompt + given.completion
    with torch.device(given.device):
        model = make_model(given.size, context)
    ends = range(max(1, round(given.end_share * shape["vocabulary"])))
    ids = tuple(ends) if given.end_share else (shape["vocabulary"],)
    policy = Policy(model, None, given.size, "text", ids, context)
    options = PolicyOptions(
        device=given.device, precision=given.precision, attention="shared", lora_rank=given.lora_rank
    )
    return prepare(policy, options, seed=0)


def wait(device: str) -> None:
    """Until the device has done what was asked of it."""
    if device == "cuda":
        torch.cuda.synchronize()


def measure(call: Callable[[], Any], given: argparse.Namespace) -> dict[str, float]:
    """Median seconds of the call, seconds of its first run, and peak memory in MB on a GPU."""
    cuda = given.device == "cuda"
    seconds = []
    for number in range(given.rounds + 1):
        if cuda and number == 1:
            torch.cuda.reset_peak_memory_stats()
        wait(given.device)
        start = time.perf_counter()
        call()
        wait(given.device)
        seconds.append(time.perf_counter() - start)
    found = {"seconds": median(seconds[1:]), "first": seconds[0]}
    return found | ({"peak_mb": torch.cuda.max_memory_allocated() / 1e6} if cuda else {})


def step_seconds(policy: Policy, given: argparse.Namespace, *, graph: bool) -> float:
    """Seconds of one token step on the buffers of the last pass, without looking at its result."""
    state = SamplingState.of(policy)
    step = next(reversed(state.steps.values()))
    sampler, times = state.sampler(policy), given.completion - 2
    with torch.no_grad():
        step.buffers.step.zero_()
        wait(given.device)
        start = time.perf_counter()
        for done in range(times):
            step.advance(sampler, done, graph=graph)
        wait(given.device)
    return (time.perf_counter() - start) / times


def dearest(policy: Policy, given: argparse.Namespace) -> dict[str, Any]:
    """The kernels of one token step run by Python: how many, microseconds together, and the dearest by name."""
    from torch.profiler import ProfilerActivity, profile

    state = SamplingState.of(policy)
    step, sampler = next(reversed(state.steps.values())), state.sampler(policy)
    cuda = given.device == "cuda"
    with torch.no_grad(), profile(activities=[ProfilerActivity.CUDA if cuda else ProfilerActivity.CPU]) as found:
        step.buffers.step.zero_()
        step.advance(sampler, 0, graph=False)
        wait(given.device)
    rows = [(e.key, e.count, e.self_device_time_total if cuda else e.self_cpu_time_total) for e in found.key_averages()]
    rows = sorted((r for r in rows if r[2] > 0), key=lambda row: -row[2])
    return {
        "kernels": sum(row[1] for row in rows),
        "microseconds": sum(row[2] for row in rows),
        "dearest": [[name[:90], count, round(spent)] for name, count, spent in rows[:20]],
    }


def same_share(first: list[list[Sample]], second: list[list[Sample]]) -> float:
    """Share of completions that are the same token for token."""
    pairs = [x.tokens == y.tokens for a, b in zip(first, second, strict=True) for x, y in zip(a, b, strict=True)]
    return sum(pairs) / len(pairs)


def plain_gap(policy: Policy, prompts: list[list[int]], found: list[list[Sample]]) -> dict[str, float]:
    """Noted log-probabilities against plain passes over float32 weights, on four completions of two prompts: nats a token."""
    some = [row[:4] for row in found[:2]]
    with torch.no_grad():
        plain = plain_logprobs(policy, prompts[:2], [[s.tokens for s in row] for row in some])
    noted = torch.tensor([p for row in some for s in row for p in s.logprobs])
    gaps = (noted - plain.logprobs[plain.mask].cpu()).abs()
    return {"mean": float(gaps.mean()), "largest": float(gaps.max())}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="135M")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=("auto", "bf16", "tf32", "fp32"), default="auto")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--prompt", type=int, default=512, help="tokens of a prompt")
    parser.add_argument("--group", type=int, default=16)
    parser.add_argument("--completion", type=int, default=32, help="most tokens of a completion")
    parser.add_argument("--end-share", type=float, default=0.0, help="share of the vocabulary that ends a completion")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lora-rank", type=int, default=0)
    parser.add_argument("--profile", action="store_true", help="list the dearest kernels of a token step")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure, print, and return what was printed."""
    given = parse(arguments)
    policy = make_policy(given)
    draw = random.Random(1)
    vocabulary = SHAPES[given.size][1]["vocabulary"]
    prompts = [[draw.randrange(3, vocabulary) for _ in range(given.prompt)] for _ in range(given.prompts)]
    keys = [[NoiseKey(1, 0, str(b), g) for g in range(given.group)] for b in range(given.prompts)]
    found: dict[str, list[list[Sample]]] = {}
    result: dict[str, Any] = {**vars(given), "card": torch.cuda.get_device_name() if given.device == "cuda" else "cpu"}
    result["resolved_precision"] = policy.precision
    for way in given.ways:

        def call(way: Decoding = way) -> None:
            found[way] = generate(policy, prompts, keys, max_new_tokens=given.completion, temperature=1.0, decoding=way)

        result[way] = measure(call, given) | {"gap_to_plain": plain_gap(policy, prompts, found[way])}
        if way != "ragged" and given.completion > 2:
            result[way]["token_step"] = step_seconds(policy, given, graph=way == "graph")
    state = SamplingState.of(policy)
    result["shared"] = policy.shared.enabled or policy.shared.reason
    result["why_no_graph"] = state.why_no_graph
    result["weights_copy_mb"] = state.shadow.nbytes / 1e6 if state.shadow else 0.0
    result["tokens"] = sum(len(s.tokens) for row in found[given.ways[-1]] for s in row)
    for way in given.ways[1:]:
        result[f"same_as_{given.ways[0]}_{way}"] = same_share(found[given.ways[0]], found[way])
    if {"static", "graph"} <= found.keys():
        result["graph_equals_static"] = found["graph"] == found["static"]
    if given.profile and given.ways[-1] != "ragged":
        result["step"] = dearest(policy, given)
    print(json.dumps(result, indent=2))
    return result


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
