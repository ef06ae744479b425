"""The stages of training, each of which a kill may interrupt: supervised warm-up, GRPO, and the control `warmup+`.

One counter of updates runs through all stages; checkpoints/step-N holds what the N-th left. A stage that resumes loads the
latest checkpoint, cuts metrics and rollouts back to it and goes on; it makes the same numbers again, because all noise
depends on (seed, step, query, sample) alone. Ctrl-C ends an update with a checkpoint (leser/training/interrupt.py).
"""

from __future__ import annotations

import copy
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from leser.environment import Attempt
from leser.files import write_folder
from leser.grpo.metrics import behaviour
from leser.policy.loading import load_policy
from leser.sampler import Answers, Sampler
from leser.scoring import mean_of
from leser.training import warmup as supervised
from leser.training.grpo import Step, batch_of, grpo_step
from leser.training.state import Keeper, load_saved
from leser.warmup.sampled import sampled_targets
from leser.warmup.targets import Target, read_targets, write_targets

if TYPE_CHECKING:
    from leser.policy.policy import Policy


class Training(Keeper):
    """Takes one policy through the stages, in one run folder."""

    def prompted(self) -> Sampler:
        """The policy as it was before any training, shown worked examples where it reads prose."""
        config, sampler = self.config, self.sampler
        base = self.parts / "base"
        if base.exists():
            self.load(base)
            return sampler
        path = self.folder.path / "targets.jsonl"
        found = read_targets(path, self.session.task.train) if path.exists() else []
        best = list({t.query.id: t for t in sorted(found, key=lambda t: t.gain) if t.gain > 0}.values())
        chosen = best[:: max(1, len(best) // max(1, config.prompt.examples))][: config.prompt.examples]
        shown = sampler.worked_examples(chosen)
        policy = load_policy(config.policy)
        return Sampler(policy, self.session.environment, config.prompt, config.training.max_new_tokens, shown)

    def look(self) -> Answers:
        """Greedy answers on dev."""
        dev = self.session.task.dev
        return self.sampler.answer(dev, dev.queries[: self.config.training.dev_queries])

    def _original_value(self) -> float:
        """What dev earns when every query is left alone."""
        dev = self.session.task.dev
        queries = dev.queries[: self.config.training.dev_queries]
        none = [Attempt(q, i, self.session.environment.say()) for i, q in enumerate(queries)]
        return mean_of(self.session.environment.score(self.session.environment.judge(none, dev)).total)

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
        path, split = self.folder.path / "targets-sampled.jsonl", self.session.task.train
        if not self.config.warmup.samples:
            return targets
        if not path.exists():
            found = sampled_targets(self.sampler, split, targets, self.config.warmup, self.config.seed)
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
            write_folder(self.parts / "warmup-plus", self.sampler.policy.save)
            self.checkpoint()
        self._supervised("warmup+", self._all_targets(targets), self.state.grpo_seconds)

    def _supervised(self, stage: str, targets: list[Target], seconds: float | None) -> None:
        options = self.config.warmup
        rows = supervised.examples(self.sampler, targets)
        progress = supervised.Progress(**self.state.supervised)
        self.reporter.phase(stage, None, progress.step)
        best_folder = self.parts / ("warmup" if stage == "warmup" else "warmup-plus")

        def keep(progress: supervised.Progress) -> None:
            self.state.update = self.state.first + progress.step
            self.state.supervised = asdict(progress)

        def on_look(progress: supervised.Progress, answers: Answers, loss: float, better: bool) -> None:
            keep(progress)
            figures = {**self._dev_row(answers), "elapsed_s": progress.seconds}
            self._log({"phase": stage, "step": self.state.update, "loss": loss, **figures}, important=True)
            if better:
                write_folder(best_folder, self.sampler.policy.save)
            self.checkpoint()
            self.interruption.stop_if_asked()

        def on_step(progress: supervised.Progress) -> None:
            if self.interruption.asked:
                keep(progress)
                self.checkpoint()
                self.interruption.stop_if_asked()

        unfinished = not progress.ended(options) if seconds is None else progress.seconds < seconds
        if unfinished:  # else it was killed between its end and the next stage's first checkpoint
            with self.interruption:
                supervised.train(
                    self.sampler,
                    rows,
                    self.optimizer,
                    options,
                    progress,
                    rate=self.rate(options.learning_rate, 1e-3),
                    seed=self.config.seed,
                    look=self.look,
                    on_look=on_look,
                    on_step=on_step,
                    original=self._original_value(),
                    seconds=seconds,
                )
        self.load(best_folder)

    def grpo(self) -> None:
        """GRPO from the warm-up's best; policy/ holds the best on dev at any time."""
        training, options = self.config.training, self.config.grpo
        if self.state.stage != "grpo":
            self._begin_grpo()
        rate = self.rate(options.learning_rate, 3e-4)
        reference = self._reference() if options.kl > 0 else None
        self.reporter.phase("grpo", training.steps, self.state.update - self.state.first)
        with self.interruption:
            while not self.state.stopped and (done := self.state.update - self.state.first) < training.steps:
                started = time.monotonic()
                searches = self.session.client.stats()
                split = self.session.task.train
                queries = batch_of(split.queries, training.queries_per_step, self.config.seed, done)
                step = grpo_step(
                    self.sampler, self.optimizer, split, queries, options,
                    rate=rate, total=training.steps, seed=self.config.seed, step=done, reference=reference,
                    number=self.state.update + 1,
                )  # fmt: skip
                self._after_update(step, self._search_row(searches, time.monotonic() - started), started)
        if self.state.stopped:
            self.reporter.warn(
                f"The monitor ended GRPO at step {self.state.update} ({self.state.stopped}); the best policy on dev, of "
                f"step {self.state.best_update}, is the one that counts. A new run with training.monitor.stop=false trains on."
            )

    def _begin_grpo(self) -> None:
        """The look at dev that GRPO starts from."""
        self._begin("grpo")
        self.reporter.phase("grpo", self.config.training.steps)
        answers = self.look()
        self.state.best, self.state.best_update = answers.value, self.state.update
        row = {"phase": "grpo", "step": self.state.update, **self._dev_row(answers)}
        self._log(self.monitor.look_at(row, answers=answers), important=True)
        write_folder(self.folder.path / "policy", self.sampler.policy.save)
        self.checkpoint()

    def _after_update(self, step: Step, searched: dict[str, Any], started: float) -> None:
        """Log an update, look at dev where it is time to, and write the checkpoint that vouches for both."""
        training = self.config.training
        self.state.update += 1
        done = self.state.update - self.state.first
        row = {"phase": "grpo", "step": self.state.update, **step.metrics, **searched}
        self._pending += step.rollouts
        answers = None
        if done % training.steps_between_evaluations == 0 or done == training.steps:
            answers = self.look()
            row |= self._dev_row(answers)
            if answers.value > self.state.best:
                self.state.best, self.state.best_update = answers.value, self.state.update
                write_folder(self.folder.path / "policy", self.sampler.policy.save)
        self.state.grpo_seconds += time.monotonic() - started
        row = self.monitor.look_at(row | {"elapsed_s": self.state.grpo_seconds}, step.rollouts, answers)
        if self.config.training.monitor.stop and "warnings" in row:
            self.state.stopped = ", ".join(row["warnings"])
        self._log(row, important=answers is not None)
        if answers is not None or self.state.stopped or self.interruption.asked:
            self.checkpoint()
        self.interruption.stop_if_asked()

    def _reference(self) -> Policy:
        """The policy GRPO started from, frozen."""
        policy = copy.deepcopy(self.sampler.policy)
        load_saved(policy, self.parts / "warmup")
        policy.model.requires_grad_(False)
        return policy

    def _dev_row(self, answers: Answers) -> dict[str, Any]:
        facts = behaviour(self.sampler, answers.outcomes, answers.tokens)
        parts = {f"dev_{name}": value for name, value in answers.parts.items()}
        return {"dev_reward": answers.value, **parts, **{f"dev_{k}": v for k, v in facts.items()}}

    def _search_row(self, before: Any, seconds: float) -> dict[str, Any]:
        now = self.session.client.stats()
        asked = now.asked - before.asked
        return {
            "searches_per_s": (now.searches - before.searches) / seconds,
            "cache_hits": (now.cache_hits - before.cache_hits) / max(1, asked),
        }
