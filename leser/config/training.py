"""Settings of a run as a whole; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from leser.grpo.options import OptimizerName
from leser.options import Options

UNBOUNDED = 1_000_000
"""Steps of a run that has a time limit and names no number: more than any time allows."""


class MonitorOptions(Options):
    """When to warn that a policy games its reward; the defaults lie well outside what trainings that went well showed.

    Figures are means over `window` steps, since those of one batch are noisy. In five trainings on two tasks `echo` stayed
    below 0.05, `repeated` below 0.08 and `same` below 0.25 at every single step, and length between 0.6 and 1.5 of where it
    began. A third of words that no document holds would be a third of the answer wasted. A `gap` of 0.05 is three standard
    errors of a mean over 300 queries.
    """

    enabled: bool = Field(True, description="watch for signs that the reward is being gamed, and warn of them")
    stop: bool = Field(False, description="end GRPO at the first warning; the best policy on dev is evaluated as usual")
    window: int = Field(10, ge=1, description="steps that a figure is averaged over before it is judged")
    growth: float = Field(
        2.0, gt=1, description="warn when completions grow or shrink by more than this factor since the start"
    )
    echo: float = Field(
        0.4, gt=0, le=1, description="warn at this share of expansion words that the query holds already"
    )
    repeated: float = Field(
        0.3, gt=0, le=1, description="warn at this share of words that repeat one of the same completion"
    )
    same: float = Field(
        0.5, gt=0, le=1, description="warn when one word is in this share of the completions that expand"
    )
    unknown: float = Field(
        0.3, gt=0, le=1, description="warn at this share of expansions whose words no document holds"
    )
    gap: float = Field(
        0.05,
        gt=0,
        description="warn when training reward and dev diverge by this much, one rising, the other falling; and likewise dev's "
        "reward and the second measure or engine",
    )
    measure: str = Field(
        "RR@10", description="second measure, taken of dev's rankings without another search; empty: none"
    )
    engine: str | None = Field(
        None, description="backend that dev's answers are searched with as well, a second opinion"
    )
    engine_options: dict[str, Any] = Field(default_factory=dict, description="options of that backend")


class TrainingOptions(Options):
    """How long GRPO trains, and how often it evaluates on dev."""

    steps: int = Field(200, ge=0, description="GRPO updates")
    minutes: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="time of the whole run, over all its starts, final evaluation included: training ends early enough; "
        "together with steps, whichever comes first; none: no limit",
    )
    optimizer: OptimizerName = Field(
        "adamw",
        description="adamw8bit: both moments in 8 bits, by blocks (bitsandbytes): 2 bytes per trained weight in the place of 8",
    )
    overlap: bool = Field(
        False,
        description="sample the next batch while the engine searches with this one: each batch then comes from the policy one "
        "update older, and the loss takes the ratio to it; off: exactly on policy",
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="evaluations on dev in a row without a better one, after which GRPO ends; none: it makes all its steps",
    )
    queries_per_step: int = Field(32, ge=1, description="queries in one update, each with a group of completions")
    steps_between_evaluations: int = Field(
        10, ge=1, description="updates between two evaluations on dev, each with a checkpoint"
    )
    keep_checkpoints: int = Field(2, ge=1, description="latest checkpoints kept, beside the best on dev")
    max_new_tokens: int = Field(24, ge=1, description="longest completion, in tokens")
    trackers: tuple[str, ...] = Field(
        (),
        description="experiment trackers that get every figure, by accelerate's names: tensorboard, wandb, mlflow ...",
    )
    process_timeout: float = Field(
        1800,
        gt=0,
        allow_inf_nan=False,
        description="seconds that a process of several waits for the others' share of a step before the run ends",
    )
    dev_queries: int = Field(
        300, ge=1, description="dev queries that an evaluation during training searches; of more, a seeded sample"
    )
    monitor: MonitorOptions = Field(default_factory=MonitorOptions, description="the reward-hacking monitor")

    @model_validator(mode="before")
    @classmethod
    def _as_many_as_fit(cls, values: Any) -> Any:
        """With a time limit and no number of steps, time alone ends GRPO."""
        if isinstance(values, Mapping) and values.get("minutes") is not None and "steps" not in values:
            return {**values, "steps": UNBOUNDED}
        return values
