"""One GRPO step: rollout -> searches -> rewards -> advantages -> loss -> update -> what happened, in numbers.

How it differs from the paper (arXiv 2402.03300): on policy by default, so the ratio is 1; no KL unless asked for; the
advantage is not divided by the group's standard deviation unless asked for (Dr. GRPO, arXiv 2503.20783); tokens are
normalised over the whole batch (DAPO, arXiv 2503.14476); groups whose rewards span no range are left out; a completion
whose search failed is in neither baseline, loss nor token count.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from leser.environment import Attempt
from leser.grpo.advantage import group_advantages
from leser.grpo.credit import term_credit
from leser.grpo.metrics import behaviour
from leser.grpo.update import GroupBatch, policy_update
from leser.policy.packed import group_logprobs
from leser.reward import Outcome
from leser.sampler import Sampler
from leser.scoring import GATED_MARGIN, mean_of
from leser.task import Query, Split

if TYPE_CHECKING:
    import torch

    from leser.grpo.options import GrpoOptions
    from leser.policy.policy import Policy
    from leser.scoring import RewardSet, Scores


Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did: the row for metrics.jsonl, and a row for each completion."""

    metrics: dict[str, Any]
    rollouts: list[dict[str, Any]]


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


def grpo_step(
    sampler: Sampler,
    optimizer: torch.optim.Optimizer,
    split: Split,
    queries: Sequence[Query],
    options: GrpoOptions,
    *,
    rate: float,
    total: int,
    seed: int,
    step: int,
    reference: Policy | None = None,
    number: int | None = None,
) -> Step:
    """Sample, search, reward and update on one batch of queries.

    `step` counts GRPO's updates from 0, `number` is what the rollouts call it; `rate` is the peak learning rate, `total`
    the number of steps its schedule spans; `reference` is the frozen policy that the KL term keeps near (needed where
    `options.kl` is above 0).
    """
    started = time.monotonic()
    samples = sampler.sample(queries, options.group_size, seed=seed, step=step, temperature=options.temperature)
    sampled = time.monotonic()
    attempts = [
        Attempt(query, group, sampler.policy.decode(s.tokens), s.finished)
        for group, (query, row) in enumerate(zip(queries, samples, strict=True))
        for s in row
    ]
    outcomes = sampler.environment.judge(attempts, split)
    scores = sampler.environment.score(outcomes)
    shape = (len(queries), options.group_size)
    result = group_advantages(
        scores.total.reshape(shape),
        excluded=scores.excluded.reshape(shape),
        components=_components(sampler.environment.rewards, scores).reshape(*shape, -1),
        weights=[w for r, w in zip(sampler.environment.rewards.rewards, scores.weights, strict=True) if not r.gate],
        options=options,
    )
    advantages: Any = result.advantages
    if options.term_credit > 0:
        advantages = term_credit(sampler, split, samples, outcomes, scores, result.advantages, options)
    judged = time.monotonic()
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
    update = policy_update(sampler.policy, optimizer, batch, options, rate=rate, total=total, step=step)
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
    return Step(
        metrics,
        _rows(step if number is None else number, outcomes, scores, result.advantages.reshape(-1), scores.names),
    )


def reference_logprobs(reference: Policy, batch: GroupBatch, temperature: float) -> list[list[list[float]]]:
    """The frozen policy's log-probability of every completion token, few prompts at a time."""
    import torch

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
