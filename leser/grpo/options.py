"""How a policy is updated from rewards; imports nothing heavy."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from leser.options import Options


class GrpoOptions(Options):
    """GRPO: sampling, advantages, loss and optimiser."""

    renamed: ClassVar[dict[str, str]] = {"dead_groups": "zero_variance_groups", "dead_range": "zero_variance_range"}

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
    term_credit: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of a term's advantage that is what the reward loses without it; costs searches",
    )
    loss: Literal["token", "sequence", "constant"] = Field(
        "token",
        description="mean over the batch's tokens (DAPO), over tokens then completions (GRPO), or a sum divided by "
        "completions x loss_length (Dr. GRPO)",
    )
    loss_length: int = Field(32, ge=1, description="tokens that one completion counts for where loss is constant")
    clip_low: float = Field(0.2, gt=0, lt=1, description="the ratio is clipped at 1 - clip_low")
    clip_high: float = Field(0.28, gt=0, description="the ratio is clipped at 1 + clip_high")
    dual_clip: float | None = Field(
        None, gt=1, description="bound on the ratio where the advantage is negative; none: no bound"
    )
    kl: float = Field(0.0, ge=0, description="weight of the KL divergence from the policy that GRPO started with")
    kl_estimate: Literal["k2", "k3"] = Field(
        "k2",
        description="k2: half the squared log-ratio, whose gradient is that of the reverse KL; k3: as in GRPO's paper",
    )
    epochs_per_batch: int = Field(1, ge=1, description="updates made from each batch of completions")
    tokens_per_pass: int = Field(
        8192, ge=1, description="tokens in one forward and backward pass; bounds memory, not the result"
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
    def _credit_in_one_unit(self) -> Self:
        if self.term_credit and (self.scale != "none" or self.combine != "sum" or self.zero_variance_groups != "drop"):
            raise ValueError(
                "term_credit is in units of reward: it needs scale=none, combine=sum and zero_variance_groups=drop"
            )
        return self
