"""What training has reached: one policy with its optimizer, its counters, and how all of it comes to and from disk."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from leser.backend import Term
from leser.environment import Attempt
from leser.errors import LeserError
from leser.files import write_folder
from leser.grpo.metrics import behaviour
from leser.grpo.optimizer import make_optimizer
from leser.monitor.monitor import Monitor
from leser.policy.adapters import has_adapters, load_trained, save_trained
from leser.policy.sharding import shard
from leser.processes import ALONE, Processes
from leser.progress import roughly
from leser.sampler import Answers, Sampler
from leser.scoring import mean_of
from leser.session import Session, context_of
from leser.store.checkpoint import latest_checkpoint, load_weights, moments_in, prune, save_checkpoint
from leser.store.folder import RunFolder
from leser.store.sharded import in_shards, load_shards, save_shards, spread_moments
from leser.store.timeline import Span, Timeline
from leser.task import Query, drawn
from leser.training.budget import Budget, RunTime
from leser.training.interrupt import Interruption
from leser.training.outlook import Outlook
from leser.warmup.progress import WarmupProgress

CLAUSES = 20
"""Clauses of a search whose time is taken; RM3's have 5 to 40."""
PATIENCE, TIME = "training.patience", "training.minutes"
"""Reasons for which GRPO ends before its last step, beside the monitor's signs."""
T = TypeVar("T")


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
    stopped: str = ""  # why GRPO ended before its last step: a sign of the monitor, or PATIENCE or TIME
    since_best: int = 0  # evaluations of GRPO on dev since the best
    run_seconds: float = 0.0  # of the whole run, over all its starts
    spreads: dict[str, float] = field(default_factory=dict)  # by query: how much its completions' rewards differed
    waiting: dict[str, Any] = field(default_factory=dict)  # the batch that was sampled ahead (leser/training/ahead.py)

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
    """One policy in one run folder: resumes from the last checkpoint, writes new ones, evaluates on dev and logs.

    Of several processes, all hold the same policy and counters, and the main one writes.
    """

    def __init__(
        self,
        session: Session,
        sampler: Sampler,
        folder: RunFolder,
        monitor: Monitor,
        processes: Processes = ALONE,
        runtime: RunTime | None = None,
    ) -> None:
        self.session, self.sampler, self.folder, self.monitor = session, sampler, folder, monitor
        self.processes, self.budget = processes, Budget.of(session, runtime)
        self.counters = Counters()
        if session.config.policy.shard == "fsdp" and processes.count > 1:
            shard(sampler.policy, processes.count)
        if self.budget.limited:
            self.budget.search_s = self._search_seconds()
        self.optimizer = make_optimizer(sampler.policy, session.config.grpo, session.config.training.optimizer)
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
        found = self.processes.first(self._found)
        if found is None:
            return
        checkpoint, stored = found
        self.counters = Counters.of(stored, checkpoint)
        self._load_state(checkpoint)
        self.monitor.replay(self.folder.metrics())
        self._pending_first = self.counters.update + 1
        reporter.say(f"Resumed at {checkpoint.name} ({self.counters.stage}).")

    def _load_state(self, checkpoint: Path) -> None:
        """Weights and moments of a checkpoint, in shards or whole, into a policy in shards or whole."""
        policy = self.sampler.policy
        if in_shards(checkpoint):
            load_shards(checkpoint, policy, self.optimizer)
        elif policy.learner is None:
            load_weights(checkpoint, policy.model, self.optimizer)
        else:
            load_weights(checkpoint, policy.model)
            spread_moments(self.optimizer, moments_in(checkpoint))

    def _found(self) -> tuple[Path, dict[str, Any]] | None:
        """The latest whole checkpoint, files cut back to it; the time that is lost with what came after it was spent too."""
        reporter = self.session.reporter
        times = [row["run_s"] for row in self.folder.metrics() if row.get("run_s") is not None]
        found = latest_checkpoint(self.folder.checkpoints, reporter.warn)
        if found is None:
            if any(self.folder.checkpoints.glob("step-*")):
                reporter.warn("No checkpoint is whole: the run begins again from its start.")
            self.folder.cut_back(0, 0)
        else:
            self.folder.cut_back(int(found[1]["mark"]), int(found[1]["update"]))
            times.append(float(found[1].get("run_seconds", 0.0)))
        self.budget.before = max(times, default=0.0)
        return found

    def checkpoint(self) -> None:
        """Put rollouts, then the checkpoint that vouches for them, on disk."""
        counters, policy, name = self.counters, self.sampler.policy, f"step-{self.counters.update}"
        self.processes.check_replicas(policy.model)
        if self.processes.main:
            self.folder.write_rollouts(self._pending_first, counters.update, self._pending)
            self._pending, self._pending_first = [], counters.update + 1
            counters.mark, counters.run_seconds = self.folder.mark(), self.budget.spent
        where, content = self.folder.checkpoints, asdict(counters)
        if policy.learner is not None:
            save_shards(where, name, content, policy, self.optimizer, self.processes)
        elif self.processes.main:
            save_checkpoint(where, name, content, policy.model, self.optimizer)
        if not self.processes.main:
            return
        best = f"step-{counters.best_update}" if counters.stage != "warmup" else None
        prune(self.folder.checkpoints, self.session.config.training.keep_checkpoints, best)

    def alone(self, make: Callable[[], T]) -> T:
        """What the main process makes alone, in all of them; a weight of expansions that it chose holds in all of them too."""
        environment = self.sampler.environment
        made, weight = self.processes.first(lambda: (make(), environment.expansion.weight))
        if weight != environment.expansion.weight:
            environment.weigh(weight)
        return made

    def asked_to_stop(self) -> bool:
        """Whether Ctrl-C was pressed, in any process."""
        return self.processes.any(self.interruption.asked)

    def stop_if_asked(self) -> None:
        """Raise KeyboardInterrupt once Ctrl-C was pressed, in all processes: called where everything that counts is on disk."""
        if self.asked_to_stop():
            raise KeyboardInterrupt

    def begin(self, stage: str) -> None:
        """Start a stage: counters of its own, and an optimizer without moments."""
        self.counters.stage, self.counters.first = stage, self.counters.update
        self.counters.supervised = asdict(WarmupProgress())
        self.counters.waiting = {}
        config = self.session.config
        self.optimizer = make_optimizer(self.sampler.policy, config.grpo, config.training.optimizer)

    def load(self, folder: Path) -> None:
        """Put the weights of a saved policy in place."""
        load_trained(self.sampler.policy, folder)

    def save(self, folder: Path) -> None:
        """Save what is trained as it is now: the policy, or its adapters alone."""
        self.processes.first(lambda: write_folder(folder, partial(save_trained, self.sampler.policy)))

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
        self._pending += rows if self.processes.main else []

    def note_time(self, step: int, spans: Iterable[Span]) -> None:
        """Put who was busy when into timeline.jsonl."""
        if self.processes.main:
            Timeline(self.folder.path).note(step, spans)

    def log(self, row: dict[str, Any], *, important: bool = False) -> None:
        """Put a row into metrics.jsonl, and tell observers and the user."""
        if not self.processes.main:
            return
        row = row | ({"run_s": self.budget.spent} if self.budget.limited else {})
        self.folder.log(row)
        self.session.registry.notify("leser_step", metrics=row)
        left = min(sum(self.outlook.left().values()), max(0.0, self.budget.limit - self.budget.spent))
        self.session.reporter.step(self.counters.done, row, important=important, left=left)

    def time_left(self) -> str:
        """How long the run will still take, in words."""
        if not self.budget.limited:
            return str(self.outlook)
        return f"About {roughly(self.budget.limit - self.budget.spent)} left (training.minutes)."

    def evaluate_on_dev(self) -> Answers:
        """Greedy answers to dev's queries, or to a sample of `training.dev_queries` of them; each process's share at once."""
        started = time.monotonic()
        answers = self.sampler.answer(self.session.task.dev, self.dev_queries(), processes=self.processes)
        self.outlook.dev_s = time.monotonic() - started
        self.budget.note_evaluation(self.outlook.dev_s)
        return answers

    def dev_row(self, answers: Answers) -> dict[str, Any]:
        """The figures of an evaluation on dev, as metrics.jsonl holds them."""
        facts = behaviour(self.sampler, answers.outcomes, answers.tokens)
        parts = {f"dev_{name}": value for name, value in answers.parts.items()}
        return {"dev_reward": answers.value, **parts, **{f"dev_{k}": v for k, v in facts.items()}}

    def original_value(self) -> float:
        """What dev earns when every query is left alone."""
        dev, environment = self.session.task.dev, self.session.environment
        none = [Attempt(q, i, environment.say()) for i, q in enumerate(self.dev_queries())]
        return self.processes.same(mean_of(environment.score(environment.judge(none, dev)).total))

    def _search_seconds(self) -> float:
        """What a search as baselines make it takes, scored: dev's queries, each with words of those after it."""
        queries = self.dev_queries()
        words = [word for query in queries for word in query.text.split()]
        terms = [tuple(Term(word, 0.1) for word in dict.fromkeys(words[n : n + CLAUSES])) for n in range(len(queries))]
        started = time.monotonic()
        context_of(self.session).reward(self.session.task.dev, queries, terms)
        return (time.monotonic() - started) / max(1, len(queries))

    def dev_queries(self) -> list[Query]:
        """The queries of dev that are evaluated on: a sample of `training.dev_queries`, drawn by the seed."""
        config = self.session.config
        return drawn(self.session.task.dev.queries, config.training.dev_queries, config.seed)
