"""How fast a step was: searches, completions and tokens per second, and how much of the device the model's products took."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leser.engine import SearchStats
from leser.processes import Processes

if TYPE_CHECKING:
    from leser.policy.policy import Policy

PEAKS: Mapping[str, Mapping[str, float]] = {
    "H200": {"bf16": 989e12, "tf32": 494e12, "fp32": 67e12},
    "H100 PCIe": {"bf16": 756e12, "tf32": 378e12, "fp32": 51e12},
    "H100": {"bf16": 989e12, "tf32": 494e12, "fp32": 67e12},
    "A100": {"bf16": 312e12, "tf32": 156e12, "fp32": 19.5e12},
    "L40S": {"bf16": 362e12, "tf32": 183e12, "fp32": 91.6e12},
    "L4": {"bf16": 121e12, "tf32": 60e12, "fp32": 30.3e12},
    "A10": {"bf16": 125e12, "tf32": 62.5e12, "fp32": 31.2e12},
}
"""Floating-point operations per second of dense products, by what stands in the device's name (the maker's data sheets)."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a step put through the model: prompts and completions that were sampled, and those that were learned from."""

    prompts: float
    completions: float
    trained_prompts: float
    trained_completions: float

    @classmethod
    def of(cls, metrics: Mapping[str, Any], completions: int, group: int, prompt: float) -> Tokens:
        """From a step's figures; `prompt` is a prompt's mean length. A group's prompt is read once, and trained on once."""
        groups = completions / group
        active = groups * (1 - metrics["zero_variance_groups"])
        return cls(groups * prompt, completions * metrics["length"], active * prompt, metrics["tokens"])


def speeds(policy: Policy, tokens: Tokens, completions: int, seconds: float, processes: Processes) -> dict[str, float]:
    """Completions and tokens per second of a whole step, and `mfu` where the device's peak is known."""
    found = {"completions_per_s": completions / seconds, "tokens_per_s": tokens.completions / seconds}
    peak = _peak(policy)
    if peak is not None:
        found["mfu"] = model_flops(policy, tokens) / (seconds * processes.count * peak)
    return found


def searched(before: SearchStats, after: SearchStats, seconds: float, processes: Processes) -> dict[str, float]:
    """Searches per second of an update, and the share of its queries that the cache answered; of all processes."""
    own = (after.asked - before.asked, after.searches - before.searches, after.cache_hits - before.cache_hits)
    asked, searches, hits = (sum(counts) for counts in zip(*processes.gather(own), strict=True))
    return {"searches_per_s": searches / seconds, "cache_hits": hits / max(1, asked)}


def model_flops(policy: Policy, tokens: Tokens) -> float:
    """Operations that the step's tokens need at the least (PaLM, arXiv 2204.02311, appendix B, without attention).

    2 per weight and token forward, 2 for the gradient of what went in, 2 for that of each trained weight. The head is for
    completions alone, and looking up an embedding costs nothing.
    """
    model: Any = policy.causal_lm
    head, embeddings = model.get_output_embeddings().weight, model.get_input_embeddings().weight
    outside = {id(head), id(embeddings)}
    weights = [weight for weight in policy.model.parameters() if id(weight) not in outside]
    body, output = float(sum(map(_numbers, weights))), float(_numbers(head))
    trained = float(sum(weight.numel() for weight in weights if weight.requires_grad))
    trained_output = output if head.requires_grad else 0.0
    forward = body * (tokens.prompts + tokens.completions) + output * tokens.completions
    learned = (2 * body + trained) * (tokens.trained_prompts + tokens.trained_completions)
    learned += (2 * output + trained_output) * tokens.trained_completions
    return 2 * (forward + learned)


def _numbers(weight: Any) -> int:
    """How many numbers a weight holds; two lie in a byte of 4-bit weights."""
    return int(weight.numel()) * (1 if weight.is_floating_point() else 2)


def _peak(policy: Policy) -> float | None:
    if policy.device.type != "cuda":
        return None
    import torch

    return peak_of(torch.cuda.get_device_name(policy.device), policy.precision)


def peak_of(name: str, precision: str) -> float | None:
    """The peak of the device of this name in a precision; None for one that is not in the table."""
    return next((of[precision] for card, of in PEAKS.items() if re.search(rf"\b{card}\b", name)), None)
