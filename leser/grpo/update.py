"""Updates of the policy from one batch: the gradient exact for any split and number of processes.

Every process holds some groups of the optimiser batch. The denominators are added up over processes before the first
backward pass and gradients after the last one, so the step is the one a single process would take on all groups.

With more than one update, rho = p / p_old, and p_old is what training's own code gave before the first update: the sampler's
log-probabilities differ from it by rounding (in bfloat16 by tenths of a nat), which is no move of the policy. A batch that an
older policy sampled brings its own p_old.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from leser.grpo.batch import GroupBatch, Piece, Ragged, mini_batches, padded, passes, select
from leser.grpo.loss import LossParts, batch_denominator, policy_loss
from leser.grpo.optimizer import make_optimizer
from leser.grpo.options import GrpoOptions
from leser.policy.memory import pass_tokens
from leser.policy.packed import GroupLogprobs, group_logprobs
from leser.policy.sharding import agree, idle_passes, learning, passes_short, whole_norm
from leser.processes import add_gradients, all_sum

if TYPE_CHECKING:
    from leser.policy.policy import Policy

__all__ = [
    "GroupBatch", "GrpoOptions", "UpdateStats", "accumulate", "learning_rate", "make_optimizer", "own_logprobs",
    "policy_update",
]  # fmt: skip
Noted = list[list[list[float]]]
MEANS = ("entropy", "kl", "update_kl", "clipped_low", "clipped_high", "corrected", "sampler_gap")
"""Figures that are means over active tokens."""


@dataclass(frozen=True, slots=True)
class UpdateStats:
    """What the updates from one batch did, over all processes; means are over active tokens (nats a token where it is a log).

    `update_kl` is KL(policy that sampled || policy) before the last update, `corrected` the share of tokens whose importance
    weight was truncated or masked, `updates` those that were made.
    """

    loss: float
    grad_norm: float
    learning_rate: float
    entropy: float
    kl: float
    update_kl: float
    clipped_low: float
    clipped_high: float
    corrected: float
    log_ratio_max: float
    sampler_gap: float
    tokens: int
    passes: int
    updates: int
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
    """Update the policy's weights from one batch: `epochs_per_batch` passes over it, each in `mini_batches` updates.

    `rate` is the peak learning rate (else the options'), `total` the number of updates its schedule spans. An update whose
    gradient is not finite is skipped and counted; `stop_kl` ends the updates early. The statistics are those of the last pass.
    """
    lr = learning_rate(step, options, total=total, peak=rate)
    for group in optimizer.param_groups:
        group["lr"] = lr
    whole = replace(batch, old_logprobs=batch.stale_logprobs)
    if options.mini_batches > 1 and batch.stale_logprobs is None:
        # the second of them no longer meets the policy that sampled
        whole = replace(batch, old_logprobs=own_logprobs(policy, batch, options))
    agree(policy, batch.prompts, batch.completions, options.temperature)
    with learning(policy) as learner:
        found, norm, updates, skipped = _updates(learner, optimizer, whole, options)
        optimizer.zero_grad(set_to_none=True)
    return UpdateStats(
        loss=sum(f["loss"] for f in found) / len(found), grad_norm=norm, learning_rate=lr,
        log_ratio_max=max(f["log_ratio_max"] for f in found), tokens=int(sum(f["tokens"] for f in found)),
        passes=int(sum(f["passes"] for f in found)), updates=updates, skipped=skipped,
        **{name: _mean(found, name) for name in MEANS},
    )  # fmt: skip


def _updates(
    policy: Policy, optimizer: torch.optim.Optimizer, batch: GroupBatch, options: GrpoOptions
) -> tuple[list[dict[str, float]], float, int, int]:
    """The updates from one batch: figures of the last pass over it, the last norm, how many were made and how many skipped."""
    whole, updates, skipped, stopped = batch, 0, 0, False
    for _ in range(options.epochs_per_batch):
        noted = _empty(batch) if whole.old_logprobs is None and options.epochs_per_batch > 1 else None
        found: list[dict[str, float]] = []
        for part in mini_batches(whole, options.mini_batches):
            optimizer.zero_grad(set_to_none=True)
            sums = accumulate(policy, part, options, on_policy=whole.old_logprobs is None, noted=noted)
            found.append(sums[0] | {"passes": sums[1]})
            norm = _add_up_and_clip(policy, optimizer, options.max_grad_norm)
            stopped = options.stop_kl is not None and _mean(found[-1:], "update_kl") > options.stop_kl
            if stopped:
                break
            if not found[-1]["tokens"]:
                continue  # no group had anything to teach, on any process: moments stay as they are
            if math.isfinite(norm):
                optimizer.step()
                updates += 1
            else:
                skipped += 1
        if stopped:
            break
        if noted is not None:
            whole = replace(batch, old_logprobs=noted)
    return found, norm, updates, skipped


def accumulate(
    policy: Policy,
    batch: GroupBatch,
    options: GrpoOptions,
    *,
    on_policy: bool = True,
    noted: Noted | None = None,
) -> tuple[dict[str, float], int]:
    """Add the gradient of the whole batch's loss to the parameters; returns sums over processes, and the passes that all made.

    `on_policy`: the batch's `old_logprobs` are not read, the policy's present ones stand in their place. `noted` is filled with
    these, as ragged as the completions, for the updates to come.
    """
    active = torch.as_tensor(np.asarray(batch.active, dtype=bool))
    lengths = torch.tensor([[float(len(c)) for c in group] for group in batch.completions], dtype=torch.float64)
    own = batch_denominator(lengths.reshape(active.shape), active, options.loss, options.loss_length)
    counted = float((lengths.reshape(active.shape) * active).sum())
    denominator, tokens = all_sum([own, counted], policy.device)
    sums = dict.fromkeys(("loss", *MEANS), 0.0)
    biggest, made = 0.0, 0
    planned = list(passes(batch, options, pass_tokens(policy, options)))
    short = passes_short(policy, len(planned))
    for pieces in planned:
        part = select(batch, pieces)
        result, mask, shape = _forward(policy, part, options)
        if noted is not None:
            _note(noted, pieces, result)
        parts, extra = _backward(policy, part, options, denominator, on_policy, result, mask, shape)
        made += 1
        figures = {name: getattr(parts, name) for name in sums if hasattr(parts, name)}
        figures |= {name: (values * mask).sum() for name, values in extra.items()}
        *found, largest = torch.stack([f.detach().float() for f in (*figures.values(), parts.log_ratio_max)]).tolist()
        for name, value in zip(figures, found, strict=True):
            sums[name] += value
        biggest = max(biggest, largest)
    idle_passes(policy, short)
    names = list(sums)
    sums = dict(zip(names, all_sum([sums[n] for n in names], policy.device), strict=True))
    biggest, *_ = all_sum([biggest], policy.device, largest=True)
    made, *_ = map(int, all_sum([made], policy.device))
    return {**sums, "tokens": tokens, "log_ratio_max": biggest}, made


Shape = tuple[int, ...]


def _forward(policy: Policy, part: GroupBatch, options: GrpoOptions) -> tuple[GroupLogprobs, Tensor, Shape]:
    """Log-probabilities with gradient, and the mask (B, G, C) of tokens of active completions."""
    result = group_logprobs(policy, part.prompts, part.completions, temperature=options.temperature)
    active = torch.as_tensor(np.asarray(part.active, dtype=bool), device=policy.device)
    return result, result.mask & active.unsqueeze(-1), tuple(result.logprobs.shape)


def _backward(
    policy: Policy, part: GroupBatch, options: GrpoOptions, denominator: float, on_policy: bool, result: GroupLogprobs,
    mask: Tensor, shape: Shape,
) -> tuple[LossParts, dict[str, Tensor]]:  # fmt: skip
    def laid(values: Ragged | None) -> Tensor | None:
        return None if values is None else padded(values, shape).to(policy.device)

    advantages = torch.as_tensor(np.asarray(part.advantages), dtype=torch.float32, device=policy.device)
    advantages = advantages.unsqueeze(-1).expand(shape) if advantages.dim() == 2 else advantages[..., : shape[-1]]
    old = None if on_policy else laid(part.old_logprobs)
    sampled = laid(part.sampler_logprobs)
    parts = policy_loss(
        result.logprobs,
        mask,
        advantages,
        denominator=denominator,
        options=options,
        old_logprobs=old,
        reference_logprobs=laid(part.reference_logprobs),
        sampler_logprobs=sampled,
        entropy=result.entropy,
    )
    parts.loss.backward()  # type: ignore[no-untyped-call]
    own = result.logprobs.detach() if old is None else old
    gap = torch.zeros_like(own) if sampled is None else (own - sampled).abs()
    return parts, {"entropy": result.entropy, "sampler_gap": gap}


def own_logprobs(policy: Policy, batch: GroupBatch, options: GrpoOptions) -> Noted:
    """The policy's log-probabilities of the batch by training's own code, without gradient; empty where nothing is taught."""
    noted = _empty(batch)
    with torch.no_grad():
        for pieces in passes(batch, options, pass_tokens(policy, options)):
            _note(noted, pieces, _forward(policy, select(batch, pieces), options)[0])
    return noted


def _empty(batch: GroupBatch) -> Noted:
    return [[[] for _ in group] for group in batch.completions]


def _note(noted: Noted, pieces: list[Piece], result: GroupLogprobs) -> None:
    lengths = result.mask.sum(-1).tolist()
    for (group, columns), values, held in zip(pieces, result.logprobs.tolist(), lengths, strict=True):
        for column, row, length in zip(columns, values, held, strict=False):
            noted[group][column] = row[:length]


def _mean(found: list[dict[str, float]], name: str) -> float:
    return sum(f[name] for f in found) / max(sum(f["tokens"] for f in found), 1.0)


def _add_up_and_clip(policy: Policy, optimizer: torch.optim.Optimizer, max_norm: float) -> float:
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    if policy.root is None:  # shards are added up as they are made
        add_gradients(trained)
    return whole_norm(torch.nn.utils.clip_grad_norm_(trained, max_norm))
