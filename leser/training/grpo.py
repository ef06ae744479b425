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

import torch

from leser.engine import SearchStats
from leser.grpo.batch import GroupBatch
from leser.grpo.credit import term_credit
from leser.grpo.metrics import behaviour, sampled_entropy
from leser.grpo.options import GrpoOptions
from leser.grpo.queries import batch_of, curriculum_batch, note_spreads
from leser.grpo.update import policy_update
from leser.policy.adapters import frozen_reference
from leser.policy.packed import group_logprobs
from leser.policy.policy import Policy
from leser.sampler import Answers, Sampler
from leser.scoring import mean_of
from leser.task import Query, Split
from leser.training.rollout import advantages_of, excluded, refilled, roll_out, rows_of, totals, why_dropped
from leser.training.state import TrainingState


@dataclass(frozen=True, slots=True)
class Schedule:
    """The peak learning rate, the number of steps that its decay spans, and the seed of what is sampled."""

    rate: float
    total: int
    seed: int


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did: the row for metrics.jsonl, and a row for each completion."""

    metrics: dict[str, Any]
    rollouts: list[dict[str, Any]]


def train_grpo(state: TrainingState) -> None:
    """GRPO from the warm-up's best; policy/ holds the best on dev at any time."""
    session, counters = state.session, state.counters
    options, training, train = session.config.grpo, session.config.training, session.task.train
    if counters.stage != "grpo":
        _begin(state)
    schedule = Schedule(state.rate(options.learning_rate, 3e-4), training.steps, session.config.seed)
    reference = _reference(state) if options.kl > 0 else None
    session.reporter.phase("grpo", training.steps, counters.done)
    with state.interruption:
        while not counters.stopped and counters.done < training.steps:
            started, before = time.monotonic(), session.client.stats()
            queries = _next_queries(state, schedule)
            with state.sampler.environment.at(counters.done / max(1, training.steps - 1)):
                step = grpo_step(
                    state.sampler, state.optimizer, train, queries, options, schedule, counters.done,
                    reference=reference, number=counters.update + 1,
                )  # fmt: skip
            searched = _searched(before, session.client.stats(), time.monotonic() - started)
            counters.update += 1
            row = {"phase": "grpo", "step": counters.update, **step.metrics, **searched}
            state.keep_rollouts(step.rollouts)
            if options.curriculum == "spread":
                note_spreads(counters.spreads, rewards_by_query(step.rollouts))
            due = counters.done % training.steps_between_evaluations == 0 or counters.done == training.steps
            answers = state.evaluate_on_dev() if due else None
            if answers is not None:
                row |= state.dev_row(answers)
                if answers.value > counters.best:
                    _keep(state, answers)
            counters.grpo_seconds += time.monotonic() - started
            state.outlook.note("grpo", counters.done, counters.grpo_seconds)
            row = state.monitor.examine(row | {"elapsed_s": counters.grpo_seconds}, step.rollouts, answers)
            if training.monitor.stop and "warnings" in row:
                counters.stopped = ", ".join(row["warnings"])
            state.log(row, important=due)
            if due or counters.stopped or state.interruption.asked:
                state.checkpoint()
            state.interruption.stop_if_asked()
    if counters.stopped:
        session.reporter.warn(
            f"The monitor ended GRPO at step {counters.update} ({counters.stopped}); the best policy on dev, of step "
            f"{counters.best_update}, is the one that counts. A new run with -o training.monitor.stop=false does not stop."
        )


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
) -> Step:
    """Sample, search, reward and update on one batch of queries.

    `step` counts GRPO's updates from 0, `number` is what the rollouts call it; `reference` is the frozen policy that the KL
    term keeps near (needed where `options.kl` is above 0).
    """
    # rollout: G completions for each query, and what the engine makes of each
    found = roll_out(sampler, split, queries, options, schedule.seed, step)
    if options.refill:
        found = refilled(found, sampler, split, options, schedule.seed, step)
    # advantages, (groups, G)
    result = advantages_of(found, sampler, options)
    advantages: Any = result.advantages
    credited = time.monotonic()
    if options.credit != "none":
        scores = replace(found.scores, total=totals(found, sampler, options), excluded=excluded(found, options))
        advantages = term_credit(sampler, split, found.samples, found.outcomes, scores, result.advantages, options)
    judged = time.monotonic()
    # loss and update
    batch = GroupBatch(
        prompts=sampler.prompts(found.queries),
        completions=[[s.tokens for s in row] for row in found.samples],
        sampler_logprobs=[[s.logprobs for s in row] for row in found.samples],
        advantages=advantages,
        active=result.active,
    )
    if options.kl > 0:
        if reference is None:
            raise ValueError("grpo.kl is above 0, but no reference policy was given")
        batch = replace(batch, reference_logprobs=reference_logprobs(reference, batch, options.temperature))
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
        "sample_s": found.sample_s,
        "search_s": found.search_s + judged - credited,
        "update_s": time.monotonic() - judged,
    }
    return Step(metrics, rows_of(step if number is None else number, found, result.advantages))


def rewards_by_query(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """The rewards of a step's completions by query id, those that were not measured left out."""
    rewards: dict[str, list[float]] = {}
    for row in rows:
        if row["reward"] is not None:
            rewards.setdefault(row["query_id"], []).append(row["reward"])
    return rewards


def _next_queries(state: TrainingState, schedule: Schedule) -> list[Query]:
    training, train, done = state.session.config.training, state.session.task.train, state.counters.done
    if state.session.config.grpo.curriculum == "spread":
        return curriculum_batch(train.queries, training.queries_per_step, schedule.seed, done, state.counters.spreads)
    return batch_of(train.queries, training.queries_per_step, schedule.seed, done)


def _begin(state: TrainingState) -> None:
    """The evaluation on dev that GRPO starts from."""
    state.begin("grpo")
    counters = state.counters
    state.session.reporter.phase("grpo", state.session.config.training.steps)
    answers = state.evaluate_on_dev()
    row = {"phase": "grpo", "step": counters.update, **state.dev_row(answers)}
    _keep(state, answers)
    state.log(state.monitor.examine(row, answers=answers), important=True)
    state.checkpoint()


def _keep(state: TrainingState, answers: Answers) -> None:
    """Save the policy as policy/, the best on dev so far."""
    state.counters.best, state.counters.best_update = answers.value, state.counters.update
    state.save(state.folder.path / "policy")


def _reference(state: TrainingState) -> Policy:
    """The policy GRPO started from, frozen."""
    return frozen_reference(state.sampler.policy, state.policies / "warmup")


def _searched(before: SearchStats, after: SearchStats, seconds: float) -> dict[str, float]:
    """Searches per second of an update, and the share of its queries that the cache answered."""
    asked = after.asked - before.asked
    return {
        "searches_per_s": (after.searches - before.searches) / seconds,
        "cache_hits": (after.cache_hits - before.cache_hits) / max(1, asked),
    }


def reference_logprobs(reference: Policy, batch: GroupBatch, temperature: float) -> list[list[list[float]]]:
    """The frozen policy's log-probability of every completion token, few prompts at a time."""
    rows: list[list[list[float]]] = []
    with torch.no_grad():
        for first in range(0, len(batch.prompts), 8):
            part = slice(first, first + 8)
            found = group_logprobs(reference, batch.prompts[part], batch.completions[part], temperature=temperature)
            for values, group in zip(found.logprobs.tolist(), batch.completions[part], strict=True):
                rows.append([row[: len(tokens)] for row, tokens in zip(values, group, strict=False)])
    return rows
