"""GRPO, the loop and its step: rollout, rewards, advantages, loss, update, log.

How it differs from the paper (arXiv 2402.03300): on policy by default, so the ratio is 1; no KL unless asked for; the
advantage is not divided by the group's standard deviation unless asked for (Dr. GRPO, arXiv 2503.20783); tokens are
normalised over the whole batch (DAPO, arXiv 2503.14476); zero-variance groups are left out; a completion whose search
failed is in neither baseline, loss nor token count.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from leser.config.training import UNBOUNDED
from leser.engine import SearchStats
from leser.grpo.batch import GroupBatch
from leser.grpo.credit import term_credit
from leser.grpo.metrics import behaviour, sampled_entropy
from leser.grpo.options import GrpoOptions
from leser.grpo.queries import batch_of, curriculum_batch, note_spreads
from leser.grpo.update import policy_update
from leser.policy.policy import Policy
from leser.processes import ALONE, Processes
from leser.sampler import Answers, Sampler
from leser.scoring import mean_of
from leser.store.timeline import Span
from leser.task import Query, Split
from leser.training.ahead import Ahead, Waiting, roll_out_ahead
from leser.training.ending import end_in_time, keep_policy, note_dev, say_why, total_steps
from leser.training.engine_open import rollouts_open
from leser.training.reference import opened_reference, referenced
from leser.training.rollout import (
    Rollout,
    advantages_of,
    excluded,
    of_groups,
    refilled,
    roll_out,
    rows_of,
    sync_weights,
    totals,
    why_dropped,
)
from leser.training.speed import Tokens, searched, speeds
from leser.training.state import TrainingState

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Schedule:
    """The peak learning rate, the number of steps that its decay spans, and the seed of what is sampled."""

    rate: float
    total: int
    seed: int


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did: the row for metrics.jsonl, a row for each completion, and who was busy when."""

    metrics: dict[str, Any]
    rollouts: list[dict[str, Any]]
    spans: tuple[Span, ...] = ()


def train_grpo(state: TrainingState) -> None:
    """GRPO from the warm-up's best; policy/ holds the best on dev at any time."""
    session, counters = state.session, state.counters
    options, training, train = session.config.grpo, session.config.training, session.task.train
    if counters.stage != "grpo":
        _begin(state)
    rate = state.rate(options.learning_rate, 3e-4)
    reference = opened_reference(state) if options.kl > 0 else None
    most = training.steps if training.steps < UNBOUNDED else None
    session.reporter.phase("grpo", most, counters.done)
    end_in_time(state)
    ahead = _ahead(state)
    with state.interruption, rollouts_open(state.sampler, state.folder.path, state.processes):
        while not counters.stopped and counters.done < training.steps:
            started, before = time.monotonic(), session.client.stats()
            schedule = Schedule(rate, total_steps(state), session.config.seed)
            queries = _next_queries(state, schedule, counters.done)
            if ahead is not None:
                more = counters.done + 1 < training.steps
                ahead.following = _next_queries(state, schedule, counters.done + 1) if more else []
            with state.sampler.environment.at(min(1.0, counters.done / max(1, schedule.total - 1))):
                step = grpo_step(
                    state.sampler, state.optimizer, train, queries, options, schedule, counters.done,
                    reference=reference, number=counters.update + 1, processes=state.processes, ahead=ahead,
                )  # fmt: skip
            fast = _speed(state, step, before, time.monotonic() - started)
            counters.update += 1
            row = {"phase": "grpo", "step": counters.update, **step.metrics, **fast}
            state.keep_rollouts(step.rollouts)
            if options.curriculum == "spread":
                note_spreads(counters.spreads, rewards_by_query(step.rollouts))
            end_in_time(state, counters.grpo_seconds + time.monotonic() - started)
            due = counters.done % training.steps_between_evaluations == 0 or counters.done == training.steps
            due = due or bool(counters.stopped)
            begun = time.time()
            answers = state.evaluate_on_dev() if due else None
            state.note_time(counters.update, [*step.spans, *([Span("dev", begun, time.time())] if due else [])])
            if answers is not None:
                row |= state.dev_row(answers)
                note_dev(state, answers)
            counters.grpo_seconds += time.monotonic() - started
            state.outlook.note("grpo", counters.done, counters.grpo_seconds)
            row = _examined(state, row | {"elapsed_s": counters.grpo_seconds}, step, answers)
            if training.monitor.stop and "warnings" in row:
                counters.stopped = ", ".join(row["warnings"])
            state.log(row, important=due)
            if due or counters.stopped or state.asked_to_stop():
                counters.waiting = ahead.waiting.row() if ahead is not None and ahead.waiting is not None else {}
                state.checkpoint()
            state.stop_if_asked()
    say_why(state)


