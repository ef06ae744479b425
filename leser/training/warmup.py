"""Supervised training on proven targets: the warm-up, and `warmup+`, the same given more time.

A query's targets share its prompt, so they go through the same shared-prefix pass as GRPO's groups. The loss is the mean
negative log-likelihood per target token, each query's targets weighted equally. With `warmup.loss = "dpo"` pairs of stored
completions stand in the targets' place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from leser.policy.memory import pass_tokens
from leser.sampler import Sampler
from leser.training.held_out import HeldOut, hold_out
from leser.training.outlook import FIRST
from leser.training.preference import pair_examples, preference_step
from leser.training.state import TrainingState
from leser.training.supervised import Example, supervised_step
from leser.warmup.progress import WarmupProgress
from leser.warmup.reasoning import encoded
from leser.warmup.sampled import sampled_targets
from leser.warmup.targets import Target, read_targets, write_targets

T = TypeVar("T")
RISING_STEPS = 10
"""Updates in which the learning rate rises to its peak, where it stays."""


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What batches are drawn from, the peak rate for 2 million weights, and an update from a batch at a rate within a bound."""

    rows: Sequence[Any]
    rate: float
    update: Callable[[Sequence[Any], float, int], float | None]


def warm_up(state: TrainingState, targets: list[Target]) -> None:
    """Train on proven targets until dev stops improving; leaves the best on dev in policies/warmup and in the model."""
    counters = state.counters
    targets, held = _held_out(state, targets)
    if counters.round == 0:
        train_supervised(state, targets, "warmup", held=held)
        if not _samples(state) or not _time_to_sample(state):
            return
        counters.round = 1
        counters.supervised |= {"since_best": 0}
    train_supervised(state, _with_sampled(state, targets), "warmup", held=held)


def warm_up_more(state: TrainingState, targets: list[Target]) -> None:
    """The control: what more of the same supervised training gives in the time that GRPO took, or a share of it."""
    counters, share = state.counters, state.session.config.evaluation.warmup_plus_share
    if counters.stage != "warmup+":
        state.load(state.policies / "warmup")
        state.begin("warmup+")
        counters.supervised["best"] = state.evaluate_on_dev().value  # it starts from the warm-up's best, as GRPO did
        state.save(state.policies / "warmup-plus")
        state.checkpoint()
    taught, _ = _held_out(state, targets)
    if state.processes.same(sampled_file(state).exists() or not state.budget.limited):
        taught = _with_sampled(state, taught)
    train_supervised(state, taught, "warmup+", share * counters.grpo_seconds)


def _held_out(state: TrainingState, targets: list[Target]) -> tuple[list[Target], HeldOut | None]:
    """The targets to train on, and those held out; none where the options hold none out, or too few queries have any."""
    config = state.session.config
    taught, held = hold_out(targets, config.warmup.held_out, config.seed) if config.warmup.held_out else (targets, [])
    if not held or not taught:
        return targets, None
    space = state.session.config.warmup.leading_space
    rows = [
        [(e.prompt, e.completions) for e in examples(state.sampler, part, leading_space=space)]
        for part in (held, taught)
    ]
    return taught, HeldOut(rows[0], rows[1])


def sampled_file(state: TrainingState) -> Path:
    """Where the targets out of the policy's own completions are kept."""
    return state.folder.path / "targets-sampled.jsonl"


def _samples(state: TrainingState) -> bool:
    """Whether the policy's own completions are to become targets: not where it learns from pairs of stored ones."""
    options = state.session.config.warmup
    return options.samples > 0 and options.loss == "likelihood"


def _time_to_sample(state: TrainingState) -> bool:
    """Whether completions can be sampled for better targets, and learned from, in the time that the warm-up has left."""
    budget, config, task = state.budget, state.session.config, state.session.task
    if state.processes.same(sampled_file(state).exists()):
        return True
    asked = min(config.warmup.max_queries, len(task.train.queries)) / max(
        1, min(config.training.dev_queries, len(task.dev.queries))
    )
    needed = 2 * asked * max(1.0, config.warmup.samples / 2) * budget.evaluation_s
    return state.processes.same(budget.warmup_left(state.counters.supervised["seconds"]) > needed)


def _with_sampled(state: TrainingState, targets: list[Target]) -> list[Target]:
    """The targets, and the better ones out of the policy's own completions, which are sought once per run."""
    session, path = state.session, sampled_file(state)
    if not _samples(state):
        return targets

    def seek() -> None:
        if path.exists():
            return
        found = sampled_targets(state.sampler, session.task.train, targets, session.config.warmup, session.config.seed)
        write_targets(path, found)
        session.reporter.say(f"{len(found)} better targets among the policy's own completions.")

    state.processes.first(seek)
    better = read_targets(path, session.task.train)
    disproved = {t.query.id for t in better}
    return [t for t in targets if t.gain > 0 or t.query.id not in disproved] + better


