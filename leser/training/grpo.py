"""GRPO, the loop and its step: rollout, rewards, advantages, loss, update, log.

How it differs from the paper (arXiv 2402.03300): on policy by default, so the ratio is 1; no KL unless asked for; the
advantage is not divided by the group's standard deviation unless asked for (Dr. GRPO, arXiv 2503.20783); tokens are
normalised over the whole batch (DAPO, arXiv 2503.14476); zero-variance groups are left out; a completion whose search
failed is in neither baseline, loss nor token count.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from leser.engine import SearchStats
from leser.environment import Attempt
from leser.grpo.advantage import group_advantages
from leser.grpo.credit import term_credit
from leser.grpo.metrics import behaviour
from leser.grpo.options import GrpoOptions
from leser.grpo.update import GroupBatch, policy_update
from leser.policy.packed import group_logprobs
from leser.policy.policy import Policy
from leser.reward import Outcome
from leser.sampler import Answers, Sampler
from leser.scoring import GATED_MARGIN, RewardSet, Scores, mean_of
from leser.task import Query, Split
from leser.training.state import TrainingState, load_saved

Array = npt.NDArray[np.float64]


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
            queries = batch_of(train.queries, training.queries_per_step, schedule.seed, counters.done)
            step = grpo_step(
                state.sampler, state.optimizer, train, queries, options, schedule, counters.done,
                reference=reference, number=counters.update + 1,
            )  # fmt: skip
            searched = _searched(before, session.client.stats(), time.monotonic() - started)
            counters.update += 1
            row = {"phase": "grpo", "step": counters.update, **step.metrics, **searched}
            state.keep_rollouts(step.rollouts)
            due = counters.done % training.steps_between_evaluations == 0 or counters.done == training.steps
            answers = state.evaluate_on_dev() if due else None
            if answers is not None:
                row |= state.dev_row(answers)
                if answers.value > counters.best:
                    _keep(state, answers)
            counters.grpo_seconds += time.monotonic() - started
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
    started = time.monotonic()
    environment, shape = sampler.environment, (len(queries), options.group_size)
    # rollout: G completions for each query
    samples = sampler.sample(
        queries, options.group_size, seed=schedule.seed, step=step, temperature=options.temperature
    )
    sampled = time.monotonic()
    # rewards: what the engine makes of each
    attempts = [
        Attempt(query, group, sampler.policy.decode(s.tokens), s.finished)
        for group, (query, row) in enumerate(zip(queries, samples, strict=True))
        for s in row
    ]
    outcomes = environment.judge(attempts, split)
    scores = environment.score(outcomes)
    # advantages, (queries, G)
    result = group_advantages(
        scores.total.reshape(shape),
        excluded=scores.excluded.reshape(shape),
        components=_components(environment.rewards, scores).reshape(*shape, -1),
        weights=[w for r, w in zip(environment.rewards.rewards, scores.weights, strict=True) if not r.gate],
        options=options,
    )
    advantages: Any = result.advantages
    if options.term_credit > 0:
        advantages = term_credit(sampler, split, samples, outcomes, scores, result.advantages, options)
    judged = time.monotonic()
    # loss and update
    batch = GroupBatch(
        prompts=sampler.prompts(queries),
        completions=[[s.tokens for s in row] for row in samples],
        old_logprobs=[[s.logprobs for s in row] for row in samples],
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
        "reward": mean_of(scores.total),
        **{f"reward_{n}": mean_of(c) for n, c in zip(scores.names, scores.values.T, strict=True)},
        "zero_variance_groups": float(result.zero_variance.mean()),
        **behaviour(sampler, outcomes, [len(s.tokens) for row in samples for s in row]),
        **update.metrics(),
        "sample_s": sampled - started,
        "search_s": judged - sampled,
        "update_s": time.monotonic() - judged,
    }
    rows = _rows(step if number is None else number, outcomes, scores, result.advantages.reshape(-1), scores.names)
    return Step(metrics, rows)


def batch_of(queries: Sequence[Query], size: int, seed: int, step: int) -> list[Query]:
    """The queries of step number `step` (from 0): passes over all of them, each in an order decided by (seed, pass).

    Passes run on across steps, so that no query is dropped because the batch size does not divide their number.
    """
    size = min(size, len(queries))
    chosen: list[Query] = []
    position = step * size
    while len(chosen) < size:
        number, offset = divmod(position + len(chosen), len(queries))
        order = np.random.Generator(np.random.Philox(key=[seed, number])).permutation(len(queries))
        for i in order[offset : offset + size - len(chosen)]:
            # a query that ends one pass and begins the next would make two groups of one query
            chosen.append(queries[i])
    return list({q.id: q for q in chosen}.values())


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
    policy = copy.deepcopy(state.sampler.policy)
    load_saved(policy, state.policies / "warmup")
    policy.model.requires_grad_(False)
    return policy


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


def _components(rewards: RewardSet, scores: Scores) -> Array:
    """The rewards one by one, gates left out; a gated completion gets less than the least of each."""
    values = scores.values[:, [not r.gate for r in rewards.rewards]].copy()
    values[scores.gated] = [min(r.range) - GATED_MARGIN for r in rewards.rewards if not r.gate]
    return values


def _known(value: float) -> float | None:
    """None for what does not apply or was not measured: a table's empty cell, not a number."""
    return None if np.isnan(value) else float(value)


def _rows(
    step: int, outcomes: Sequence[Outcome], scores: Scores, advantages: Array, names: Sequence[str]
) -> list[dict[str, Any]]:
    return [
        {
            "step": step,
            "query_id": outcome.query.id,
            "query": outcome.query.text,
            "completion": outcome.completion,
            "expansions": [e.text for e in outcome.expansions],
            "weights": [e.weight for e in outcome.expansions],
            **{f"reward_{n}": _known(v) for n, v in zip(names, row, strict=True)},
            "reward": _known(total),
            "advantage": float(advantage),
            "code": str(outcome.code),
            "reason": outcome.reason,
        }
        for outcome, row, total, advantage in zip(outcomes, scores.values, scores.total, advantages, strict=True)
    ]
