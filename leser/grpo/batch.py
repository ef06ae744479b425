"""The optimiser batch, and its parts: mini-batches, each with an update, and passes that bound memory, not the result.

The gradient of a batch is a sum over completions with one denominator, so it does not matter which pass a completion is in. A
group that fits shares one prompt; one that does not is split, and its prompt is read once more for each part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leser.grpo.options import GrpoOptions

Ragged = Sequence[Sequence[Sequence[float]]]
Piece = tuple[int, list[int]]
"""A group's number and which of its completions."""


@dataclass(frozen=True, slots=True)
class GroupBatch:
    """B groups of G completions and what they earned.

    `stale_logprobs` are those of an older policy that sampled, by training's own code: the ratio is taken to them where given.
    `advantages` (B, G), or (B, G, C) for single tokens; `active` (B, G) False for completions that count nowhere.
    Log-probabilities are as ragged as `completions`: `old_logprobs` those of the policy before its first update from this batch,
    by the same code (`policy_update` notes them), `sampler_logprobs` those noted while sampling, `reference_logprobs` those of
    the policy GRPO started with (needed for a KL weight above 0).
    """

    prompts: Sequence[list[int]]
    completions: Sequence[Sequence[list[int]]]
    advantages: Any
    active: Any
    old_logprobs: Ragged | None = None
    reference_logprobs: Ragged | None = None
    sampler_logprobs: Ragged | None = None
    stale_logprobs: Ragged | None = None


def mini_batches(batch: GroupBatch, count: int) -> list[GroupBatch]:
    """The batch in `count` parts, every count-th group each; a part may be empty, so that all processes make as many updates."""
    if count == 1:
        return [batch]
    groups = len(batch.prompts)
    return [select(batch, [(i, _all(batch, i)) for i in range(first, groups, count)]) for first in range(count)]


def passes(batch: GroupBatch, options: GrpoOptions, limit: int) -> Iterator[list[Piece]]:
    """What each pass holds: whole groups, prompts of like length together, or a part of a group too big for one pass.

    Groups that teach nothing are left out. A pass holds at most `limit` tokens, or a single completion.
    """
    size = [len(p) + sum(map(len, group)) for p, group in zip(batch.prompts, batch.completions, strict=True)]
    chosen: list[Piece] = []
    used = 0
    for i in sorted(_taught(batch, options), key=lambda i: (len(batch.prompts[i]), i)):
        if chosen and used + size[i] > limit:
            yield chosen
            chosen, used = [], 0
        if size[i] > limit:
            yield from ([(i, part)] for part in _parts(batch, i, limit))
            continue
        chosen.append((i, _all(batch, i)))
        used += size[i]
    if chosen:
        yield chosen


def select(batch: GroupBatch, pieces: Sequence[Piece]) -> GroupBatch:
    """These groups of a batch, whole; or a part of one group."""
    rows = [i for i, _ in pieces]
    advantages, active = np.asarray(batch.advantages)[rows], np.asarray(batch.active)[rows]
    if len(pieces) == 1:
        columns = pieces[0][1]
        advantages, active = advantages[:, columns], active[:, columns]

    def some(values: Any) -> Any:
        return None if values is None else [[values[i][j] for j in columns] for i, columns in pieces]

    return GroupBatch(
        [batch.prompts[i] for i in rows],
        some(batch.completions),
        advantages,
        active,
        some(batch.old_logprobs),
        some(batch.reference_logprobs),
        some(batch.sampler_logprobs),
        some(batch.stale_logprobs),
    )


def padded(values: Ragged, shape: Sequence[int]) -> Tensor:
    """Ragged numbers as a float32 tensor of `shape` (B, G, C), 0 after each row's end."""
    out = torch.zeros(*shape)
    for b, group in enumerate(values):
        for g, row in enumerate(group):
            out[b, g, : len(row)] = torch.tensor(row, dtype=torch.float32)
    return out


def _taught(batch: GroupBatch, options: GrpoOptions) -> list[int]:
    """Groups with a gradient: an advantage that counts, or a KL or entropy term, which every active completion has."""
    advantages, active = np.asarray(batch.advantages), np.asarray(batch.active, dtype=bool)
    always = bool(options.kl or options.entropy_bonus)
    return [i for i in range(len(batch.prompts)) if active[i].any() and (always or np.any(advantages[i][active[i]]))]


def _all(batch: GroupBatch, group: int) -> list[int]:
    return list(range(len(batch.completions[group])))


def _parts(batch: GroupBatch, group: int, limit: int) -> Iterator[list[int]]:
    """The active completions of one group in order, as many at once as fit beside its prompt."""
    prompt, active = len(batch.prompts[group]), np.flatnonzero(np.asarray(batch.active)[group]).tolist()
    part: list[int] = []
    used = prompt
    for number in active:
        length = len(batch.completions[group][number])
        if part and used + length > limit:
            yield part
            part, used = [], prompt
        part.append(number)
        used += length
    if part:
        yield part
