"""The stages of training, each of which a kill may interrupt: supervised warm-up, GRPO, and the control `warmup+`.

One counter of updates runs through all stages; checkpoints/step-N holds what the N-th left. A stage that resumes loads the
latest checkpoint, cuts metrics and rollouts back to it and goes on; it makes the same numbers again, because all noise
depends on (seed, step, query, sample) alone.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from leser.errors import LeserError
from leser.grpo.trainer import batch_of, behaviour, grpo_step
from leser.grpo.update import make_optimizer
from leser.learner import Answers, Learner, mean_of
from leser.policy.load import load_policy
from leser.run.checkpoint import latest_checkpoint, load_weights, prune, save_checkpoint
from leser.run.folder import RunFolder, write_folder
from leser.run.preparation import Prepared
from leser.run.progress import Reporter
from leser.teacher import Attempt
from leser.warmup import supervised
from leser.warmup.sampled import sampled_targets
from leser.warmup.targets import Target, read_targets, write_targets

if TYPE_CHECKING:
    from leser.config import RunConfig
    from leser.policy.policy import Policy


def load_saved(policy: Policy, folder: Path) -> None:
    """Put the weights of a folder that `Policy.save` wrote into a policy of the same shape."""
    from safetensors.torch import load_file

    stored = {k: v for file in sorted(folder.glob("*.safetensors")) for k, v in load_file(file).items()}
    model = policy.causal_lm
    with torch.no_grad():
        for name, weight in model.state_dict(keep_vars=True).items():
            plain = name.replace(".base_layer.", ".")  # what an adapter wraps keeps its weights under this name
            if plain in stored:
                weight.copy_(stored[plain])
            elif ".lora_B." in name:
                weight.zero_()  # saved weights hold the adapters' part: they start anew from there
            elif ".lora_" not in name and not name.endswith("lm_head.weight"):  # a tied head is stored once
                raise LeserError(f"{folder} does not hold this policy's weights ({plain}). Start the run anew.")


@dataclass(slots=True)
class State:
    """Everything a checkpoint stores beside weights and moments."""

    stage: str = "warmup"
    update: int = 0  # updates of all stages so far
    round: int = 0  # of the warm-up: 1 once sampled targets have joined
    first: int = 0  # the value of `update` when the present stage began
    supervised: dict[str, Any] = field(default_factory=lambda: asdict(supervised.Progress()))
    best: float = -math.inf  # best dev value of GRPO
    best_update: int = 0
    grpo_seconds: float = 0.0
    mark: int = 0  # length of metrics.jsonl


class Training:
    """Takes one policy through the stages, in one run folder."""

    def __init__(
        self,
        config: RunConfig,
        prepared: Prepared,
        learner: Learner,
        folder: RunFolder,
        reporter: Reporter,
        notify: Callable[[dict[str, Any]], None],
    ) -> None:
        self.config, self.prepared, self.learner = config, prepared, learner
        self.folder, self.reporter, self.notify = folder, reporter, notify
        self.state = State()
        self.optimizer = self._new_optimizer()
        self._pending: list[dict[str, Any]] = []
        self._pending_first = 1

    @property
    def parts(self) -> Path:
        """Where the policies of the stages lie: base, warmup, warmup-plus."""
        return self.folder.path / "policies"

    def rate(self, given: float | None, reference: float) -> float:
        """The rate given, else `reference` for 2 million trained weights, falling with their number's square root."""
        weights = sum(p.numel() for p in self.learner.policy.model.parameters() if p.requires_grad)
        return given if given is not None else reference * min(1.0, math.sqrt(2e6 / max(weights, 1)))

    def _new_optimizer(self) -> torch.optim.Optimizer:
        return make_optimizer(self.learner.policy, self.config.grpo)

    # -- checkpoints ---------------------------------------------------------------------------------------------

    def restore(self) -> bool:
        """Take up the latest whole checkpoint, if there is one; metrics and rollouts go back to it."""
        found = latest_checkpoint(self.folder.checkpoints, self.reporter.warn)
        if found is None:
            self.folder.cut_back(0, 0)
            return False
        checkpoint, stored = found
        self.state = State(**stored)
        load_weights(checkpoint, self.learner.policy.model, self.optimizer)
        self.folder.cut_back(self.state.mark, self.state.update)
        self._pending_first = self.state.update + 1
        self.reporter.say(f"Resumed at {checkpoint.name} ({self.state.stage}).")
        return True

    def checkpoint(self) -> None:
        """Put rollouts, then the checkpoint that vouches for them, on disk."""
        self.folder.write_rollouts(self._pending_first, self.state.update, self._pending)
        self._pending, self._pending_first = [], self.state.update + 1
        self.state.mark = self.folder.mark()
        save_checkpoint(
            self.folder.checkpoints,
            f"step-{self.state.update}",
            asdict(self.state),
            self.learner.policy.model,
            self.optimizer,
        )
        best = f"step-{self.state.best_update}" if self.state.stage != "warmup" else None
        prune(self.folder.checkpoints, self.config.training.keep_checkpoints, best)

    def _begin(self, stage: str) -> None:
        self.state.stage, self.state.first = stage, self.state.update
        self.state.supervised = asdict(supervised.Progress())
        self.optimizer = self._new_optimizer()

    def load(self, folder: Path) -> None:
        """Put the weights of a saved policy in place."""
        load_saved(self.learner.policy, folder)

    def prompted(self) -> Learner:
        """The policy as it was before any training, shown worked examples where it reads prose."""
        config, learner = self.config, self.learner
        base = self.parts / "base"
        if base.exists():
            self.load(base)
            return learner
        path = self.folder.path / "targets.jsonl"
        found = read_targets(path, self.prepared.task.train) if path.exists() else []
        best = list({t.query.id: t for t in sorted(found, key=lambda t: t.gain) if t.gain > 0}.values())
        chosen = best[:: max(1, len(best) // max(1, config.prompt.examples))][: config.prompt.examples]
        shown = learner.worked_examples(chosen)
        policy = load_policy(config.policy)
        return Learner(policy, self.prepared.teacher, config.prompt, config.training.max_new_tokens, shown)

    # -- stages --------------------------------------------------------------------------------------------------

    def look(self) -> Answers:
        """Greedy answers on dev."""
        dev = self.prepared.task.dev
        return self.learner.answer(dev, dev.queries[: self.config.training.dev_queries])

    def _original_value(self) -> float:
        """What dev earns when every query is left alone."""
        dev = self.prepared.task.dev
        queries = dev.queries[: self.config.training.dev_queries]
        none = [Attempt(q, i, self.prepared.teacher.say()) for i, q in enumerate(queries)]
        return mean_of(self.prepared.teacher.score(self.prepared.teacher.judge(none, dev)).total)

    def warm_up(self, targets: list[Target]) -> None:
        """Train on proven targets until dev stops improving; leaves the best on dev in policies/warmup and in the model."""
        if self.state.round == 0:
            self._supervised("warmup", targets, None)
            if not self.config.warmup.samples:
                return
            self.state.round = 1
            self.state.supervised |= {"since_best": 0}
        self._supervised("warmup", self._all_targets(targets), None)

    def _all_targets(self, targets: list[Target]) -> list[Target]:
        """The targets, and the better ones out of the policy's own completions, which are sought once a run."""
        path, split = self.folder.path / "targets-sampled.jsonl", self.prepared.task.train
        if not self.config.warmup.samples:
            return targets
        if not path.exists():
            found = sampled_targets(self.learner, split, targets, self.config.warmup, self.config.seed)
            write_targets(path, found)
            self.reporter.say(f"{len(found)} better targets among the policy's own completions.")
        better = read_targets(path, split)
        disproved = {t.query.id for t in better}
        return [t for t in targets if t.gain > 0 or t.query.id not in disproved] + better

    def warm_up_more(self, targets: list[Target]) -> None:
        """The control: what more of the same supervised training gives in the time that GRPO took."""
        if self.state.stage != "warmup+":
            self.load(self.parts / "warmup")
            self._begin("warmup+")
            self.state.supervised["best"] = self.look().value  # it starts from the warm-up's best, as GRPO did
            write_folder(self.parts / "warmup-plus", self.learner.policy.save)
            self.checkpoint()
        self._supervised("warmup+", self._all_targets(targets), self.state.grpo_seconds)

    def _supervised(self, stage: str, targets: list[Target], seconds: float | None) -> None:
        options = self.config.warmup
        rows = supervised.examples(self.learner, targets)
        progress = supervised.Progress(**self.state.supervised)
        rate = self.rate(options.learning_rate, 1e-3)
        self.reporter.phase(stage, None, progress.step)
        best_folder = self.parts / ("warmup" if stage == "warmup" else "warmup-plus")

        def on_look(progress: supervised.Progress, answers: Answers, loss: float, better: bool) -> None:
            self.state.update = self.state.first + progress.step
            self.state.supervised = asdict(progress)
            self._log(
                {
                    "phase": stage,
                    "step": self.state.update,
                    "loss": loss,
                    **self._dev_row(answers),
                    "elapsed_s": progress.seconds,
                },
                important=True,
            )
            if better:
                write_folder(best_folder, self.learner.policy.save)
            self.checkpoint()

        unfinished = not progress.ended(options) if seconds is None else progress.seconds < seconds
        if unfinished:  # else it was killed between its end and the next stage's first checkpoint
            supervised.train(
                self.learner,
                rows,
                self.optimizer,
                options,
                progress,
                rate=rate,
                seed=self.config.seed,
                look=self.look,
                on_look=on_look,
                original=self._original_value(),
                seconds=seconds,
            )
        self.load(best_folder)

    def grpo(self) -> None:
        """GRPO from the warm-up's best; policy/ holds the best on dev at any time."""
        training, options = self.config.training, self.config.grpo
        split = self.prepared.task.train
        if self.state.stage != "grpo":
            self._begin("grpo")
            self.reporter.phase("grpo", training.steps)
            answers = self.look()
            self.state.best, self.state.best_update = answers.value, self.state.update
            self._log({"phase": "grpo", "step": self.state.update, **self._dev_row(answers)}, important=True)
            write_folder(self.folder.path / "policy", self.learner.policy.save)
            self.checkpoint()
        rate = self.rate(options.learning_rate, 3e-4)
        reference = self._reference() if options.kl > 0 else None
        self.reporter.phase("grpo", training.steps, self.state.update - self.state.first)
        while (done := self.state.update - self.state.first) < training.steps:
            started = time.monotonic()
            searches = self.prepared.client.stats()
            queries = batch_of(split.queries, training.queries_per_step, self.config.seed, done)
            step = grpo_step(
                self.learner, self.optimizer, split, queries, options,
                rate=rate, total=training.steps, seed=self.config.seed, step=done, reference=reference,
                number=self.state.update + 1,
            )  # fmt: skip
            self.state.update += 1
            row = {
                "phase": "grpo",
                "step": self.state.update,
                **step.metrics,
                **self._search_row(searches, time.monotonic() - started),
            }
            self._pending += step.rollouts
            look = (done + 1) % training.steps_between_evaluations == 0 or done + 1 == training.steps
            if look:
                answers = self.look()
                row |= self._dev_row(answers)
                if answers.value > self.state.best:
                    self.state.best, self.state.best_update = answers.value, self.state.update
                    write_folder(self.folder.path / "policy", self.learner.policy.save)
            self.state.grpo_seconds += time.monotonic() - started
            self._log(row | {"elapsed_s": self.state.grpo_seconds}, important=look)
            if look:
                self.checkpoint()

    def _reference(self) -> Policy:
        """The policy GRPO started from, frozen."""
        policy = copy.deepcopy(self.learner.policy)
        load_saved(policy, self.parts / "warmup")
        policy.model.requires_grad_(False)
        return policy

    # -- metrics -------------------------------------------------------------------------------------------------

    def _dev_row(self, answers: Answers) -> dict[str, Any]:
        facts = behaviour(self.learner, answers.outcomes, answers.tokens)
        parts = {f"dev_{name}": value for name, value in answers.parts.items()}
        return {"dev_reward": answers.value, **parts, **{f"dev_{k}": v for k, v in facts.items()}}

    def _search_row(self, before: Any, seconds: float) -> dict[str, Any]:
        now = self.prepared.client.stats()
        asked = now.asked - before.asked
        return {
            "searches_per_s": (now.searches - before.searches) / seconds,
            "cache_hits": (now.cache_hits - before.cache_hits) / max(1, asked),
        }

    def _log(self, row: dict[str, Any], *, important: bool = False) -> None:
        self.folder.log(row)
        self.notify(row)
        self.reporter.step(self.state.update - self.state.first, row, important=important)
