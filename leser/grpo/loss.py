"""The policy loss: clipped surrogate, KL and entropy, normalised by a denominator given from outside. Pure functions.

Per token, with the ratio rho, the advantage A and the importance weight w:

    l = -w * min(rho A, clip(rho, 1 - low, 1 + high) A) + beta * KL - eta * H

PPO (arXiv 1707.06347); higher upper clip, DAPO (arXiv 2503.14476); dual clip (arXiv 1912.09729); ratio of the sequence, GSPO
(arXiv 2507.18071); CISPO (arXiv 2506.13585). Each function below states its own equation.

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
    """`loss` with gradient (a sum over the denominator); the rest are sums over active tokens, without gradient.

    `update_kl` is that of KL(old || policy), `corrected` counts tokens whose importance weight was truncated or masked.
    """

    loss: Tensor
    kl: Tensor
    clipped_low: Tensor
    clipped_high: Tensor
    update_kl: Tensor
    corrected: Tensor
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
    sampler_logprobs: Tensor | None = None,
    entropy: Tensor | None = None,
) -> LossParts:
    """The loss of one micro-batch; all tensors (B, G, C), `mask` True on tokens that count.

    Without `old_logprobs` the ratio is 1 and carries the gradient (one update on the policy's own samples). The reference is
    needed when `options.kl` > 0, the exact entropy of each token's distribution when `options.entropy_bonus` > 0, and the
    sampler's log-probabilities when `options.importance` corrects for them. Raises ValueError when one is missing.
    """
    mask = mask.to(torch.bool)
    logprobs = torch.where(mask, logprobs, 0.0)
    old = logprobs.detach() if old_logprobs is None else torch.where(mask, old_logprobs, 0.0)
    by_token = (logprobs - old).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
    log_ratio = sequence_log_ratio(logprobs, old, mask) if options.ratio == "sequence" else by_token
    ratio = log_ratio.exp()
    weights, corrected = importance_weights(old, sampler_logprobs, mask, options)
    per_token = -weights * surrogate(logprobs, ratio, advantages, options)
    kl = torch.zeros_like(per_token)
    if options.kl:
        if reference_logprobs is None:
            raise ValueError("a KL weight above 0 needs the reference's log-probabilities")
        kl = torch.where(mask, kl_divergence(logprobs, reference_logprobs, options.kl_estimate), 0.0)
        per_token = per_token + options.kl * kl
    if options.entropy_bonus:
        if entropy is None:
            raise ValueError("an entropy bonus above 0 needs the entropy of each token's distribution")
        per_token = per_token - options.entropy_bonus * sampled_entropy(logprobs, by_token.detach().exp(), entropy)
    per_token = torch.where(mask, per_token, 0.0)
    if options.loss == "sequence":
        per_token = per_token / mask.sum(-1, keepdim=True).clamp(min=1)
    with torch.no_grad():
        below = mask & (ratio < 1 - options.clip_low) & (advantages < 0) & (options.surrogate == "clip")
        above = mask & (ratio > 1 + options.clip_high)
        above = above & (advantages > 0) if options.surrogate == "clip" else above
        drift = by_token.exp() - by_token - 1
    return LossParts(
        per_token.sum() / max(denominator, 1.0),
        kl.detach().sum(),
        below.sum(),
        above.sum(),
        drift.sum(),
        corrected.sum(),
        log_ratio.detach().abs().amax() if log_ratio.numel() else torch.zeros(()),
    )


def sequence_log_ratio(logprobs: Tensor, old: Tensor, mask: Tensor) -> Tensor:
    """GSPO's ratio, the same for every token of a completion: log s = sum_t (logp_t - old_t) / |o| (arXiv 2507.18071, eq. 7).

    Each token carries the gradient of its own log-probability, s * exp(logp_t - stop(logp_t)) (GSPO-token, eq. 13): the same
    gradient as the sequence's where all tokens share one advantage, and right for advantages of single tokens too.
    """
    length = mask.sum(-1, keepdim=True).clamp(min=1)
    mean = (logprobs.detach() - old).sum(-1, keepdim=True) / length
    return mean.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO) + (logprobs - logprobs.detach())


def surrogate(logprobs: Tensor, ratio: Tensor, advantages: Tensor, options: GrpoOptions) -> Tensor:
    """What each token gains.

    clip: min(rho A, clip(rho, 1 - low, 1 + high) A), for A < 0 no less than dual_clip * A.
    cispo: stop(min(rho, 1 + high)) A logp, so that clipped tokens keep a bounded gradient (arXiv 2506.13585, eq. 4, 5).
    """
    if options.surrogate == "cispo":
        return ratio.clamp(max=1 + options.clip_high).detach() * advantages * logprobs
    clipped = ratio.clamp(1 - options.clip_low, 1 + options.clip_high)
    gain = torch.minimum(ratio * advantages, clipped * advantages)
    if options.dual_clip is None:
        return gain
    return torch.where(advantages < 0, torch.maximum(gain, options.dual_clip * advantages), gain)


def importance_weights(
    old: Tensor, sampler: Tensor | None, mask: Tensor, options: GrpoOptions
) -> tuple[Tensor, Tensor]:
    """Weights for completions drawn by a sampler that computes otherwise, without gradient; and which were corrected.

    token: w_t = p_old(t) / p_sampler(t). sequence: w = prod_t w_t, summed in log space and exponentiated once. A weight above
    the cap becomes the cap (truncate, truncated importance sampling) or 0 (mask). Raises ValueError without the sampler's.
    """
    none = torch.zeros_like(mask)
    if options.importance == "none":
        return torch.ones_like(old), none
    if sampler is None:
        raise ValueError("importance weights need the log-probabilities noted while sampling")
    level, _, outside = options.importance.partition("-")
    log_weight = torch.where(mask, old - sampler, 0.0).detach()
    if level == "sequence":
        log_weight = log_weight.sum(-1, keepdim=True).expand_as(old)
    weight = log_weight.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
    above = mask & (weight > options.importance_cap)
    if outside == "mask":
        return torch.where(above, 0.0, weight), above
    return weight.clamp(max=options.importance_cap), above


def kl_divergence(logprobs: Tensor, reference: Tensor, estimate: Literal["k1", "k2", "k3"]) -> Tensor:
    """Each token's estimate of KL(policy || reference) from the policy's own samples (J. Schulman, Approximating KL).

    k2 = (logp - ref)^2 / 2, whose gradient is on average that of the reverse KL (arXiv 2510.01555);
    k3 = exp(ref - logp) - (ref - logp) - 1, whose value is unbiased;
    k1 = logp - ref, unbiased too. The gradient of its own value is 0 on average, so it carries that of k2.
    """
    gap = (reference - logprobs).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
    if estimate == "k3":
        return gap.exp() - gap - 1
    k2 = 0.5 * gap**2
    return k2 if estimate == "k2" else k2 - k2.detach() - gap.detach()


def sampled_entropy(logprobs: Tensor, ratio: Tensor, entropy: Tensor) -> Tensor:
    """Each token's entropy H = -sum_a p(a) log p(a), with a gradient estimated from the token that was sampled.

    grad H = -E[(log p + H) grad log p]; H inside is a baseline, as E[grad log p] = 0. `ratio` weights samples of an older policy.
    """
    slope = -(ratio * (logprobs + entropy)).detach() * logprobs
    return entropy.detach() + slope - slope.detach()
