"""Advantages: how much better each completion did than the others of its query. Pure functions on float64 arrays.

A = (r - baseline) / scale, over the completions of a group that count:

    GRPO     (r - mean) / std              baseline = mean, scale = group
    Dr. GRPO  r - mean                     baseline = mean, scale = none
    RLOO      r - mean of the others       baseline = leave_one_out, scale = none
    GDPO      sum_k w_k (r_k - mean_k) / std_k, then standardised over the batch      combine = each

GRPO (arXiv 2402.03300) divides by the group's
standard deviation; Dr. GRPO (arXiv 2503.20783) by nothing; Lite PPO (arXiv 2508.08221) by the batch's. RLOO (arXiv
2402.14740) takes the mean of the others as baseline. GDPO normalises every reward by itself before they are added, so
that different combinations of rewards with one sum stay different.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from leser.grpo.options import GrpoOptions

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
EPSILON = 1e-4  # beside a standard deviation, as in TRL: rewards of order 1, noise of order 1e-7


@dataclass(frozen=True, slots=True)
class Advantages:
    """`advantages` (B, G), 0 where not active; `active` (B, G): counts in loss and tokens; `zero_variance` (B,): no range."""

    advantages: Array
    active: Mask
    zero_variance: Mask


def group_advantages(
    rewards: npt.ArrayLike,
    *,
    excluded: npt.ArrayLike | None = None,
    components: npt.ArrayLike | None = None,
    weights: Sequence[float] | None = None,
    options: GrpoOptions | None = None,
) -> Advantages:
    """Advantages of rewards (B, G); what is `excluded` (a failed search) or NaN enters neither baseline nor loss.

    `components` (B, G, K) and their `weights` (K,) are needed for `combine = "each"`, where a group has zero variance only if
    every component is; NaN in a component means that it does not apply, and counts 0. A group with fewer than two
    usable completions counts as one. Raises ValueError when shapes do not fit.
    """
    options = options or GrpoOptions()
    total = np.asarray(rewards, dtype=np.float64)
    usable = np.isfinite(total) if excluded is None else np.isfinite(total) & ~np.asarray(excluded, dtype=bool)
    if options.combine == "each":
        if components is None or weights is None:
            raise ValueError("combine = 'each' needs the rewards one by one (components) and their weights")
        advantages, zero_variance = _each(
            np.asarray(components, dtype=np.float64), np.asarray(weights, dtype=np.float64), usable, options
        )
    else:
        zero_variance = zero_variance_groups(total, usable, options.zero_variance_range)
        advantages = normalised(total, usable, zero_variance, baseline=options.baseline, scale=options.scale)
    active = usable & ~zero_variance[:, None] if options.zero_variance_groups == "drop" else usable
    return Advantages(np.where(usable & ~zero_variance[:, None], advantages, 0.0), active, zero_variance)


def below_readable(rewards: Array, gated: Mask, usable: Mask, margin: float | None) -> Array:
    """Rewards (B, G) or components of them (B, G, K) in which what is `gated` counts as its group's worst readable one - margin.

    A group without a usable readable completion keeps its rewards, and all do where `margin` is None.
    """
    if margin is None:
        return rewards
    apart = (..., *[None] * (rewards.ndim - gated.ndim))
    worst = worst_readable(rewards, gated[apart], usable[apart])
    return np.where(gated[apart] & np.isfinite(worst), worst - margin, rewards)


def worst_readable(rewards: Array, gated: Mask, usable: Mask) -> Array:
    """The least reward of a group that is usable and not gated, (B, G, ...) -> (B, 1, ...); infinite where there is none."""
    worst: Array = np.where(usable & ~gated, rewards, np.inf).min(axis=1, keepdims=True)
    return worst


def zero_variance_groups(rewards: Array, usable: Mask, tolerance: float) -> Mask:
    """Groups (B,) whose usable rewards (B, G) span at most `tolerance`; a range, unlike a deviation, is exact."""
    low = np.where(usable, rewards, np.inf).min(axis=1)
    high = np.where(usable, rewards, -np.inf).max(axis=1)
    alive: Mask = (usable.sum(axis=1) > 1) & (high - low > tolerance)
    return ~alive


def normalised(
    rewards: Array,
    usable: Mask,
    zero_variance: Mask,
    *,
    baseline: Literal["mean", "leave_one_out"] = "mean",
    scale: Literal["none", "group", "batch"] = "none",
) -> Array:
    """(r - baseline) / scale, (B, G) -> (B, G); exactly 0 in zero-variance groups and where not usable; unbiased deviations."""
    kept = np.where(usable, rewards, 0.0)
    count = usable.sum(axis=1, keepdims=True)
    centred = np.where(usable, kept - kept.sum(axis=1, keepdims=True) / np.maximum(count, 1), 0.0)
    advantages = centred * (count / np.maximum(count - 1, 1)) if baseline == "leave_one_out" else centred
    advantages = advantages / divisor(rewards, usable, scale)
    return np.where(usable & ~zero_variance[:, None], advantages, 0.0)


def divisor(rewards: Array, usable: Mask, scale: Literal["none", "group", "batch"]) -> Array:
    """What advantages are divided by, (B, 1): 1, or the unbiased deviation of the group's or the batch's rewards + EPSILON."""
    if scale == "group":
        kept = np.where(usable, rewards, 0.0)
        count = usable.sum(axis=1, keepdims=True)
        centred = np.where(usable, kept - kept.sum(axis=1, keepdims=True) / np.maximum(count, 1), 0.0)
        return np.asarray(np.sqrt((centred**2).sum(axis=1, keepdims=True) / np.maximum(count - 1, 1)) + EPSILON)
    if scale == "batch" and usable.sum() > 1:
        return np.full((len(rewards), 1), float(np.std(rewards[usable], ddof=1)) + EPSILON)
    return np.ones((len(rewards), 1))


def _each(components: Array, weights: Array, usable: Mask, options: GrpoOptions) -> tuple[Array, Mask]:
    """GDPO: sum over k of w_k (r_k - baseline) / (std_k + e), then centred and scaled over the batch."""
    total, zero_variance = np.zeros(usable.shape), np.ones(len(usable), dtype=bool)
    for k, weight in enumerate(weights):
        if not weight:
            continue
        reward = np.where(np.isfinite(components[..., k]), components[..., k], 0.0)
        still = zero_variance_groups(reward, usable, options.zero_variance_range)
        total += weight * normalised(reward, usable, still, baseline=options.baseline, scale="group")
        zero_variance &= still
    live = usable & ~zero_variance[:, None]
    if live.sum() > 1:
        total = (total - total[live].mean()) / (total[live].std(ddof=1) + EPSILON)
    return total, zero_variance


def with_term_credit(
    advantage: float, term_of_token: Sequence[int], lost: Sequence[float], share: float
) -> list[float]:
    """Advantages of one completion's tokens: those of term j get (1 - share) * A + share * lost[j], all others A.

    `term_of_token` names each token's term (-1: none); `lost[j]` is what the reward loses when term j is left out,
    NaN where that search failed (its tokens then get A).
    """
    credits = [advantage if np.isnan(loss) else (1 - share) * advantage + share * loss for loss in lost]
    return [advantage if term < 0 else float(credits[term]) for term in term_of_token]


def overlong_penalty(lengths: npt.ArrayLike, limit: int, options: GrpoOptions) -> Array:
    """What is taken off each reward for length: overlong_penalty * (|y| - s) / (limit - s) beyond s = overlong_start * limit.

    DAPO's soft overlong punishment (arXiv 2503.14476, eq. 13); `lengths` are tokens, the penalty is in units of reward.
    """
    begin = options.overlong_start * limit
    return options.overlong_penalty * np.clip(
        (np.asarray(lengths, dtype=np.float64) - begin) / (limit - begin), 0.0, 1.0
    )


def spread(advantages: npt.ArrayLike, lengths: Sequence[Sequence[int]], width: int) -> npt.NDArray[Any]:
    """Advantages of completions (B, G) as those of tokens (B, G, width); tokens past a completion's length get 0."""
    whole = np.repeat(np.asarray(advantages, dtype=np.float64)[..., None], width, axis=2)
    return np.where(np.arange(width) < np.asarray(lengths)[..., None], whole, 0.0)
