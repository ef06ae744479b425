"""Sampling ahead: the engine searches with one batch while the next is sampled (`training.overlap`).

A step that samples ahead does, of its own batch n and the next:

    search with batch n, in a thread    ||    sample batch n + 1 with the present policy
    update from batch n

so batch n + 1 comes from the policy before this update, one step older than the one that will learn from it. Its tokens'
log-probabilities under the policy that sampled are noted then, by training's own code, and the loss takes their ratio
rho = p / p_stale as it does where several updates come from one batch (PPO's clipped surrogate). Nothing is approximated in
silence: the first batch, and refilled groups, have rho = 1 before their update.

A checkpoint holds the batch that is waiting, so a run that was killed goes on with the very same tokens and ratios.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from leser.grpo.options import GrpoOptions
from leser.processes import Processes
from leser.rollout import Sample
from leser.sampler import Sampler
from leser.store.timeline import Span
from leser.task import Query, Split
from leser.training.noting import Logprobs, in_order, noted
from leser.training.rollout import Rollout, draw, gathered, judge


@dataclass(frozen=True, slots=True)
class Waiting:
    """A batch that is sampled and not searched with yet: B queries with G completions each, and their log-probabilities
    under the policy that sampled them, by training's own code (none where that is the policy of the next update)."""

    step: int
    queries: list[Query]
    samples: list[list[Sample]]
    stale: Logprobs | None
    span: Span | None = None

    def row(self) -> dict[str, Any]:
        """The batch as plain values, for a checkpoint; numbers keep every bit."""
        samples = [[[s.tokens, s.logprobs, s.finished, s.broken_off] for s in group] for group in self.samples]
        return {"step": self.step, "queries": [q.id for q in self.queries], "samples": samples, "stale": self.stale}

    @classmethod
    def of(cls, row: Mapping[str, Any], split: Split) -> Waiting:
        """The batch of such values; its queries are the split's."""
        known = {query.id: query for query in split.queries}
        samples = [[Sample(*values) for values in group] for group in row["samples"]]
        return cls(row["step"], [known[id] for id in row["queries"]], samples, row["stale"])


@dataclass(slots=True)
class Ahead:
    """Sampling ahead through a training: the batch that waits, and the queries to sample meanwhile (none: no further batch)."""

    waiting: Waiting | None = None
    following: Sequence[Query] = ()


def roll_out_ahead(
    sampler: Sampler,
    split: Split,
    queries: Sequence[Query],
    options: GrpoOptions,
    seed: int,
    step: int,
    ahead: Ahead,
    processes: Processes,
) -> Rollout:
    """The rollout of a step; meanwhile the next batch is sampled, and waits in `ahead` from then on.

    What the step before sampled for this one is taken; without it, `queries` are sampled now. All that touches the search
    engine runs in one thread: prompts of the next batch are made before it starts.
    """
    batch = ahead.waiting or _sampled(sampler, queries, options, seed, step, processes, stale=False)
    sampler.prompts(ahead.following)
    groups = list(enumerate(zip(batch.queries, batch.samples, strict=True)))
    share = processes.share(groups)
    with ThreadPoolExecutor(1, thread_name_prefix="leser-ahead") as thread:
        searching = thread.submit(judge, sampler, split, share, batch.span) if share else None
        ahead.waiting = None
        if ahead.following:
            ahead.waiting = _sampled(sampler, ahead.following, options, seed, step + 1, processes, stale=True)
        waited = time.monotonic()
        own = searching.result() if searching is not None else None
        waited = time.monotonic() - waited
    found = gathered(own, processes)
    return replace(found, search_s=waited, hidden_s=max(0.0, found.search_s - waited), stale=batch.stale)


def _sampled(
    sampler: Sampler,
    queries: Sequence[Query],
    options: GrpoOptions,
    seed: int,
    step: int,
    processes: Processes,
    *,
    stale: bool,
) -> Waiting:
    """A batch drawn with the present policy; `stale` where an update will come between it and its own."""
    begun = time.time()
    share = processes.share(list(queries))
    own = draw(sampler, share, options, seed, step) if share else []
    samples = in_order(processes.gather(own))
    logprobs = noted(sampler, queries, samples, options, processes) if stale else None
    return Waiting(step, list(queries), samples, logprobs, Span("sampler", begun, time.time()))
