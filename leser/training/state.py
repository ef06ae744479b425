"""What training has reached: one policy with its optimizer, its counters, and how all of it comes to and from disk."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leser.environment import Attempt
from leser.errors import LeserError
from leser.files import write_folder
from leser.grpo.metrics import behaviour
from leser.grpo.optimizer import make_optimizer
from leser.monitor.monitor import Monitor
from leser.policy.adapters import has_adapters, load_trained, save_trained
from leser.sampler import Answers, Sampler
from leser.scoring import mean_of
from leser.session import Session
from leser.store.checkpoint import latest_checkpoint, load_weights, prune, save_checkpoint
from leser.store.folder import RunFolder
from leser.task import Query, drawn
from leser.training.interrupt import Interruption
from leser.training.outlook import Outlook
from leser.warmup.progress import WarmupProgress

if TYPE_CHECKING:
    pass


@dataclass(slots=True)
class Counters:
    """Everything a checkpoint stores beside weights and moments. `update` counts through all stages, `first` is its value
    when the present stage began; `round` is 1 once sampled targets have joined the warm-up."""

    stage: str = "warmup"
    update: int = 0
    round: int = 0
    first: int = 0
    supervised: dict[str, Any] = field(default_factory=lambda: asdict(WarmupProgress()))
    best: float = -math.inf  # best dev value of GRPO
    best_update: int = 0
    grpo_seconds: float = 0.0
    mark: int = 0  # length of metrics.jsonl
    stopped: str = ""  # the sign for which the monitor ended GRPO
    spreads: dict[str, float] = field(default_factory=dict)  # by query: how much its completions' rewards differed

    @property
    def done(self) -> int:
        """Updates of the present stage so far."""
        return self.update - self.first

    @classmethod
    def of(cls, stored: Mapping[str, Any], where: Path) -> Counters:
        """The counters a checkpoint holds; raises LeserError for one that another version of LESER wrote."""
        unknown = sorted(stored.keys() - {f.name for f in fields(cls)})
        unknown += sorted(stored.get("supervised", {}).keys() - {f.name for f in fields(WarmupProgress)})
        if unknown:
            raise LeserError(
                f"The checkpoint {where} was written by another version of LESER (it holds {', '.join(unknown)}). "
                "Resume with that version, or start a new run with another --out."
            )
        return cls(**stored)


class TrainingState:
    """One policy in one run folder: resumes from the last checkpoint, writes new ones, evaluates on dev and logs."""

    def __init__(self, session: Session, sampler: Sampler, folder: RunFolder, monitor: Monitor) -> None:
        self.session, self.sampler, self.folder, self.monitor = session, sampler, folder, monitor
        self.counters = Counters()
        self.optimizer = make_optimizer(sampler.policy, session.config.grpo)
        self.interruption = Interruption()
        self.outlook = Outlook.of(session)
        self._pending: list[dict[str, Any]] = []
        self._pending_first = 1

    @property
    def policies(self) -> Path:
        """Where the policies of the stages lie: base, warmup, warmup-plus."""
        return self.folder.path / "policies"

    def rate(self, given: float | None, reference: float) -> float:
        """The rate given, else `reference` for 2 million trained weights, falling with their number's square root."""
        weights = sum(p.numel() for p in self.sampler.policy.model.parameters() if p.requires_grad)
        return given if given is not None else reference * min(1.0, math.sqrt(2e6 / max(weights, 1)))

    def restore(self) -> None:
        """Load the latest whole checkpoint, if there is one; metrics, rollouts and the monitor go back to it."""
        reporter = self.session.reporter
        found = latest_checkpoint(self.folder.checkpoints, reporter.warn)
        if found is None:
            if any(self.folder.checkpoints.glob("step-*")):
                reporter.warn("No checkpoint is whole: the run begins again from its start.")
            self.folder.cut_back(0, 0)
            return
        checkpoint, stored = found
        self.counters = Counters.of(stored, checkpoint)
        load_weights(checkpoint, self.sampler.policy.model, self.optimizer)
        self.folder.cut_back(self.counters.mark, self.counters.update)
        self.monitor.replay(self.folder.metrics())
        self._pending_first = self.counters.update + 1
        reporter.say(f"Resumed at {checkpoint.name} ({self.counters.stage}).")

    def checkpoint(self) -> None:
        """Put rollouts, then the checkpoint that vouches for them, on disk."""
        counters = self.counters
        self.folder.write_rollouts(self._pending_first, counters.update, self._pending)
        self._pending, self._pending_first = [], counters.update + 1
        counters.mark = self.folder.mark()
        model = self.sampler.policy.model
        save_checkpoint(self.folder.checkpoints, f"step-{counters.update}", asdict(counters), model, self.optimizer)
        best = f"step-{counters.best_update}" if counters.stage != "warmup" else None
        prune(self.folder.checkpoints, self.session.config.training.keep_checkpoints, best)

    def begin(self, stage: str) -> None:
        """Start a stage: counters of its own, and an optimizer without moments."""
        self.counters.stage, self.counters.first = stage, self.counters.update
        self.counters.supervised = asdict(WarmupProgress())
        self.optimizer = make_optimizer(self.sampler.policy, self.session.config.grpo)

    def load(self, folder: Path) -> None:
        """Put the weights of a saved policy in place."""
        load_trained(self.sampler.policy, folder)

    def save(self, folder: Path) -> None:
        """Save what is trained as it is now: the policy, or its adapters alone."""
        write_folder(folder, partial(save_trained, self.sampler.policy))

    def export(self) -> None:
        """Make policy/ a whole policy that serves by itself: adapters are merged in float32, and kept beside."""
        folder, policy = self.folder.path / "policy", self.sampler.policy
        if not has_adapters(policy) or (folder / "config.json").is_file():
            return

        def fill(part: Path) -> None:
            policy.save(part)
            save_trained(policy, part)

        self.load(folder)
        write_folder(folder, fill)

    def keep_rollouts(self, rows: list[dict[str, Any]]) -> None:
        """Keep the rows of completions until the next checkpoint writes them."""
        self._pending += rows

    def log(self, row: dict[str, Any], *, important: bool = False) -> None:
        """Put a row into metrics.jsonl, and tell observers and the user."""
        self.folder.log(row)
        self.session.registry.notify("leser_step", metrics=row)
        left = sum(self.outlook.left().values())
        self.session.reporter.step(self.counters.done, row, important=important, left=left)

    def evaluate_on_dev(self) -> Answers:
        """Greedy answers to dev's queries, or to a sample of `training.dev_queries` of them."""
        started = time.monotonic()
        answers = self.sampler.answer(self.session.task.dev, self._dev_queries())
        self.outlook.dev_s = time.monotonic() - started
        return answers

    def dev_row(self, answers: Answers) -> dict[str, Any]:
        """The figures of an evaluation on dev, as metrics.jsonl holds them."""
        facts = behaviour(self.sampler, answers.outcomes, answers.tokens)
        parts = {f"dev_{name}": value for name, value in answers.parts.items()}
        return {"dev_reward": answers.value, **parts, **{f"dev_{k}": v for k, v in facts.items()}}

    def original_value(self) -> float:
        """What dev earns when every query is left alone."""
        dev, environment = self.session.task.dev, self.session.environment
        none = [Attempt(q, i, environment.say()) for i, q in enumerate(self._dev_queries())]
        return mean_of(environment.score(environment.judge(none, dev)).total)

    def _dev_queries(self) -> list[Query]:
        config = self.session.config
        return drawn(self.session.task.dev.queries, config.training.dev_queries, config.seed)
