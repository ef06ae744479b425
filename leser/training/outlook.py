"""How long a run will still take, named from its first updates on and corrected by every one that follows.

Before GRPO has made a step, its time is guessed from the warm-up's updates: a step scores and learns from so many completions
where an update learns from so many targets. The warm-up ends when dev stands still, which nobody knows beforehand: it is
expected to take `PASSES` passes over its examples, and never less than its patience lets it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leser.progress import roughly

if TYPE_CHECKING:
    from leser.session import Session

PASSES = 20
"""Passes of a warm-up over its examples; the demo's tasks took 15 to 23."""
COST = 0.5
"""A completion of a GRPO step in targets of a warm-up update, as the demo has it: many completions are alike or teach nothing."""
SYSTEMS = 12
"""The final evaluation in evaluations of one policy: greedy and sampled answers, baselines, their tuning on dev."""
FIRST = 10
"""Updates after which the time left is named for the first time."""


@dataclass(slots=True)
class Outlook:
    """Seconds left, by stage. `note` tells where training stands; sizes are in updates, GRPO steps and evaluations on dev."""

    updates: float
    least_updates: float
    steps: int
    control: float
    step_in_updates: float
    evaluations: float
    stage: str = "warmup"
    done: int = 0
    seconds: float = 0.0
    update_s: float | None = None
    step_s: float | None = None
    dev_s: float = 0.0

    @classmethod
    def of(cls, session: Session, examples: int = 0) -> Outlook:
        """What a session's configuration asks for; `examples` are the warm-up's, one per query."""
        config, task = session.config, session.task
        warmup, training = config.warmup, config.training
        batch = max(1, min(warmup.batch_size, examples or len(task.train.queries)))
        updates = PASSES * max(1.0, (examples or len(task.train.queries)) / batch)
        completions = training.queries_per_step * config.grpo.group_size
        control = config.evaluation.warmup_plus_share if config.evaluation.warmup_plus and warmup.enabled else 0.0
        return cls(
            updates=min(updates, warmup.max_evaluations * warmup.steps_between_evaluations) if warmup.enabled else 0,
            least_updates=warmup.patience * warmup.steps_between_evaluations,
            steps=training.steps,
            control=control,
            step_in_updates=COST * completions / (batch * max(1, warmup.targets_per_query)),
            evaluations=SYSTEMS * len(task.test.queries) / max(1, len(task.dev.queries)),
        )

    def note(self, stage: str, done: int, seconds: float) -> None:
        """A stage has made `done` updates in so many seconds, evaluations on dev included."""
        self.stage, self.done, self.seconds = stage, done, seconds
        if done > 0 and stage == "grpo":
            self.step_s = seconds / done
        elif done > 0:
            self.update_s = seconds / done

    def left(self) -> dict[str, float]:
        """Seconds that each stage will still take; empty as long as nothing was measured."""
        step_s = self.step_s
        if step_s is None and self.update_s is not None:
            step_s = self.update_s * self.step_in_updates
        if step_s is None:
            return {}
        stages = {}
        if self.stage == "warmup":
            stages["warm-up"] = max(self.updates - self.done, self.least_updates) * (self.update_s or 0.0)
        if self.stage in ("warmup", "grpo"):
            stages["GRPO"] = (self.steps - (self.done if self.stage == "grpo" else 0)) * step_s
        spent = self.seconds if self.stage == "warmup+" else 0.0
        stages["control"] = max(0.0, self.control * self.steps * step_s - spent)
        stages["evaluation"] = self.evaluations * self.dev_s
        return {name: seconds for name, seconds in stages.items() if seconds > 0}

    def __str__(self) -> str:
        """The time left in words, by stage."""
        left = self.left()
        parts = ", ".join(f"{name} {roughly(seconds)}" for name, seconds in left.items())
        return f"About {roughly(sum(left.values()))} left: {parts}. This is a first estimate."
