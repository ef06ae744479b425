"""One policy update: micro-batches of whole groups, the gradient exact for any split and number of processes.

Every process holds some groups of the optimiser batch. The denominators are added up over processes before the first
backward pass and gradients after the last one, so the step is the one a single process would take on all groups.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from leser.grpo.loss import LossParts, batch_denominator, policy_loss
from leser.grpo.optimizer import make_optimizer
from leser.grpo.options import GrpoOptions
from leser.policy.packed import group_logprobs

if TYPE_CHECKING:
    from leser.policy.policy import Policy

__all__ = ["GroupBatch", "GrpoOptions", "UpdateStats", "learning_rate", "make_optimizer", "policy_update"]
Ragged = Sequence[Sequence[Sequence[float]]]


@dataclass(frozen=True, slots=True)
class GroupBatch:
    """B groups of G completions and what they earned.

    `advantages` (B, G), or (B, G, C) for single tokens; `active` (B, G) False for completions that count nowhere.
    `old_logprobs` are those noted while sampling, `reference_logprobs` those of the policy GRPO started with (needed
    for a KL weight above 0); both as ragged as `completions`.
    """

    prompts: Sequence[list[int]]
    completions: Sequence[Sequence[list[int]]]
    advantages: Any
    active: Any
    old_logprobs: Ragged | None = None
    reference_logprobs: Ragged | None = None


@dataclass(frozen=True, slots=True)
class UpdateStats:
    """What one update did, over all processes; means are over active tokens (nats a token where it is a log)."""

    loss: float
    grad_norm: float
    learning_rate: float
    entropy: float
    kl: float
    clipped_low: float
    clipped_high: float
    log_ratio_max: float
    sampler_gap: float
    tokens: int
    passes: int
    skipped: int

    def metrics(self) -> dict[str, float]:
        """The numbers by name, for a row of metrics."""
        return {name: float(getattr(self, name)) for name in self.__dataclass_fields__}


def learning_rate(step: int, options: GrpoOptions, *, total: int | None = None, peak: float | None = None) -> float:
    """The rate of update number `step` (from 0): a linear rise over `warmup_steps`, then the schedule."""
    top = peak if peak is not None else (options.learning_rate if options.learning_rate is not None else 1e-5)
    if step < options.warmup_steps:
        return top * (step + 1) / options.warmup_steps
    if options.schedule == "constant" or not total:
        return top
    done = min(1.0, (step - options.warmup_steps) / max(1, total - options.warmup_steps))
    share = 1 - done if options.schedule == "linear" else 0.5 + 0.5 * math.cos(math.pi * done)
    return top * (options.final_rate + (1 - options.final_rate) * share)


def policy_update(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    batch: GroupBatch,
    options: GrpoOptions,
    *,
    step: int = 0,
    total: int | None = None,
    rate: float | None = None,
) -> UpdateStats:
    """Update the policy's weights from one batch, `options.epochs_per_batch` times.

    `rate` is the peak learning rate (else the options'), `total` the number of updates its schedule spans. A step whose
    gradient is not finite is skipped and counted. The statistics are those of the last epoch.
    """
    lr = learning_rate(step, options, total=total, peak=rate)
    for group in optimizer.param_groups:
        group["lr"] = lr
    skipped = 0
    for epoch in range(options.epochs_per_batch):
        optimizer.zero_grad(set_to_none=True)
        # on the first epoch the policy is the one that sampled: its own log-probabilities are the old ones
        sums, passes = accumulate(policy, batch, options, on_policy=epoch == 0)
        norm = _all_reduce_and_clip(optimizer, options.max_grad_norm)
        if math.isfinite(norm):
            optimizer.step()
        else:
            skipped += 1
    optimizer.zero_grad(set_to_none=True)
    tokens = max(sums["tokens"], 1.0)
    mean = {name: sums[name] / tokens for name in ("entropy", "kl", "clipped_low", "clipped_high", "sampler_gap")}
    return UpdateStats(
        loss=sums["loss"], grad_norm=norm, learning_rate=lr, log_ratio_max=sums["log_ratio_max"],
        tokens=int(sums["tokens"]), passes=passes, skipped=skipped, **mean,
    )  # fmt: skip


def accumulate(
    policy: Policy, batch: GroupBatch, options: GrpoOptions, *, on_policy: bool = True
) -> tuple[dict[str, float], int]:
    """Add the gradient of the whole batch's loss to the parameters; returns sums over processes and the passes made."""
    lengths = torch.tensor([[len(c) for c in group] for group in batch.completions], dtype=torch.float64)
    active = torch.as_tensor(np.asarray(batch.active, dtype=bool))
    own = batch_denominator(lengths, active, options.loss, options.loss_length)
    denominator, tokens = _all_sum([own, float((lengths * active).sum())], policy.device)
    sums = dict.fromkeys(("loss", "entropy", "kl", "clipped_low", "clipped_high", "sampler_gap"), 0.0)
    biggest, passes = 0.0, 0
    for part in micro_batches(batch, options):
        parts, mask, extra = _backward(policy, part, options, denominator, on_policy)
        passes += 1
        sums["loss"] += float(parts.loss.detach())
        sums["kl"] += float(parts.kl)
        sums["clipped_low"] += float(parts.clipped_low)
        sums["clipped_high"] += float(parts.clipped_high)
        sums["entropy"] += float((extra["entropy"] * mask).sum())
        sums["sampler_gap"] += float((extra["gap"] * mask).sum())
        biggest = max(biggest, float(parts.log_ratio_max))
    names = list(sums)
    sums = dict(zip(names, _all_sum([sums[n] for n in names], policy.device), strict=True))
    return {**sums, "tokens": tokens, "log_ratio_max": biggest}, passes


def _backward(
    policy: Policy, part: GroupBatch, options: GrpoOptions, denominator: float, on_policy: bool
) -> tuple[LossParts, Tensor, dict[str, Tensor]]:
    result = group_logprobs(policy, part.prompts, part.completions, temperature=options.temperature)
    shape, device = result.mask.shape, policy.device
    active = torch.as_tensor(np.asarray(part.active, dtype=bool), device=device)
    mask = result.mask & active.unsqueeze(-1)
    advantages = torch.as_tensor(np.asarray(part.advantages), dtype=torch.float32, device=device)
    advantages = advantages.unsqueeze(-1).expand(shape) if advantages.dim() == 2 else advantages[..., : shape[2]]
    noted = None if part.old_logprobs is None else padded(part.old_logprobs, shape).to(device)
    parts = policy_loss(
        result.logprobs,
        mask,
        advantages,
        denominator=denominator,
        options=options,
        old_logprobs=None if on_policy else noted,
        reference_logprobs=None
        if part.reference_logprobs is None
        else padded(part.reference_logprobs, shape).to(device),
    )
    parts.loss.backward()  # type: ignore[no-untyped-call]
    gap = torch.zeros(shape, device=device) if noted is None else (result.logprobs.detach() - noted).abs()
    return parts, mask, {"entropy": result.entropy, "gap": gap}


def micro_batches(batch: GroupBatch, options: GrpoOptions) -> Iterator[GroupBatch]:
    """The groups that have something to teach, longest prompts together, at most `tokens_per_pass` tokens at once."""
    size = [len(p) + sum(map(len, group)) for p, group in zip(batch.prompts, batch.completions, strict=True)]
    advantages, active = np.asarray(batch.advantages), np.asarray(batch.active, dtype=bool)
    taught = [i for i in range(len(size)) if active[i].any() and (options.kl or np.any(advantages[i][active[i]]))]
    chosen: list[int] = []
    used = 0
    for i in sorted(taught, key=lambda i: (len(batch.prompts[i]), i)):
        if chosen and used + size[i] > options.tokens_per_pass:
            yield _select(batch, chosen)
            chosen, used = [], 0
        chosen.append(i)
        used += size[i]
    if chosen:
        yield _select(batch, chosen)


def _select(batch: GroupBatch, rows: Sequence[int]) -> GroupBatch:
    def some(values: Ragged | None) -> Ragged | None:
        return None if values is None else [values[i] for i in rows]

    return GroupBatch(
        [batch.prompts[i] for i in rows],
        [batch.completions[i] for i in rows],
        np.asarray(batch.advantages)[list(rows)],
        np.asarray(batch.active)[list(rows)],
        some(batch.old_logprobs),
        some(batch.reference_logprobs),
    )


def padded(values: Ragged, shape: Sequence[int]) -> Tensor:
    """Ragged numbers as a float32 tensor of `shape` (B, G, C), 0 after each row's end."""
    out = torch.zeros(*shape)
    for b, group in enumerate(values):
        for g, row in enumerate(group):
            out[b, g, : len(row)] = torch.tensor(row, dtype=torch.float32)
    return out


def _all_sum(values: list[float], device: torch.device) -> list[float]:
    """Sums over all processes; the values themselves where there is one process."""
    if not (dist.is_available() and dist.is_initialized()):
        return values
    where = device if dist.get_backend() == "nccl" else torch.device("cpu")
    tensor = torch.tensor(values, dtype=torch.float64, device=where)
    dist.all_reduce(tensor)
    return [float(v) for v in tensor.tolist()]


def _all_reduce_and_clip(optimizer: torch.optim.Optimizer, max_norm: float) -> float:
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    if dist.is_available() and dist.is_initialized():
        for parameter in trained:
            if parameter.grad is None:  # a process whose groups were all dead still takes part
                parameter.grad = torch.zeros_like(parameter)
            dist.all_reduce(parameter.grad)
    return float(torch.nn.utils.clip_grad_norm_(trained, max_norm))