def grpo_step(
    sampler: Sampler,
    optimizer: torch.optim.Optimizer,
    split: Split,
    queries: Sequence[Query],
    options: GrpoOptions,
    schedule: Schedule,
    step: int,
    *,
    reference: Policy | None = None,
    number: int | None = None,
    processes: Processes = ALONE,
    ahead: Ahead | None = None,
) -> Step:
    """Sample, search, reward and update on one batch of queries.

    `step` counts GRPO's updates from 0, `number` is what the rollouts call it; `reference` is the frozen policy that the KL
    term keeps near (needed where `options.kl` is above 0). Of several `processes` each samples, searches and trains its share;
    what is returned is of all of them. With `ahead`, the next batch is sampled while the engine searches with this one.
    """
    # rollout: G completions for each query, and what the engine makes of each
    begun = time.monotonic()
    sync_weights(sampler, step, processes)
    synced = time.monotonic()
    if ahead is None:
        found = roll_out(sampler, split, queries, options, schedule.seed, step, processes=processes)
    else:
        found = roll_out_ahead(sampler, split, queries, options, schedule.seed, step, ahead, processes)
    if options.refill:
        found = refilled(found, sampler, split, options, schedule.seed, step, processes)
    sampler.rollouts.rest()
    # advantages, (groups, G)
    result = advantages_of(found, sampler, options)
    credited = time.monotonic()
    groups = _share(found, result.active, options, processes)
    advantages: Any = result.advantages
    if options.credit != "none" and groups:
        advantages = _credited(sampler, split, of_groups(found, groups), advantages, groups, options)
    judged, training = time.monotonic(), time.time()
    # loss and update
    batch = _batch(sampler, found, advantages, result.active, groups)
    if options.kl > 0:
        if reference is None:
            raise ValueError("grpo.kl is above 0, but no reference policy was given")
        batch = replace(batch, reference_logprobs=referenced(reference, batch, groups, options))
    update = policy_update(
        sampler.policy, optimizer, batch, options, rate=schedule.rate, total=schedule.total, step=step
    )
    # log
    metrics = {
        "reward": mean_of(found.scores.total),
        **{f"reward_{n}": mean_of(c) for n, c in zip(found.scores.names, found.scores.values.T, strict=True)},
        **why_dropped(found, result, options),
        "refilled_groups": float(len(found.queries) - len(queries)),
        **behaviour(sampler, found.outcomes, found.lengths),
        "entropy_all": sampled_entropy(found.samples),
        **update.metrics(),
        "sync_s": synced - begun,
        "sample_s": found.sample_s,
        "search_s": found.search_s + judged - credited,
        "hidden_s": found.hidden_s,
        "update_s": time.monotonic() - judged,
    }
    rows = rows_of(step if number is None else number, found, result.advantages)
    return Step(metrics, rows, (*found.spans, Span("trainer", training, time.time())))


