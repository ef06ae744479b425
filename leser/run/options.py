"""Settings of a run as a whole; imports nothing heavy."""

from __future__ import annotations

from pydantic import Field

from leser.options import Options


class TrainingOptions(Options):
    """How long GRPO trains, and how often it looks at dev."""

    steps: int = Field(200, ge=0, description="GRPO updates")
    queries_per_step: int = Field(32, ge=1, description="queries in one update, each with a group of completions")
    steps_between_evaluations: int = Field(
        10, ge=1, description="updates between two looks at dev, each with a checkpoint"
    )
    keep_checkpoints: int = Field(2, ge=1, description="latest checkpoints kept, beside the best on dev")
    max_new_tokens: int = Field(24, ge=1, description="longest completion, in tokens")
    dev_queries: int = Field(300, ge=1, description="dev queries a look during training asks, at most")


class RewardOptions(Options):
    """What is rewarded."""

    weights: tuple[str, ...] = Field(("nDCG@10=0.7", "coverage@10=0.3"), description="rewards as NAME=WEIGHT")
    term_cost: float = Field(
        0.005,
        ge=0,
        description="taken off for each expansion, so that a filler that neither helps nor harms is not free",
    )
    gated_reward: float | None = Field(
        None, description="fixed reward of a gated completion; none: a little below the least possible"
    )


class EvaluationOptions(Options):
    """What the final table holds."""

    measures: tuple[str, ...] = Field(
        ("nDCG@10", "R@100", "RR@10", "Judged@10", "coverage@10"), description="ir-measures' names, or a reward's"
    )
    baselines: tuple[str, ...] = Field(("original", "rm3", "dictionary"), description="baselines that need no policy")
    prompted: bool = Field(True, description="also ask the policy as it was before any training")
    best_of: int = Field(8, ge=0, description="completions sampled for the system best-of-N; 0 leaves it out")
    warmup_plus: bool = Field(True, description="also train supervised for as long as GRPO took")
    resamples: int = Field(10_000, ge=100, description="bootstrap resamples")
