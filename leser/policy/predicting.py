"""Which states of a packed row predict which tokens, and their gradient in an order that is the same on every device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Predicting:
    """Which states of a packed row predict the completions' tokens, in reading order.

    A completion's first token is predicted by the last token of its prompt, the others by the token before them: of a state
    that is read more than once the gradient is added up one reader after the other, the same on every device.
    """

    sources: Tensor  # (tokens,) the state that predicts each token
    ends: Tensor  # (B',) states at the ends of prompts that have completions
    firsts: (
        Tensor  # (G, B') place in `sources` of each reader of such a state; short of readers, the one after the last
    )
    own: Tensor  # places in `sources` that are read once

    @staticmethod
    def of(prompts: Sequence[int], completions: Sequence[Sequence[Sequence[int]]], device: torch.device) -> Predicting:
        """Of prompts of these lengths and their completions, some of which may be empty."""
        sources: list[int] = []
        own: list[int] = []
        readers: dict[int, list[int]] = {}
        end, start = 0, sum(prompts)
        for prompt, group in zip(prompts, completions, strict=True):
            end += prompt
            for tokens in group:
                if tokens:
                    readers.setdefault(end - 1, []).append(len(sources))
                    own += range(len(sources) + 1, len(sources) + len(tokens))
                    sources += [end - 1, *range(start, start + len(tokens) - 1)]
                    start += len(tokens) - 1
        most = max(map(len, readers.values()), default=0)
        rows = [[*places, *[len(sources)] * (most - len(places))] for places in readers.values()]
        firsts = torch.tensor(rows, dtype=torch.long).view(len(rows), most).t().contiguous()
        return Predicting(
            torch.tensor(sources, dtype=torch.long, device=device),
            torch.tensor(list(readers), dtype=torch.long, device=device),
            firsts.to(device),
            torch.tensor(own, dtype=torch.long, device=device),
        )

    def pick(self, states: Tensor) -> Tensor:
        """(N, d) -> (tokens, d)"""
        picked: Tensor = _Pick.apply(states, self)
        return picked


class _Pick(torch.autograd.Function):
    """Rows by index, some of them many times; its backward adds in a fixed order, where index_add's is any on a GPU."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, wanted: Predicting) -> Tensor:
        ctx.wanted, ctx.shape = wanted, states.shape
        return states.index_select(0, wanted.sources)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        wanted: Predicting = ctx.wanted
        grad = grads[0].new_zeros(ctx.shape)
        grad[wanted.sources[wanted.own]] = grads[0][wanted.own]
        padded = torch.cat((grads[0], grads[0].new_zeros(1, ctx.shape[1])))
        total = grads[0].new_zeros(len(wanted.ends), ctx.shape[1])
        for places in wanted.firsts:
            total += padded[places]
        grad[wanted.ends] = total
        return grad, None