def _share(found: Rollout, active: Array, options: GrpoOptions, processes: Processes) -> list[int]:
    """The groups that this process trains on; in every mini-batch about as many tokens as each of the others."""
    tokens = (np.reshape(found.lengths, found.shape) * active).sum(axis=1)
    order = sorted(range(len(tokens)), key=lambda i: (i % options.mini_batches, -tokens[i], i))
    return sorted(processes.share(order))


def _credited(
    sampler: Sampler, split: Split, own: Rollout, advantages: Array, groups: Sequence[int], options: GrpoOptions
) -> Array:
    """Advantages of single tokens (B, G, C): those of this process's groups, `own`; the others' are 0."""
    scores = replace(own.scores, total=totals(own, sampler, options), excluded=excluded(own, options))
    credit = term_credit(sampler, split, own.samples, own.outcomes, scores, advantages[groups], options)
    whole = np.zeros((*advantages.shape, credit.shape[-1]))
    whole[groups] = credit
    return whole


def _batch(sampler: Sampler, found: Rollout, advantages: Any, active: Array, groups: Sequence[int]) -> GroupBatch:
    """The whole batch, in which only these groups are active: its mini-batches are the same in every process."""
    own = np.zeros(len(found.queries), dtype=bool)
    own[groups] = True
    prompts = dict(zip(groups, sampler.prompts([found.queries[group] for group in groups]), strict=True))
    return GroupBatch(
        prompts=[prompts.get(group, []) for group in range(len(found.queries))],
        completions=[[s.tokens for s in row] for row in found.samples],
        sampler_logprobs=[[s.logprobs for s in row] for row in found.samples],
        stale_logprobs=found.stale,
        advantages=advantages,
        active=active & own[:, None],
    )


def rewards_by_query(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """The rewards of a step's completions by query id, those that were not measured left out."""
    rewards: dict[str, list[float]] = {}
    for row in rows:
        if row["reward"] is not None:
            rewards.setdefault(row["query_id"], []).append(row["reward"])
    return rewards


def _ahead(state: TrainingState) -> Ahead | None:
    """The batch that a checkpoint holds, where batches are sampled ahead."""
    if not state.session.config.training.overlap:
        return None
    row = state.counters.waiting
    return Ahead(Waiting.of(row, state.session.task.train) if row else None)


def _next_queries(state: TrainingState, schedule: Schedule, done: int) -> list[Query]:
    """The queries of GRPO's step number `done`."""
    training, train = state.session.config.training, state.session.task.train
    if state.session.config.grpo.curriculum == "spread":
        return curriculum_batch(train.queries, training.queries_per_step, schedule.seed, done, state.counters.spreads)
    return batch_of(train.queries, training.queries_per_step, schedule.seed, done)


def _begin(state: TrainingState) -> None:
    """The evaluation on dev that GRPO starts from."""
    state.begin("grpo")
    counters, steps = state.counters, state.session.config.training.steps
    state.session.reporter.phase("grpo", steps if steps < UNBOUNDED else None)
    answers = state.evaluate_on_dev()
    row = {"phase": "grpo", "step": counters.update, **state.dev_row(answers)}
    keep_policy(state, answers)
    state.log(_examined(state, row, None, answers), important=True)
    state.checkpoint()


def _speed(state: TrainingState, step: Step, before: SearchStats, seconds: float) -> dict[str, float]:
    """How fast the step was that followed `before`."""
    sampler, completions = state.sampler, len(step.rollouts)
    group, prompt = state.session.config.grpo.group_size, sampler.mean_prompt_length()
    tokens = Tokens.of(step.metrics, completions, group, prompt)
    found = searched(before, state.session.client.stats(), seconds, state.processes)
    return found | speeds(sampler.policy, tokens, completions, seconds, state.processes)


def _examined(state: TrainingState, row: dict[str, Any], step: Step | None, answers: Answers | None) -> dict[str, Any]:
    """The row as the monitor completes it, which watches in the main process alone."""
    rollouts = step.rollouts if step else []
    return state.processes.first(lambda: state.monitor.examine(row, rollouts, answers))
