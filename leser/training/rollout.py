"""Rollout: completions sampled for a step's queries, what the engine made of each, and what it earned.

Zero-variance groups are paid for and teach nothing; `grpo.refill` samples as many groups of other queries, a few times over.
The groups that they replace stay in the figures and leave the loss.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from leser.environment import Attempt
from leser.expansion import Code
from leser.grpo.advantage import Advantages, group_advantages, overlong_penalty
from leser.grpo.options import GrpoOptions
from leser.grpo.queries import refill_of
from leser.policy.generate import Sample
from leser.processes import ALONE, Processes
from leser.reward import Outcome
from leser.sampler import Sampler
from leser.scoring import Scores
from leser.task import Query, Split

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rollout:
    """B groups of G completions: `outcomes` and the rows of `scores` are those of `samples`, group by group."""

    queries: list[Query]
    samples: list[list[Sample]]
    outcomes: list[Outcome]
    scores: Scores
    sample_s: float
    search_s: float

    @property
    def shape(self) -> tuple[int, int]:
        """(groups, completions of each)."""
        return len(self.samples), len(self.samples[0])

    @property
    def lengths(self) -> list[int]:
        """Tokens of each completion."""
        return [len(s.tokens) for row in self.samples for s in row]


def roll_out(
    sampler: Sampler,
    split: Split,
    queries: Sequence[Query],
    options: GrpoOptions,
    seed: int,
    step: int,
    first: int = 0,
    processes: Processes = ALONE,
) -> Rollout:
    """Sample `group_size` completions for each query, search with them and score them; `first` numbers the groups.

    Each process does so for its share of the queries; all of them get the whole, in the queries' order.
    """
    groups = list(enumerate(queries, start=first))
    share = processes.share(groups)
    own = _roll_out(sampler, split, share, options, seed, step) if share or processes.count == 1 else None
    if processes.count == 1:
        assert own is not None
        return own
    parts = processes.gather(own and _slim(own))
    return _in_order([part for part in parts if part is not None], len(parts))


def _roll_out(
    sampler: Sampler, split: Split, groups: Sequence[tuple[int, Query]], options: GrpoOptions, seed: int, step: int
) -> Rollout:
    started = time.monotonic()
    queries = [query for _, query in groups]
    samples = sampler.sample(queries, options.group_size, seed=seed, step=step, temperature=options.temperature)
    sampled = time.monotonic()
    attempts = [
        Attempt(query, group, sampler.policy.decode(s.tokens), s.finished)
        for (group, query), row in zip(groups, samples, strict=True)
        for s in row
    ]
    outcomes = sampler.environment.judge(attempts, split)
    scores = sampler.environment.score(outcomes)
    return Rollout(queries, samples, outcomes, scores, sample_s=sampled - started, search_s=time.monotonic() - sampled)


def refilled(
    found: Rollout,
    sampler: Sampler,
    split: Split,
    options: GrpoOptions,
    seed: int,
    step: int,
    processes: Processes = ALONE,
) -> Rollout:
    """The rollout with groups of other queries for its zero-variance groups, sought up to `options.refill` times."""
    missing = int(advantages_of(found, sampler, options).zero_variance.sum())
    for _ in range(options.refill):
        more = refill_of(split.queries, {q.id for q in found.queries}, missing, seed, step)
        if not more:
            break
        fresh = roll_out(sampler, split, more, options, seed, step, len(found.queries), processes)
        found = _together(found, fresh)
        missing = int(advantages_of(fresh, sampler, options).zero_variance.sum()) + missing - len(more)
    return found


def advantages_of(found: Rollout, sampler: Sampler, options: GrpoOptions) -> Advantages:
    """Advantages (B, G) of what was rolled out, length penalty and masked completions included."""
    shape = found.shape
    parts, weights = sampler.environment.rewards.components(found.outcomes, found.scores)
    if options.overlong_penalty:
        cut = overlong_penalty(found.lengths, sampler.max_new_tokens, options)
        parts = np.concatenate([parts, -cut[:, None] / options.overlong_penalty], axis=1)
        weights = (*weights, options.overlong_penalty)
    return group_advantages(
        totals(found, sampler, options).reshape(shape),
        excluded=excluded(found, options).reshape(shape),
        components=parts.reshape(*shape, -1),
        weights=weights,
        options=options,
    )


def totals(found: Rollout, sampler: Sampler, options: GrpoOptions) -> Array:
    """What each completion earned (B * G,), less the penalty for its length."""
    if not options.overlong_penalty:
        return found.scores.total
    return found.scores.total - overlong_penalty(found.lengths, sampler.max_new_tokens, options)


def excluded(found: Rollout, options: GrpoOptions) -> npt.NDArray[np.bool_]:
    """Completions (B * G,) that leave baseline, loss and token count: failed searches, and those cut where they are masked."""
    if options.truncated == "gated":
        return found.scores.excluded
    cut = np.array([not s.finished for row in found.samples for s in row], dtype=bool)
    both: npt.NDArray[np.bool_] = np.logical_or(found.scores.excluded, cut)
    return both


def why_dropped(found: Rollout, result: Advantages, options: GrpoOptions) -> dict[str, float]:
    """Shares of groups that taught nothing, by reason: too few usable completions, all gated, all of one reward."""
    out = excluded(found, options).reshape(found.shape)
    gated = found.scores.gated.reshape(found.shape) | out
    failed = (~out).sum(axis=1) < 2
    shut = gated.all(axis=1) & ~failed
    dropped = result.zero_variance
    return {
        "zero_variance_groups": float(dropped.mean()),
        "zero_variance_failed": float((dropped & failed).mean()),
        "zero_variance_gated": float((dropped & shut).mean()),
        "zero_variance_equal": float((dropped & ~failed & ~shut).mean()),
    }


def rows_of(number: int, found: Rollout, advantages: Array) -> list[dict[str, Any]]:
    """A row for each completion, as rollouts/*.parquet holds them; advantages are those of whole completions."""
    flat = advantages.reshape(-1)
    names, scores = found.scores.names, found.scores
    return [
        {
            "step": number,
            "query_id": outcome.query.id,
            "query": outcome.query.text,
            "completion": outcome.completion,
            "expansions": [e.text for e in outcome.expansions],
            "weights": [e.weight for e in outcome.expansions],
            **{f"reward_{n}": _known(v) for n, v in zip(names, row, strict=True)},
            "reward": _known(total),
            "advantage": float(advantage),
            "code": str(Code(outcome.code)),
            "reason": outcome.reason,
        }
        for outcome, row, total, advantage in zip(found.outcomes, scores.values, scores.total, flat, strict=True)
    ]


def _known(value: float) -> float | None:
    """None for what does not apply or was not measured: a table's empty cell, not a number."""
    return None if np.isnan(value) else float(value)


def of_groups(found: Rollout, groups: Sequence[int]) -> Rollout:
    """Some groups of a rollout, in this order."""
    size = found.shape[1]
    rows = [group * size + column for group in groups for column in range(size)]
    scores = found.scores
    return replace(
        found,
        queries=[found.queries[group] for group in groups],
        samples=[found.samples[group] for group in groups],
        outcomes=[found.outcomes[row] for row in rows],
        scores=replace(
            scores,
            values=scores.values[rows],
            total=scores.total[rows],
            gated=scores.gated[rows],
            excluded=scores.excluded[rows],
        ),
    )


def _slim(found: Rollout) -> Rollout:
    """For other processes: the documents have been read when there are scores."""
    return replace(found, outcomes=[replace(outcome, documents={}) for outcome in found.outcomes])


def _in_order(parts: Sequence[Rollout], count: int) -> Rollout:
    """The whole out of shares of `count` processes; as slow as the slowest of them."""
    whole = parts[0]
    for part in parts[1:]:
        whole = _together(whole, part)
    starts = np.cumsum([0, *(len(part.queries) for part in parts)]).tolist()
    order = [starts[i % count] + i // count for i in range(len(whole.queries))]
    return replace(
        of_groups(whole, order),
        sample_s=max(part.sample_s for part in parts),
        search_s=max(part.search_s for part in parts),
    )


def _together(a: Rollout, b: Rollout) -> Rollout:
    one, two = a.scores, b.scores
    scores = Scores(
        one.names,
        one.weights,
        np.concatenate([one.values, two.values]),
        np.concatenate([one.total, two.total]),
        np.concatenate([one.gated, two.gated]),
        np.concatenate([one.excluded, two.excluded]),
    )
    return Rollout(
        a.queries + b.queries,
        a.samples + b.samples,
        a.outcomes + b.outcomes,
        scores,
        a.sample_s + b.sample_s,
        a.search_s + b.search_s,
    )
