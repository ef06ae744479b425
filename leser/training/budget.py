"""Budget: a run that ends in a given time, final evaluation included, shared between its stages by measured speed.

What the final evaluation takes is kept back: as many evaluations on dev as it is worth, each as long as the slowest so far.
Of what is left when the warm-up begins it may take a share; GRPO gets the rest, less what the control `warmup+` will take after
it. Every question is answered anew from the clock, so a stage that ends early leaves its time to those that follow.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leser.session import Session

WARMUP_SHARE = 0.4
"""Most of the training time that the warm-up may take where GRPO follows."""
FIXED_S, FIXED_SHARE = 4.0, 0.02
"""What is kept back whatever the evaluation's size, in seconds and as a share of the limit: packages that are loaded for it,
intervals, report; and a machine that becomes slower meanwhile."""
ENDING_S = 6.0
"""What a process needs to end after its report: memory is given back (5 s for a full cache of rankings)."""
SLACK = 1.25
"""A final evaluation is expected to take this many times what the evaluations on dev say: its engine's cache is cold."""
BASELINE, WEIGHTS = 0.5, 3.0
"""What a baseline, and tuning the weight of expansions on dev, are worth in evaluations of a policy."""
SETTINGS, TUNED_ON = 64, 300
"""Settings that a baseline is tuned over on dev (RM3 96, the dictionary fewer), and the most dev queries that judge one."""


@dataclass(frozen=True, slots=True)
class RunTime:
    """When a run began, by time.monotonic(), and the seconds that its process needs after the report."""

    started: float
    ending: float = 0.0

    @classmethod
    def now(cls, *, own_process: bool) -> RunTime:
        """Of a run that begins now; in a process of its own the time since that began counts, and the time to end it."""
        return cls(time.monotonic() - process_age(), ENDING_S) if own_process else cls(time.monotonic())


def process_age() -> float:
    """Seconds since this process began, most of which imports took; 0 on a system that does not tell (man 5 proc)."""
    try:
        stat = Path("/proc/self/stat").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    ticks = int(stat.rpartition(")")[2].split()[19])
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))


@dataclass(slots=True)
class Budget:
    """The time of one run, in seconds; `limit` is infinite where none is set, and then nothing is ever over.

    `evaluations` is the final evaluation in evaluations on dev, `control` the control's share of GRPO's time, `before` what
    earlier starts of the run spent, `evaluation_s` the slowest evaluation on dev so far, `searches` what tuning the baselines
    asks for, each of which takes `search_s`, and `ending` what follows the report.
    """

    limit: float = math.inf
    evaluations: float = 0.0
    control: float = 0.0
    warmup_share: float = WARMUP_SHARE
    before: float = 0.0
    evaluation_s: float = 0.0
    searches: int = 0
    search_s: float = 0.0
    ending: float = 0.0
    clock: Callable[[], float] = time.monotonic
    started: float = field(default=math.nan)

    def __post_init__(self) -> None:
        if math.isnan(self.started):
            self.started = self.clock()

    @classmethod
    def of(cls, session: Session, runtime: RunTime | None = None) -> Budget:
        """The budget that a session's configuration sets; without a `runtime` its run begins now."""
        config, task = session.config, session.task
        evaluation, training = config.evaluation, config.training
        policies = 1.0 + evaluation.prompted + config.warmup.enabled * (1 + evaluation.warmup_plus)
        sizes = len(task.test.queries) / max(1, min(len(task.dev.queries), training.dev_queries))
        weights = WEIGHTS * policies if config.expansion.tune_weight else 0.0
        beside = BASELINE * len(evaluation.baselines) + (evaluation.abstain is not None)
        tuned = sum(session.registry.get("baseline", name).tuned for name in evaluation.baselines)
        sampled = evaluation.best_of / 2 * config.warmup.enabled
        return cls(
            limit=math.inf if training.minutes is None else 60 * training.minutes,
            evaluations=sizes * (policies + sampled + beside) + weights + beside,
            control=evaluation.warmup_plus_share if evaluation.warmup_plus and config.warmup.enabled else 0.0,
            warmup_share=WARMUP_SHARE if training.steps else 1.0,
            searches=tuned * SETTINGS * min(TUNED_ON, len(task.dev.queries)),
            ending=0.0 if runtime is None else runtime.ending,
            started=math.nan if runtime is None else runtime.started,
        )

    @property
    def limited(self) -> bool:
        """Whether the run has a limit."""
        return math.isfinite(self.limit)

    @property
    def spent(self) -> float:
        """Seconds of the run so far, over all its starts."""
        return self.before + self.clock() - self.started

    @property
    def reserve(self) -> float:
        """Seconds kept back for the final evaluation."""
        measured = SLACK * self.evaluations * self.evaluation_s + self.searches * self.search_s
        return self.ending + FIXED_S + FIXED_SHARE * self.limit + measured

    @property
    def left(self) -> float:
        """Seconds that all training together still has; negative where the final evaluation will end too late."""
        return self.limit - self.reserve - self.spent if self.limited else math.inf

    def note_evaluation(self, seconds: float) -> None:
        """Take in how long an evaluation on dev took."""
        self.evaluation_s = max(self.evaluation_s, seconds)

    def warmup_left(self, spent: float) -> float:
        """Seconds that the warm-up still has when it has spent so many; an evaluation that it ends with is set aside."""
        return self.warmup_share * (spent + self.left) - spent - self.evaluation_s if self.limited else math.inf

    def grpo_left(self, spent: float) -> float:
        """Seconds that GRPO still has when it has spent so many, its last evaluation and the control's first set aside.

        x seconds more make the control last control * (spent + x): x + control * (spent + x) = what is left.
        """
        if not self.limited:
            return math.inf
        aside = (2 if self.control else 1) * self.evaluation_s
        return (self.left - aside - self.control * spent) / (1 + self.control)

    def control_left(self) -> float:
        """Seconds that the control still has; its last evaluation is set aside."""
        return self.left - self.evaluation_s

    def steps(self, done: int, spent: float, most: int) -> int:
        """How many steps GRPO will have made at its end, at the speed of those `done` in `spent` seconds; at most `most`.

        A schedule that spans this number follows the time. Before a step was measured it is `most`.
        """
        if not (self.limited and done and spent > 0):
            return most
        more = max(0.0, self.grpo_left(spent)) * done / spent
        return max(done + 1, min(most, done + math.floor(more)))
