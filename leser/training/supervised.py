"""One update of supervised training: passes within the memory's bound, the gradient the same for any split."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch

from leser.policy.memory import TOKENS_PER_PASS
from leser.policy.packed import group_logprobs
from leser.policy.sharding import agree, idle_passes, learning, passes_short, whole_norm
from leser.processes import add_gradients, all_sum

if TYPE_CHECKING:
    from leser.policy.policy import Policy

Part = TypeVar("Part")
QUERIES_PER_PASS = 16
"""Most queries in one pass where memory is not asked: more make products on a CPU no faster."""


@dataclass(frozen=True, slots=True)
class Example:
    """One query's prompt and the token ids of its targets (each ends with the end token).

    `given` says how many tokens at the start of each target are not taught; none given: every token is.
    """

    prompt: list[int]
    completions: list[list[int]]
    given: tuple[int, ...] = ()

    @property
    def tokens(self) -> int:
        """Tokens of a pass over the example alone."""
        return len(self.prompt) + sum(map(len, self.completions))


def supervised_step(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    batch: Sequence[Example],
    rate: float,
    bound: int = TOKENS_PER_PASS,
) -> float | None:
    """One update, at most `bound` tokens in a pass; returns the mean negative log-likelihood per token, in nats.

    Every process holds some examples of the batch, or none: the update is the one that a single process would make on all.

    A step whose gradient is not finite is skipped: no weight changes, and None is returned.
    """
    agree(policy, [e.prompt for e in batch], [e.completions for e in batch], 1.0)
    with learning(policy) as learner:
        return _step(learner, optimizer, batch, rate, bound)


def _step(
    policy: Policy, optimizer: torch.optim.Optimizer, batch: Sequence[Example], rate: float, bound: int
) -> float | None:
    own = sum(len(c) for e in batch for c in e.completions) - sum(sum(e.given) for e in batch)
    tokens, *_ = all_sum([own], policy.device)
    most = len(batch) if policy.device.type == "cuda" else QUERIES_PER_PASS

    def loss_of(part: Sequence[Example]) -> torch.Tensor:
        result = group_logprobs(policy, [e.prompt for e in part], [e.completions for e in part], temperature=1.0)
        mask = result.mask.clone()
        for row, example in enumerate(part):
            for column, given in enumerate(example.given):
                mask[row, column, :given] = False
        return -(result.logprobs * mask).sum() / tokens

    return update_once(policy, optimizer, rate, list(passes(batch, bound, most)), loss_of)


def update_once(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    rate: float,
    parts: Sequence[Part],
    loss_of: Callable[[Part], torch.Tensor],
) -> float | None:
    """One update on the losses of all parts, of all processes, added up; returns their sum.

    The policy is the one that `leser.policy.sharding.learning` gives. A gradient that is not finite changes no weight, and None
    is returned.
    """
    policy.model.train()
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    total = 0.0
    short = passes_short(policy, len(parts))
    for part in parts:
        loss = loss_of(part)
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    idle_passes(policy, short)
    trained = [p for p in policy.model.parameters() if p.requires_grad]
    if policy.root is None:  # shards are added up as they are made
        add_gradients(trained)
    total, *_ = all_sum([total], policy.device)
    if not math.isfinite(whole_norm(torch.nn.utils.clip_grad_norm_(trained, 1.0))):
        optimizer.zero_grad(set_to_none=True)
        return None
    optimizer.step()
    return total


def passes(batch: Sequence[Example], bound: int, most: int) -> Iterator[list[Example]]:
    """The examples in order, at most `most` of them and `bound` tokens at once; one that is larger is taken apart.

    A part of an example reads its prompt again, so that only a completion too long by itself exceeds the bound.
    """
    chosen: list[Example] = []
    used = 0
    for example in batch:
        for part in _parts(example, bound):
            if chosen and (len(chosen) == most or used + part.tokens > bound):
                yield chosen
                chosen, used = [], 0
            chosen.append(part)
            used += part.tokens
    if chosen:
        yield chosen


def _parts(example: Example, bound: int) -> Iterator[Example]:
    first, used = 0, len(example.prompt)
    for number, completion in enumerate(example.completions):
        if number > first and used + len(completion) > bound:
            yield _some(example, slice(first, number))
            first, used = number, len(example.prompt)
        used += len(completion)
    if example.completions:
        yield _some(example, slice(first, None))


def _some(example: Example, part: slice) -> Example:
    return Example(example.prompt, example.completions[part], example.given[part])
