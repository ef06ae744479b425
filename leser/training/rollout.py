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
from leser.grpo.advantage import Advantages, below_readable, group_advantages, overlong_penalty
from leser.grpo.options import GrpoOptions
from leser.grpo.queries import refill_of
from leser.processes import ALONE, Processes
from leser.reward import Outcome
from leser.rollout import Sample
from leser.sampler import Sampler
from leser.scoring import Scores
from leser.store.timeline import Span
from leser.task import Query, Split
from leser.training.noting import noted

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rollout:
    """B groups of G completions: `outcomes` and the rows of `scores` are those of `samples`, group by group.

    `search_s` is what training waited for the engine, `hidden_s` what was searched beside it; `stale` holds the
    log-probabilities of an older policy that sampled (leser/training/ahead.py), `spans` who was busy when.
    """

    queries: list[Query]
    samples: list[list[Sample]]
    outcomes: list[Outcome]
    scores: Scores
    sample_s: float
    search_s: float
    hidden_s: float = 0.0
    stale: list[list[list[float]]] | None = None
    spans: tuple[Span, ...] = ()

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
    own = None
    if share or processes.count == 1:
        begun = time.time()
        samples = draw(sampler, [query for _, query in share], options, seed, step)
        span = Span("sampler", begun, time.time())
        own = judge(sampler, split, [(g, (q, row)) for (g, q), row in zip(share, samples, strict=True)], span)
    return gathered(own, processes)


def sync_weights(sampler: Sampler, step: int, processes: Processes) -> None:
    """Give the rollout engine the policy's weights as they are; one that all processes share gets them from the main one."""
    engine = sampler.rollouts
    if engine.shared:
        processes.first(lambda: engine.sync_weights(sampler.policy, step))
    else:
        engine.sync_weights(sampler.policy, step)


def draw(sampler: Sampler, queries: Sequence[Query], options: GrpoOptions, seed: int, step: int) -> list[list[Sample]]:
    """`group_size` completions for each query, for step number `step`."""
    return sampler.draw(queries, options.group_size, seed=seed, step=step, temperature=options.temperature)


def judge(
    sampler: Sampler, split: Split, groups: Sequence[tuple[int, tuple[Query, list[Sample]]]], drawn: Span | None
) -> Rollout:
    """What the engine makes of numbered groups, which were `drawn` then."""
    begun = time.time()
    attempts = [
        Attempt(query, group, sampler.policy.decode(s.tokens), s.finished)
        for group, (query, row) in groups
        for s in row
    ]
    outcomes = sampler.environment.judge(attempts, split)
    scores = sampler.environment.score(outcomes)
    ended = time.time()
    return Rollout(
        [query for _, (query, _) in groups],
        [row for _, (_, row) in groups],
        outcomes,
        scores,
        sample_s=drawn.end - drawn.begin if drawn else 0.0,
        search_s=ended - begun,
        spans=(*([drawn] if drawn else []), Span("engine", begun, ended)),
    )


def gathered(own: Rollout | None, processes: Processes) -> Rollout:
    """The whole rollout out of every process's share, in the queries' order."""
    if processes.count == 1:
        assert own is not None
        return own
    parts = processes.gather(own and _slim(own))
    return _in_order([part for part in parts if part is not None], len(parts))


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
        if found.stale is not None:  # these were drawn by the present policy: their ratio is 1
            fresh = replace(fresh, stale=noted(sampler, fresh.queries, fresh.samples, options, processes))
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
    better = np.where(np.array(weights) < 0, -1.0, 1.0)  # the direction in which each component is worth more
    return group_advantages(
        totals(found, sampler, options).reshape(shape),
        excluded=excluded(found, options).reshape(shape),
        components=_gates_lowered(parts * better, found, options).reshape(*shape, -1) * better,
        weights=weights,
        options=options,
    )


def totals(found: Rollout, sampler: Sampler, options: GrpoOptions) -> Array:
    """What each completion counts as (B * G,): its reward less the penalty for its length; a gated one as `gated_below` says."""
    total = found.scores.total
    if options.overlong_penalty:
        total = total - overlong_penalty(found.lengths, sampler.max_new_tokens, options)
    return _gates_lowered(total, found, options)


def _gates_lowered(values: Array, found: Rollout, options: GrpoOptions) -> Array:
    """Totals (B * G,) or components (B * G, K) with those of gated completions as `grpo.gated_below` says; NaN counts 0 there."""
    if options.gated_below is None:
        return values
    shape, usable = found.shape, ~excluded(found, options).reshape(found.shape)
    grouped = np.nan_to_num(values.reshape(*shape, *values.shape[1:]))
    lowered = below_readable(grouped, found.scores.gated.reshape(shape), usable, options.gated_below)
    return np.where(np.isnan(values), values, lowered.reshape(values.shape))


def excluded(found: Rollout, options: GrpoOptions) -> npt.NDArray[np.bool_]:
    """Completions (B * G,) that leave baseline, loss and token count: failed searches, those that the rollout engine broke
    off, and those cut at the limit where they are masked."""
    masked = options.truncated == "masked"
    cut = np.array(
        [bool(s.broken_off) or (masked and not s.finished) for row in found.samples for s in row], dtype=bool
    )
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
        stale=None if found.stale is None else [found.stale[group] for group in groups],
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
        spans=parts[0].spans,
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
        a.hidden_s + b.hidden_s,
        None if a.stale is None or b.stale is None else a.stale + b.stale,
        a.spans + b.spans,
    )