def train_supervised(
    state: TrainingState,
    targets: list[Target],
    stage: str,
    seconds: float | None = None,
    *,
    held: HeldOut | None = None,
) -> None:
    """Train until dev stands still or, given `seconds`, until they are spent; then the best on dev is in the model.

    With targets `held` out, the policy that finds them likeliest is kept in policies/warmup-likeliest; where no policy earned
    more on dev than leaving every query alone, it is the one that training goes on with.
    """
    session, sampler, counters = state.session, state.sampler, state.counters
    options, progress = session.config.warmup, WarmupProgress(**counters.supervised)
    best_folder = state.policies / ("warmup" if stage == "warmup" else "warmup-plus")
    lesson = _lesson(state, targets)
    peak, original = state.rate(options.learning_rate, lesson.rate), state.original_value()
    session.reporter.phase(stage, None, progress.step)
    started = time.monotonic() - progress.seconds
    rows = batches(lesson.rows, options.batch_size, session.config.seed, progress.step)
    # already ended where it was killed between its end and the next stage's first checkpoint
    ended = progress.ended(options) if seconds is None else _spent(state, progress, seconds)
    with state.interruption:
        while not ended:
            step, batch = next(rows)
            rate = peak * min(1.0, (step + 1) / RISING_STEPS)
            bound = pass_tokens(sampler.policy, session.config.grpo)
            loss = lesson.update(state.processes.share(batch), rate, bound)
            progress.take(loss)
            progress.step = step + 1
            progress.seconds = time.monotonic() - started
            state.outlook.note(stage, progress.step, progress.seconds)
            if progress.step == FIRST and stage == "warmup":
                session.reporter.say(state.time_left())
            spent = _spent(state, progress, seconds)
            counters.update = counters.first + progress.step
            due = progress.step % options.steps_between_evaluations == 0 or spent
            if due:
                answers = state.evaluate_on_dev()
                likelihood = state.processes.same(held.likelihood(sampler)) if held else None
                better = progress.note(
                    state.processes.same(answers.value), original, likelihood.loss if likelihood else None
                )
                progress.seconds = time.monotonic() - started
                row = {"phase": stage, "step": counters.update, "loss": progress.loss, "skipped": progress.skipped}
                if likelihood:
                    row |= likelihood.row()
                    if progress.held_step == progress.step:
                        state.save(state.policies / "warmup-likeliest")
                state.log({**row, **state.dev_row(answers), "elapsed_s": progress.seconds}, important=True)
                if better:
                    state.save(best_folder)
                ended = spent or (seconds is None and progress.ended(options))
            if due or state.asked_to_stop():
                counters.supervised = asdict(progress)
                state.checkpoint()
            state.stop_if_asked()
    if held and progress.best <= original:
        state.load(state.policies / "warmup-likeliest")
        state.save(best_folder)
    state.load(best_folder)
    if held:
        session.reporter.say(held.likelihood(sampler).sentence())


def _lesson(state: TrainingState, targets: list[Target]) -> _Lesson:
    options, policy, optimizer = state.session.config.warmup, state.sampler.policy, state.optimizer
    if options.loss == "dpo":
        return _Lesson(
            pair_examples(state),
            1e-4,
            lambda part, rate, bound: preference_step(policy, optimizer, part, rate, bound, options),
        )
    rows = examples(state.sampler, targets, leading_space=options.leading_space)
    return _Lesson(rows, 1e-3, lambda part, rate, bound: supervised_step(policy, optimizer, part, rate, bound))


def _spent(state: TrainingState, progress: WarmupProgress, seconds: float | None) -> bool:
    """Whether the stage's time is spent: the given seconds, or its part of the run's budget."""
    if seconds is None:
        return state.processes.same(state.budget.warmup_left(progress.seconds) <= 0)
    return state.processes.same(progress.seconds >= seconds or state.budget.control_left() <= 0)


def examples(sampler: Sampler, targets: Sequence[Target], *, leading_space: bool = False) -> list[Example]:
    """Targets by query, encoded; `leading_space` as in the options of the warm-up."""
    rows: dict[str, tuple[Any, list[tuple[list[int], int]]]] = {}
    for target in targets:
        rows.setdefault(target.query.id, (target.query, []))[1].append(
            encoded(sampler.policy, target, leading_space=leading_space)
        )
    queries = [query for query, _ in rows.values()]
    prompts = sampler.prompts(queries)
    return [
        Example(prompt, [tokens for tokens, _ in rows[q.id][1]], tuple(given for _, given in rows[q.id][1]))
        for prompt, q in zip(prompts, queries, strict=True)
    ]


def batches(rows: Sequence[T], size: int, seed: int, start: int) -> Iterator[tuple[int, list[T]]]:
    """Batches without end from batch number `start` on; each pass has its own order, decided by (seed, pass)."""
    per_pass = max(1, len(rows) // size)
    step = start
    while True:
        number, offset = divmod(step, per_pass)
        order = np.random.Generator(np.random.Philox(key=[seed, number])).permutation(len(rows))
        yield step, [rows[i] for i in order[offset * size : (offset + 1) * size]]
        step += 1
