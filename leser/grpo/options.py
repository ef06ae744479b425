"""How a policy is updated from rewards; imports nothing heavy."""

from __future__ import annotations

from importlib.util import find_spec
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from leser.errors import LeserError
from leser.options import Options

OptimizerName = Literal["adamw", "adamw8bit"]


class GrpoOptions(Options):
    """GRPO: sampling, advantages, loss and optimiser."""

    renamed: ClassVar[dict[str, str]] = {
        "dead_groups": "zero_variance_groups",
        "dead_range": "zero_variance_range",
        "term_credit": "credit",
    }

    group_size: int = Field(16, ge=2, description="completions sampled for each query")
    temperature: float = Field(1.0, gt=0, description="sampling temperature; the loss uses the same")
    baseline: Literal["mean", "leave_one_out"] = Field(
        "mean", description="mean: the group's mean reward; leave_one_out: the mean of the others (RLOO)"
    )
    scale: Literal["none", "group", "batch"] = Field(
        "none",
        description="divide advantages by nothing (Dr. GRPO), the group's standard deviation (GRPO) or the batch's",
    )
    combine: Literal["sum", "each"] = Field(
        "sum",
        description="sum: weighted rewards are added first; each: every reward is normalised by itself first (GDPO)",
    )
    zero_variance_range: float = Field(
        1e-6,
        ge=0,
        description="a group whose rewards span no more than this is a zero-variance group: it teaches nothing",
    )
    zero_variance_groups: Literal["drop", "count"] = Field(
        "drop", description="drop: zero-variance groups leave loss and token count; count: they stay in the token count"
    )
    truncated: Literal["gated", "masked"] = Field(
        "gated",
        description="a completion cut at the length limit is gated like any other that cannot be read, or masked: it enters "
        "neither baseline, loss nor token count",
    )
    gated_below: float | None = Field(
        None,
        gt=0,
        description="a gated completion counts in advantages and credit as this much less than the worst readable one of its "
        "group, so that gates do not drown what differs among readable ones; none: its reward counts; measured: .02 gave +.003 "
        "[-.007, .014] held out on six seeds, and nothing on films",
    )
    overlong_penalty: float = Field(
        0.0,
        ge=0,
        description="most that is taken off a reward for length, reached at max_new_tokens (DAPO's soft overlong penalty); "
        "0: none",
    )
    overlong_start: float = Field(
        0.8, ge=0, lt=1, description="share of max_new_tokens after which overlong_penalty begins"
    )
    credit: Literal["none", "prefix", "leave-one-out"] = Field(
        "none",
        description="what single terms are paid: the completion's advantage (none), the reward from that term on (prefix: every "
        "prefix of the terms is searched; unbiased; +.003 held out), or what the reward loses without it (leave-one-out: "
        "biased; -.010 held out)",
    )
    credit_share: float = Field(
        1.0, gt=0, le=1, description="share of a term's advantage that is its credit; the rest is its completion's"
    )
    refill: int = Field(
        0,
        ge=0,
        description="times that a step replaces its zero-variance groups by groups of other queries (DAPO's dynamic sampling); "
        "measured once, where a sixth of the groups had zero variance: -.016 held out at equal completions",
    )
    curriculum: Literal["none", "spread"] = Field(
        "none",
        description="spread: queries whose completions differed in reward come more often; measured twice: zero-variance groups "
        ".21 to .13 and held-out reward +.001; after a short warm-up -.021",
    )
    loss: Literal["token", "sequence", "constant"] = Field(
        "token",
        description="mean over the batch's tokens (DAPO), over tokens then completions (GRPO), or a sum divided by "
        "completions x loss_length (Dr. GRPO)",
    )
    loss_length: int = Field(32, ge=1, description="tokens that one completion counts for where loss is constant")
    ratio: Literal["token", "sequence"] = Field(
        "token",
        description="probability ratio of each token (PPO), or the geometric mean over the completion (GSPO)",
    )
    surrogate: Literal["clip", "cispo"] = Field(
        "clip",
        description="clip: PPO's minimum, no gradient outside the clip; cispo: the clipped ratio weights every token's gradient",
    )
    clip_low: float = Field(0.2, gt=0, lt=1, description="the ratio is clipped at 1 - clip_low")
    clip_high: float = Field(0.28, gt=0, description="the ratio is clipped at 1 + clip_high")
    dual_clip: float | None = Field(
        None, gt=1, description="bound on the ratio where the advantage is negative; none: no bound"
    )
    kl: float = Field(0.0, ge=0, description="weight of the KL divergence from the policy that GRPO started with")
    kl_estimate: Literal["k1", "k2", "k3"] = Field(
        "k2",
        description="k1: the log-ratio with k2's gradient; k2: half the squared log-ratio, whose gradient is that of the reverse "
        "KL; k3: as in GRPO's paper",
    )
    entropy_bonus: float = Field(
        0.0, ge=0, description="weight of the policy's entropy, which is raised by it; 0: none"
    )
    importance: Literal["none", "token-truncate", "token-mask", "sequence-truncate", "sequence-mask"] = Field(
        "none",
        description="correct for a sampler that computes otherwise than training (bfloat16, vLLM): weights by token or by "
        "completion; one above importance_cap is truncated to it or masked",
    )
    importance_cap: float = Field(3.0, ge=1, description="largest importance weight")
    epochs_per_batch: int = Field(
        1,
        ge=1,
        description="passes over each batch of completions, each with its updates; measured: two gave +.007 held out at equal "
        "completions, with 64 queries x 8 in the place of 32 x 16 +.023",
    )
    mini_batches: int = Field(
        1, ge=1, description="updates in one pass over the batch, each on its share of the queries"
    )
    stop_kl: float | None = Field(
        None,
        gt=0,
        description="no further update from a batch once the policy's KL divergence from the one that sampled it is above this "
        "(nats per token); none: no limit",
    )
    tokens_per_pass: int | None = Field(
        None,
        ge=1,
        description="tokens in one forward and backward pass; bounds memory, not the result; none: chosen by LESER",
    )
    learning_rate: float | None = Field(
        None, gt=0, description="peak learning rate; none: chosen by the number of trained weights"
    )
    schedule: Literal["constant", "linear", "cosine"] = Field("constant", description="learning rate after its rise")
    warmup_steps: int = Field(10, ge=0, description="updates over which the learning rate rises")
    final_rate: float = Field(0.1, ge=0, le=1, description="share of the peak rate that linear and cosine end at")
    max_grad_norm: float = Field(1.0, gt=0, description="gradients are scaled down to this norm")
    beta1: float = Field(0.9, ge=0, lt=1, description="Adam's decay of the mean gradient")
    beta2: float = Field(0.95, ge=0, lt=1, description="Adam's decay of the squared gradient")
    weight_decay: float = Field(0.0, ge=0, description="decoupled weight decay")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.credit != "none" and self.combine != "sum":
            raise ValueError(f"credit={self.credit} compares total rewards: it needs combine=sum")
        if self.refill and self.zero_variance_groups != "drop":
            raise ValueError("refill replaces zero-variance groups: it needs zero_variance_groups=drop")
        if self.gated_below is not None and self.gated_below <= self.zero_variance_range:
            raise ValueError(
                f"gated_below={self.gated_below:g} is not above zero_variance_range={self.zero_variance_range:g}: a gated "
                "completion would teach nothing beside equal ones. Set it higher"
            )
        if self.stop_kl is not None and self.epochs_per_batch * self.mini_batches == 1:
            raise ValueError(
                "stop_kl ends the updates from one batch: it needs epochs_per_batch or mini_batches above 1"
            )
        return self


def check_optimizer(name: OptimizerName) -> None:
    """Raise LeserError where an optimiser needs a package that is not installed."""
    if name == "adamw8bit" and find_spec("bitsandbytes") is None:
        raise LeserError(
            "training.optimizer=adamw8bit needs the package bitsandbytes, which is not installed. Run: pip install bitsandbytes, "
            "or set -o training.optimizer=adamw."
        )
