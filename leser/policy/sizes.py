"""What training a policy needs in a GPU's memory, computed from its configuration before a weight is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch.nn import ModuleList

from leser.policy.memory import TOKENS_PER_PASS, activation_bytes, fitting_tokens, pair_bytes
from leser.policy.options import PolicyOptions

if TYPE_CHECKING:
    from leser.policy.policy import Policy

CARDS = (24, 40, 80)
"""Gigabytes of the GPUs that people have."""
COUNTS = (2, 4, 8)
"""Processes over which weights may be split."""
USABLE = 0.94
"""Share of a card's memory that is left beside the driver's and the allocator's own."""
NF4_BYTES = 0.52
"""Bytes per weight in 4 bits with doubly quantised constants (arXiv 2305.14314, section 3)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is sampled at once, what a pass of training is bounded to (None: by free memory), and the optimiser's bytes
    per trained weight."""

    prompts: int
    group: int
    prompt_tokens: int
    completion_tokens: int
    tokens_per_pass: int | None
    reference: bool
    moment_bytes: float = 8.0


def memory_needed(policy: Policy, options: PolicyOptions, batch: Batch) -> dict[str, int]:
    """Bytes by what they are for; `policy` may be one without weights (preview_policy)."""
    parameters = list(policy.model.parameters())
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    frozen = sum(p.numel() for p in parameters if not p.requires_grad)
    frozen_bytes = _frozen_bytes(options)
    matrices = 0
    if options.quantize != "none":
        embeddings: Any = policy.causal_lm.get_input_embeddings()
        matrices = (
            sum(p.numel() for p in parameters if not p.requires_grad and p.dim() == 2) - embeddings.weight.numel()
        )
    half = options.precision in ("auto", "bf16")
    rows = batch.prompts * batch.group
    seen = batch.prompts * batch.prompt_tokens + rows * batch.completion_tokens
    rounded = trained + (frozen if options.dtype == "float32" else 0)
    return {
        "weights": int(4 * trained + frozen_bytes * (frozen - matrices) + NF4_BYTES * matrices),
        "rounded weights of a pass": 2 * rounded if half else 0,
        "copy that samples": 2 * (trained + frozen) if half else 0,
        "gradients": 4 * trained,
        "moments": int(batch.moment_bytes * trained),
        "reference": 4 * trained if batch.reference else 0,
        "keys and values": seen * pair_bytes(policy.causal_lm.config.get_text_config(), 2 if half else 4),
        f"a pass of {tokens_of(batch):,} tokens": tokens_of(batch) * per_token(policy, options),
    }


def in_shards(policy: Policy, options: PolicyOptions, batch: Batch, count: int) -> tuple[int, int]:
    """Bytes in each of `count` processes with policy.shard=fsdp, while it learns and while it samples.

    While it learns it holds its share, the weights outside of the layers, and two layers: one is computed, one on its way.
    """
    needed = memory_needed(policy, options, batch)
    weights = {
        id(p): p.numel() * (4.0 if p.requires_grad else _frozen_bytes(options)) for p in policy.model.parameters()
    }
    whole = sum(weights.values())
    layers = max((m for m in policy.model.modules() if isinstance(m, ModuleList)), key=len)
    sizes = [sum(weights[id(p)] for p in layer.parameters()) for layer in layers]
    gathered = whole - sum(sizes) + 2 * max(sizes)
    rounded = needed["rounded weights of a pass"] * gathered / whole
    kept = needed["copy that samples"] + needed["reference"]
    own = (whole + needed["gradients"] + needed["moments"]) / count
    learning = own + gathered + rounded + kept + list(needed.values())[-1]
    sampling = whole + (whole + needed["moments"]) / count + kept + needed["keys and values"]
    return int(learning), int(sampling)


def _frozen_bytes(options: PolicyOptions) -> float:
    return 2.0 if options.dtype == "bfloat16" else 4.0


def tokens_of(batch: Batch) -> int:
    """Tokens of the pass that is accounted for: no more than the batch holds."""
    whole = batch.prompts * (batch.prompt_tokens + batch.group * batch.completion_tokens)
    return min(whole, batch.tokens_per_pass or TOKENS_PER_PASS)


def per_token(policy: Policy, options: PolicyOptions) -> int:
    """Bytes per token that a pass on a GPU keeps for its backward pass."""
    half = options.precision in ("auto", "bf16") or options.dtype == "bfloat16"
    return activation_bytes(policy, half=2 if half else 4)


def memory_table(policy: Policy, options: PolicyOptions, batch: Batch) -> str:
    """The bytes as lines of text, and for each card whether it holds them and how large a pass may be."""
    needed = memory_needed(policy, options, batch)
    precision = "bf16" if options.precision == "auto" else options.precision
    lines = [f"Memory of training on a GPU, {precision}, by the model's configuration (GB):"]
    lines += [f"  {name:<28}{size / 1e9:>9.2f}" for name, size in needed.items() if size]
    lines.append(f"  {'together':<28}{sum(needed.values()) / 1e9:>9.2f}")
    fixed = sum(list(needed.values())[:-1])
    for card in CARDS:
        lines.append(f"  {f'{card} GB':<28}{_on_card(card, fixed, policy, options, batch)}")
    for count in COUNTS if options.shard == "fsdp" else ():
        learning, sampling = (size / 1e9 for size in in_shards(policy, options, batch, count))
        lines.append(
            f"  {f'in each of {count} processes':<28}{max(learning, sampling):>9.2f}, {learning:.2f} while it learns"
        )
    return "\n".join(lines)


def _on_card(card: int, fixed: int, policy: Policy, options: PolicyOptions, batch: Batch) -> str:
    room = int(USABLE * card * 1e9) - fixed
    least = batch.prompt_tokens + batch.completion_tokens
    tokens = batch.tokens_per_pass or fitting_tokens(room, per_token(policy, options))
    if room < max(least, tokens if batch.tokens_per_pass else 0) * per_token(policy, options):
        return f"{'no':>9}"
    return f"{'yes':>9}, {tokens:,} tokens per pass"
