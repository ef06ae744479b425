"""Supervised training on proven targets: the warm-up, and `warmup+`, the same given more time.

A query's targets share its prompt, so they go through the same shared-prefix pass as GRPO's groups. The loss is the mean
negative log-likelihood a target token, each query's targets weighted equally.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from leser.policy.packed import group_logprobs
from leser.warmup.options import WarmupOptions
from leser.warmup.targets import Target

if TYPE_CHECKING:
    from leser.sampler import Answers, Sampler


BEGINNING = 10
"""Looks at dev at the most in which a policy that earns no more than the original queries is taken to be on its way."""


@dataclass(frozen=True, slots=True)
class Example:
    """One query's prompt and the token ids of its targets (each ends with the end token)."""

    prompt: list[int]
    completions: list[list[int]]


def examples(sampler: Sampler, targets: Sequence[Target]) -> list[Example]:
    """Targets by query, encoded."""
    rows: dict[str, tuple[Any, list[list[int]]]] = {}
    for target in targets:
        rows.setdefault(target.query.id, (target.query, []))[1].append(
            sampler.policy.encode_completion(target.completion)
        )
    queries = [query for query, _ in rows.values()]
    prompts = sampler.prompts(queries)
    return [Example(p, rows[q.id][1]) for p, q in zip(prompts, queries, strict=True)]


def batches(rows: Sequence[Example], size: int, seed: int, start: int) -> Iterator[tuple[int, list[Example]]]:
    """Batches without end from batch number `start` on; each pass has its own order, decided by (seed, pass)."""
    per_pass = max(1, len(rows) // size)
    step = start
    while True:
        number, offset = divmod(step, per_pass)
        order = np.random.Generator(np.random.Philox(key=[seed, number])).permutation(len(rows))
        yield step, [rows[i] for i in order[offset * size : (offset + 1) * size]]
        step += 1


def supervised_step(
    sampler: Sampler, optimizer: torch.optim.Optimizer, batch: Sequence[Example], rate: float, chunk: int = 16
) -> float:
    """One update; returns the mean negative log-likelihood a token, in nats."""
    sampler.policy.model.train()
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    tokens = sum(len(c) for e in batch for c in e.completions)
    total = 0.0
    for first in range(0, len(batch), chunk):
        part = batch[first : first + chunk]
        result = group_logprobs(
            sampler.policy, [e.prompt for e in part], [e.completions for e in part], temperature=1.0
        )
        loss = -(result.logprobs * result.mask).sum() / tokens
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    torch.nn.utils.clip_grad_norm_(sampler.policy.model.parameters(), 1.0)
    optimizer.step()
    return total


@dataclass(slots=True)
class Progress:
    """Where supervised training stands; enough, with weights and moments, to go on after a kill."""

    step: int = 0
    looks: int = 0
    best: float = float("-inf")
    best_step: int = 0
    since_best: int = 0
    loss: float = float("inf")  # mean between the last two looks
    losses: list[float] = field(default_factory=list)  # since the last look
    seconds: float = 0.0

    def ended(self, options: WarmupOptions) -> bool:
        """Whether dev has stood still for long enough."""
        return self.since_best >= options.patience or self.looks >= options.max_evaluations


def train(
    sampler: Sampler,
    rows: Sequence[Example],
    optimizer: torch.optim.Optimizer,
    options: WarmupOptions,
    progress: Progress,
    *,
    rate: float,
    seed: int,
    look: Callable[[], Answers],
    on_look: Callable[[Progress, Answers, float, bool], None],
    on_step: Callable[[Progress], None] = lambda _: None,
    original: float,
    seconds: float | None = None,
) -> None:
    """Train until dev has not improved for `patience` looks (or, given `seconds`, until they are spent).

    `rate` is the peak learning rate; `look` answers dev's queries; `original` is what dev earns when every query is left
    alone; `on_look(progress, answers, loss, is_best)` saves and logs; `on_step(progress)` follows every other update.
    """
    started = time.monotonic() - progress.seconds
    for step, batch in batches(rows, options.batch_size, seed, progress.step):
        now = rate * min(1.0, (step + 1) / 10)  # ten steps of rising rate, then constant
        progress.losses.append(supervised_step(sampler, optimizer, batch, now))
        progress.step = step + 1
        progress.seconds = time.monotonic() - started
        spent = seconds is not None and time.monotonic() - started >= seconds
        if progress.step % options.steps_between_evaluations and not spent:
            on_step(progress)
            continue
        answers = look()
        progress.looks += 1
        # Before it beats doing nothing, a policy learns which words there are, then which belong to which query: dev falls
        # first and the loss tells the progress. Until then the latest is the best, and no plateau is counted.
        loss = float(np.mean(progress.losses))
        below = progress.looks <= BEGINNING and max(progress.best, answers.value) <= original
        better = answers.value > progress.best or (below and loss < 0.99 * progress.loss)
        progress.loss, progress.losses = loss, []
        progress.since_best = 0 if better else progress.since_best + 1
        if better:
            progress.best, progress.best_step = answers.value, progress.step
        progress.seconds = time.monotonic() - started
        on_look(progress, answers, loss, better)
        if spent or (seconds is None and progress.ended(options)):
            return
