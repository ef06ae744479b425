"""From logits to tokens: every completion's own noise, the inverse of the cumulative distribution, and what was drawn.

Noise comes from a counter-based generator keyed by (run seed, step, query id, sample index): one uniform number for each
token, turned into a token by the inverse of the cumulative distribution in the vocabulary's order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from leser.rollout import Sample

BLOCK = 256
"""Tokens of one block in `by_blocks`: the square root of a common vocabulary, near enough."""
Noise = Sequence[Sequence[Any]]
"""For each prompt and each of its samples an array of uniform numbers, or None for greedy."""


class NoiseKey(NamedTuple):
    """Whose noise: the run's seed, the training step, the query's id and the number of the sample in its group."""

    seed: int
    step: int
    query: str
    sample: int


def uniforms(key: NoiseKey, count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """`count` uniform numbers in [0, 1) of this key; a longer request begins with the same numbers."""
    digest = hashlib.blake2b(repr(tuple(key)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little"))).random(count, dtype=np.float32)


Inverse = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def draw_tokens(
    logits: Tensor, uniform: Tensor | None, owner: Tensor | None, temperature: float, inverse: Inverse | None = None
) -> tuple[Tensor, Tensor]:
    """(N, V) logits -> tokens (R,), log-probabilities (R,): the first token where the cumulative sum exceeds `uniform`.

    `uniform` None takes the likeliest token. With `owner` (R,), row r reads logits[owner[r]]. `inverse` is by_running_sum
    on a CPU unless given, and by_blocks elsewhere.
    """
    probabilities = torch.softmax(logits if temperature in (0.0, 1.0) else logits / temperature, dim=-1)
    if uniform is None:
        tokens = logits.argmax(-1)
        tokens = tokens if owner is None else tokens[owner]
    else:
        # a GPU adds up in a tree, whose rounding may let a sum of 150k terms fall: see by_blocks
        find = inverse or (by_running_sum if logits.device.type == "cpu" else by_blocks)
        tokens = find(probabilities, uniform, owner)
    if owner is None:
        return tokens, probabilities.gather(-1, tokens.unsqueeze(-1)).squeeze(-1).log()
    return tokens, probabilities[owner, tokens].log()


def by_running_sum(probabilities: Tensor, uniform: Tensor, owner: Tensor | None) -> Tensor:
    """(N, V), (R,) -> (R,): one running sum over the vocabulary, in the type of the probabilities."""
    cumulative = probabilities.cumsum(-1)
    cumulative = cumulative if owner is None else cumulative[owner]
    total = cumulative[:, -1]
    # below the total, so that a token of probability 0 is never drawn
    point = torch.minimum(uniform * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, point.unsqueeze(-1), right=True).squeeze(-1)


def by_blocks(probabilities: Tensor, uniform: Tensor, owner: Tensor | None) -> Tensor:
    """(N, V), (R,) -> (R,): the block of the vocabulary first, then the token in it; reads the probabilities once.

    Running sums are float64 and short, so that no tail token gains mass by rounding. No step depends on a value in
    Python, so that a CUDA graph can hold it.
    """
    count = probabilities.shape[-1]
    whole = count // BLOCK
    sums = [torch.unflatten(probabilities[:, : whole * BLOCK], -1, (whole, BLOCK)).sum(-1)]
    if whole * BLOCK < count:
        sums.append(probabilities[:, whole * BLOCK :].sum(-1, keepdim=True))
    running = torch.cat(sums, dim=-1).double().cumsum(-1)  # (N, blocks)
    running = running if owner is None else running[owner]
    point = (uniform.double() * running[:, -1]).unsqueeze(-1)
    block = torch.searchsorted(running, point, right=True).clamp_(max=running.shape[-1] - 1)
    before = torch.where(block > 0, running.gather(-1, (block - 1).clamp_(min=0)), 0.0)
    columns = block * BLOCK + torch.arange(BLOCK, device=block.device)
    inside = columns.clamp(max=count - 1)
    picked = probabilities.gather(-1, inside) if owner is None else probabilities[owner.unsqueeze(-1), inside]
    within = picked.double().masked_fill_(columns >= count, 0.0).cumsum(-1)
    total = within[:, -1:]
    rest = torch.minimum(point - before, torch.nextafter(total, torch.zeros_like(total)))
    found = block * BLOCK + torch.searchsorted(within, rest, right=True)
    return found.squeeze(-1).clamp_(max=count - 1)


class DrawnRows(NamedTuple):
    """What one draw gave: `tokens` (R',) for the rows that go on, `keep` (R',) which of the rows so far; None for all."""

    tokens: Tensor
    keep: Tensor | None


class Drawing:
    """Draws a token for every row, notes it, and says which rows go on; the model sees only those."""

    def __init__(
        self, ends: Sequence[int], device: torch.device, noise: Sequence[Any], limit: int, temperature: float
    ) -> None:
        self.temperature = temperature
        self.ends = torch.tensor(ends, device=device)
        self.noise = torch.from_numpy(np.stack(noise)).to(device) if temperature and noise else None  # (R, limit)
        self.tokens = torch.zeros(len(noise), limit, dtype=torch.long, device=device)
        self.logprobs = torch.zeros(len(noise), limit, device=device)
        self.lengths = torch.zeros(len(noise), dtype=torch.long, device=device)
        self.finished = torch.zeros(len(noise), dtype=torch.bool, device=device)
        self.rows = torch.arange(len(noise), device=device)
        self.step = 0

    @property
    def alive(self) -> bool:
        """Whether any row goes on."""
        return self.rows.numel() > 0

    def draw(self, logits: Tensor, owner: Tensor | None) -> DrawnRows:
        """Tokens for the live rows from their logits (R', V); with `owner`, row r reads logits[owner[r]]."""
        uniform = None if self.noise is None else self.noise[self.rows, self.step]
        tokens, logprobs = draw_tokens(logits, uniform, owner, self.temperature)
        self.tokens[self.rows, self.step] = tokens
        self.logprobs[self.rows, self.step] = logprobs
        self.step += 1
        self.lengths[self.rows] = self.step
        ended = torch.isin(tokens, self.ends)
        if not bool(ended.any()):
            return DrawnRows(tokens, None)
        self.finished[self.rows] = ended
        keep = (~ended).nonzero().flatten()
        self.rows = self.rows[keep]
        return DrawnRows(tokens[keep], keep)

    def samples(self) -> list[Sample]:
        """The rows' completions, in their order."""
        columns = (self.tokens.tolist(), self.logprobs.tolist(), self.lengths.tolist(), self.finished.tolist())
        return [Sample(t[:n], p[:n], bool(f)) for t, p, n, f in zip(*columns, strict=True)]
