"""Ragged sequences of a flat row as a padded rectangle, and back, with a gradient that is a gather both ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


class _Gather(torch.autograd.Function):
    """Rows of `x` by index, where the indices of real slots are a bijection and pad slots carry no gradient.

    Its backward is a gather as well: no scatter-add, hence deterministic on every device.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, slots: Tensor, back: Tensor, real: Tensor | None) -> Tensor:
        ctx.save_for_backward(back, real) if real is not None else ctx.save_for_backward(back)
        return x.index_select(0, slots)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        back, *real = ctx.saved_tensors
        grad = grads[0].index_select(0, back)
        if real:
            grad = grad * real[0].view(-1, *[1] * (grad.dim() - 1)).to(grad.dtype)
        return grad, None, None, None


@dataclass
class Rectangle:
    """Ragged sequences of a flat row as a padded rectangle, and back."""

    slots: Tensor  # (rows * width,) index of the token in the flat row; pads point at token 0
    back: Tensor  # (tokens,) index of the slot that holds each token
    real: Tensor  # (rows * width,) whether a slot holds a token
    rows: int
    width: int

    @property
    def tokens(self) -> int:
        """Tokens of the flat row."""
        return len(self.back)

    @property
    def full(self) -> bool:
        """Whether all sequences are of one length: then the rectangle is the row, seen otherwise."""
        return len(self.back) == self.rows * self.width

    @staticmethod
    def of(lengths: Sequence[int], device: torch.device) -> Rectangle:
        """The rectangle of sequences with these lengths, laid end to end in the flat row."""
        rows, width = len(lengths), max(lengths, default=0)
        size = torch.tensor(lengths, dtype=torch.long).view(-1, 1)
        column = torch.arange(width).view(1, -1)
        real = column < size
        start = size.cumsum(0) - size
        slots = torch.where(real, start + column, 0)
        back = real.flatten().nonzero().flatten()
        return Rectangle(slots.flatten().to(device), back.to(device), real.flatten().to(device), rows, width)

    def pad(self, x: Tensor) -> Tensor:
        """(tokens, H, d) -> (rows, width, H, d)"""
        if self.full:
            return x.view(self.rows, self.width, *x.shape[1:])
        padded: Tensor = _Gather.apply(x, self.slots, self.back, None)
        return padded.view(self.rows, self.width, *x.shape[1:])

    def flat(self, x: Tensor) -> Tensor:
        """(rows, width, H, d) -> (tokens, H, d)"""
        if self.full:
            return x.flatten(0, 1)
        flat: Tensor = _Gather.apply(x.reshape(self.rows * self.width, *x.shape[2:]), self.back, self.slots, self.real)
        return flat

    def pad_with(self, x: Tensor, value: float) -> Tensor:
        """(tokens, H, d) -> (rows, width, H, d) with this value at pads; without gradient."""
        padded = self.pad(x)
        return padded if self.full else padded.masked_fill(~self.real.view(self.rows, self.width, 1, 1), value)


def repeat_heads(x: Tensor, heads: int) -> Tensor:
    """Keys or values (B, P, Hkv, d) for each of `heads` heads of queries: (B, P, H, d)"""
    share = heads // x.shape[2]
    return x if share == 1 else x.unsqueeze(3).expand(-1, -1, -1, share, -1).flatten(2, 3)
