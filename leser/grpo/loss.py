"""The policy loss: clipped surrogate and KL, normalised by a denominator given from outside.

With rho = exp(logp - logp_old): l = -min(rho A, clip(rho, 1 - low, 1 + high) A), for A < 0 bounded below by dual_clip
* A (PPO, arXiv 1707.06347; higher upper clip, DAPO, arXiv 2503.14476; dual clip, arXiv 1912.09729).

The denominator is that of the whole optimiser batch (every micro-batch and rank), so that any split of the batch
gives the same gradient. Sums, not means, leave this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from leser.grpo.options import GrpoOptions

MAX_LOG_RATIO = 20.0  # exp(20) is still a finite float32, and far outside any clip
LossMode = Literal["token", "sequence", "constant"]


@dataclass(frozen=True, slots=True)
class LossParts:
    """`loss` with gradient (a sum over the denominator); the rest are sums over active tokens, without gradient."""

    loss: Tensor
    kl: Tensor
    clipped_low: Tensor
    clipped_high: Tensor
    log_ratio_max: Tensor


def batch_denominator(lengths: Tensor, active: Tensor, mode: LossMode, loss_length: int) -> float:
    """What the loss is divided by: lengths (B, G) and active (B, G) of this process's whole batch; add up over ranks.

    token: active tokens. sequence: active completions that hold a token. constant: those times `loss_length`.
    """
    counts = lengths * active
    if mode == "token":
        return float(counts.sum())
    return float((counts > 0).sum()) * (loss_length if mode == "constant" else 1)


def policy_loss(
    logprobs: Tensor,
    mask: Tensor,
    advantages: Tensor,
    *,
    denominator: float,
    options: GrpoOptions,
    old_logprobs: Tensor | None = None,
    reference_logprobs: Tensor | None = None,
) -> LossParts:
    """The loss of one micro-batch; all tensors (B, G, C), `mask` True on tokens that count.

    Without `old_logprobs` the ratio is 1 and carries the gradient (one update on the policy's own samples). The
    reference is needed when `options.kl` > 0. Raises ValueError when it is missing.
    """
    mask = mask.to(torch.bool)
    old = logprobs.detach() if old_logprobs is None else old_logprobs
    log_ratio = torch.where(mask, logprobs - old, 0.0).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
    ratio = log_ratio.exp()
    low, high = 1 - options.clip_low, 1 + options.clip_high
    gain = torch.minimum(ratio * advantages, ratio.clamp(low, high) * advantages)
    if options.dual_clip is not None:
        gain = torch.where(advantages < 0, torch.maximum(gain, options.dual_clip * advantages), gain)
    per_token = -gain
    kl = torch.zeros_like(per_token)
    if options.kl:
        if reference_logprobs is None:
            raise ValueError("a KL weight above 0 needs the reference's log-probabilities")
        kl = torch.where(mask, kl_divergence(logprobs, reference_logprobs, options.kl_estimate), 0.0)
        per_token = per_token + options.kl * kl
    per_token = torch.where(mask, per_token, 0.0)
    if options.loss == "sequence":
        per_token = per_token / mask.sum(-1, keepdim=True).clamp(min=1)
    with torch.no_grad():
        below = mask & (ratio < low) & (advantages < 0)
        above = mask & (ratio > high) & (advantages > 0)
    return LossParts(
        per_token.sum() / max(denominator, 1.0),
        kl.detach().sum(),
        below.sum(),
        above.sum(),
        log_ratio.detach().abs().amax() if log_ratio.numel() else torch.zeros(()),
    )


def kl_divergence(logprobs: Tensor, reference: Tensor, estimate: Literal["k2", "k3"]) -> Tensor:
    """Each token's estimate of KL(policy || reference) from the policy's own samples (J. Schulman, Approximating KL).

    k2 = (logp - ref)^2 / 2, whose gradient is on average that of the reverse KL (arXiv 2510.01555);
    k3 = exp(ref - logp) - (ref - logp) - 1, whose value is unbiased.
    """
    gap = (reference - logprobs).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
    return 0.5 * gap**2 if estimate == "k2" else gap.exp() - gap - 1
