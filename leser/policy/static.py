"""A sampling pass over static shapes: where rows go, when the host looks, when finished rows are left out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from leser.policy.drawing import Noise
from leser.policy.graphs import GraphedStep, SamplingState
from leser.policy.token_step import Place, StepShape
from leser.rollout import Sample

if TYPE_CHECKING:
    from leser.policy.policy import Policy

LOOK_EVERY = 4  # tokens between two questions to the device whether any row goes on
WORTH_MOVING = (
    64  # tokens still to come, at the least, for ended rows to be left out: a new shape may have to be captured
)
ROUND_WIDTH = 64  # prompt widths are 1, 2, 3, 4, 6, 8, 12 and so on times it, so that shapes come again


def static_pass(
    state: SamplingState,
    policy: Policy,
    prompts: tuple[dict[int, tuple[Tensor, Tensor]], Tensor, Tensor],
    noise: Noise,
    limit: int,
    temperature: float,
    *,
    graph: bool,
) -> list[list[Sample]]:
    """Completions for prompts that were read: their keys and values, tokens (B,), and next-token logits (B, V).

    The dict of keys and values is emptied once they are in the buffers. `policy` is the one passes are run with
    (`SamplingState.sampler`); with `graph` steps are captured and replayed.
    """
    if not any(noise):
        return [[] for _ in noise]
    cache, lengths, logits = prompts
    starts = list(accumulate((len(rows) for rows in noise), initial=0))
    group, place = arrange([list(range(first, last)) for first, last in pairwise(starts)])
    width = rounded(-(-next(iter(cache.values()))[0].shape[2] // ROUND_WIDTH)) * ROUND_WIDTH
    shape = StepShape(len(place.prompts), group, width, limit, temperature, policy.eos_ids)
    step = state.step(shape, cache)
    flat = [numbers for rows in noise for numbers in rows]
    step.buffers.load(cache, lengths, place, flat)
    cache.clear()  # prompts are in the buffers now
    owner = torch.tensor([max(p, 0) for p in place.prompts for _ in range(group)], device=logits.device)
    step.buffers.draw(logits, owner)
    found = _run(state, step, policy, place, graph=graph)
    return [[found[row] for row in range(first, last)] for first, last in pairwise(starts)]


def _run(state: SamplingState, step: GraphedStep, policy: Policy, place: Place, *, graph: bool) -> dict[int, Sample]:
    """Steps until every row has ended; returns completions by row."""
    found: dict[int, Sample] = {}
    limit, done = step.buffers.shape.limit, 0
    while done < limit - 1:
        if done % LOOK_EVERY == 0:
            live = step.buffers.live.tolist()
            if not any(live):
                break
            if limit - 1 - done >= WORTH_MOVING and (moved := _fewer(step, place, live)):
                smaller, chosen, new_place = moved
                left = [s for s, row in enumerate(place.rows) if row >= 0 and not live[s]]
                found |= zip((place.rows[s] for s in left), step.buffers.samples(left), strict=True)
                next_step = state.step(smaller, step.buffers.prompts())
                next_step.carry_from(step, chosen, done)
                step, place = next_step, new_place
        step.advance(policy, done, graph=graph)
        done += 1
    real = [s for s, row in enumerate(place.rows) if row >= 0]
    return found | dict(zip((place.rows[s] for s in real), step.buffers.samples(real), strict=True))


def _fewer(step: GraphedStep, place: Place, live: Sequence[bool]) -> tuple[StepShape, Place, Place] | None:
    """A rectangle of half the rows that holds the live ones: its shape, whence it is filled, whose rows it holds.

    Half as high or half as wide and nothing between, so that few shapes come up.
    """
    shape = step.buffers.shape
    rows = [[s for s in range(b * shape.group, (b + 1) * shape.group) if live[s]] for b in range(shape.prompts)]
    for group, height in ((-(-shape.group // 2), shape.prompts), (shape.group, -(-shape.prompts // 2))):
        lines = _lines(rows, group)
        if len(lines) <= height and group * height < shape.rows:
            chosen = _placed(lines, group, height)
            held = [place.rows[slot] if slot >= 0 else -1 for slot in chosen.rows]
            prompts = [place.prompts[b] if b >= 0 else -1 for b in chosen.prompts]
            return shape._replace(prompts=height, group=group), chosen, Place(prompts, held)
    return None


def arrange(rows: Sequence[Sequence[int]]) -> tuple[int, Place]:
    """The smallest rectangle that holds these rows, listed by prompt: its group size, and what stands where.

    Prompts of the same number of rows keep one line each. Otherwise the group may be a power of two, and a prompt with
    more rows has several lines, each with a copy of its keys and values; at most twice as many as there are prompts.
    """
    largest = max(len(slots) for slots in rows)
    sizes = [largest, *(1 << k for k in range(largest.bit_length()) if 1 << k < largest)]
    lines = {size: _lines(rows, size) for size in sizes}
    fitting = [size for size in sizes if len(lines[size]) <= 2 * len(rows)]
    group = min(fitting, key=lambda size: (rounded(len(lines[size])) * size, -size))
    return group, _placed(lines[group], group, rounded(len(lines[group])))


def _lines(rows: Sequence[Sequence[int]], group: int) -> list[tuple[int, Sequence[int]]]:
    """Each prompt's number with its rows, at most `group` in a line."""
    return [(b, slots[first : first + group]) for b, slots in enumerate(rows) for first in range(0, len(slots), group)]


def _placed(lines: Sequence[tuple[int, Sequence[int]]], group: int, height: int) -> Place:
    empty = height - len(lines)
    return Place(
        [b for b, _ in lines] + [-1] * empty,
        [slot for _, part in lines for slot in (*part, *[-1] * (group - len(part)))] + [-1] * (empty * group),
    )


def rounded(count: int) -> int:
    """The next of 1, 2, 3, 4, 6, 8, 12, 16 and so on, so that few shapes serve all counts."""
    size = 1
    while size < count:
        size *= 2
    return size * 3 // 4 if size >= 4 and count <= size * 3 // 4 else size
