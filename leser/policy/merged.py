"""Attention of a packed row on a CPU: two parts merged by their sums, as on a GPU (see `flash`), in rectangles.

Prompts and completions attend causally to themselves; the queries of all completions of a group, and of all heads that share
a key, attend to their prompt in one product, whose keys and values are never copied for the completions. Pads stand at the
end of a row: causally no real token sees them, and where prompts differ in length a mask of one row per prompt hides theirs.

Kept for the backward pass are the row's own queries, keys, values and output, without pads and copies: rectangles are gathered
anew there, which costs a hundredth of what is done with them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from leser.policy.rectangle import Rectangle, repeat_heads

_forward: Any = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_backward: Any = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def usable(value: Tensor) -> bool:
    """Whether the kernels take tensors such as this."""
    return value.device.type == "cpu" and value.is_floating_point()


@dataclass(frozen=True, slots=True)
class MergedRow:
    """The rectangles of one packed row: B prompts, then `groups` rows of completions for each."""

    prefix: Rectangle
    suffix: Rectangle
    groups: int
    hidden: Tensor | None  # (B, 1, 1, P) of -inf at pads of prompts, None where there are none

    @staticmethod
    def of(prefix: Rectangle, suffix: Rectangle, groups: int, lengths: Tensor) -> MergedRow:
        """Of prompts of these lengths (B,)."""
        pads = torch.arange(prefix.width) >= lengths.view(-1, 1)
        hidden = torch.zeros(pads.shape).masked_fill(pads, -math.inf).view(len(lengths), 1, 1, -1)
        return MergedRow(prefix, suffix, groups, hidden if bool(pads.any()) else None)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scaling: float | None) -> Tensor:
        """(N, H, d), (N, Hkv, d), (N, Hkv, d) -> (N, H, d)"""
        out: Tensor = _Merged.apply(query, key, value, self, scaling)
        return out

    def together(self, x: Tensor, kv_heads: int) -> Tensor:
        """Completions (B * G, C, H, d) as queries of their prompt's keys (B, Hkv, share * G * C, d)."""
        rows, width, heads, size = x.shape
        x = x.view(rows // self.groups, self.groups * width, kv_heads, heads // kv_heads, size)
        return x.permute(0, 2, 3, 1, 4).reshape(len(x), kv_heads, -1, size)

    def apart(self, x: Tensor, heads: int) -> Tensor:
        """The way back: (B, Hkv, share * G * C, d) -> (B * G, C, H, d)"""
        batch, kv_heads, _, size = x.shape
        x = x.view(batch, kv_heads, heads // kv_heads, self.groups * self.suffix.width, size)
        return x.permute(0, 3, 1, 2, 4).reshape(batch * self.groups, self.suffix.width, heads, size)

    def mask(self, dtype: torch.dtype) -> Tensor | None:
        """What hides pads of prompts, in the type of the queries."""
        return None if self.hidden is None else self.hidden.to(dtype)


class _Merged(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, row: MergedRow, scaling: float | None) -> Tensor:
        n = row.prefix.tokens
        keys, values = row.prefix.pad(key[:n]), row.prefix.pad(value[:n])  # (B, P, Hkv, d)
        out, sums = torch.empty_like(query), query.new_empty(query.shape[:2], dtype=_sums_type(query))
        _causal(row.prefix, (query[:n], keys, values), scaling, out[:n], sums[:n])
        if row.suffix.tokens:
            own, part = torch.empty_like(query[n:]), torch.empty_like(sums[n:])
            pairs = row.suffix.pad(key[n:]), row.suffix.pad(value[n:])
            _causal(row.suffix, (query[n:], *pairs), scaling, own, part)
            asked = row.together(row.suffix.pad(query[n:]), key.shape[1])
            found, scores = _forward(
                asked, keys.transpose(1, 2), values.transpose(1, 2), 0.0, False,
                attn_mask=row.mask(query.dtype), scale=scaling,
            )  # fmt: skip
            seen = row.suffix.flat(row.apart(found, query.shape[1]))
            seen_sums = row.suffix.flat(row.apart(scores.unsqueeze(-1), query.shape[1])).squeeze(-1)
            torch.logaddexp(part, seen_sums, out=sums[n:])
            for found, scores in ((own, part), (seen, seen_sums)):
                found *= (scores - sums[n:]).exp_().unsqueeze(-1).to(found.dtype)
            torch.add(own, seen, out=out[n:])
        ctx.save_for_backward(query, key, value, out, sums)
        ctx.row, ctx.scaling = row, scaling
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        query, key, value, out, sums = ctx.saved_tensors
        row: MergedRow = ctx.row
        n, grad, scaling = row.prefix.tokens, grads[0], ctx.scaling
        on = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
        keys, values = row.prefix.pad(key[:n]), row.prefix.pad(value[:n])
        given = query[:n], keys, values, out[:n], sums[:n], grad[:n]
        _causal_backward(row.prefix, given, scaling, tuple(x[:n] for x in on))
        if row.suffix.tokens:
            pairs = row.suffix.pad(key[n:]), row.suffix.pad(value[n:])
            given = query[n:], *pairs, out[n:], sums[n:], grad[n:]
            _causal_backward(row.suffix, given, scaling, tuple(x[n:] for x in on))
            rows = [row.together(row.suffix.pad(x[n:]), key.shape[1]) for x in (query, out)]
            below = row.together(row.suffix.pad_with(grad[n:], 0.0), key.shape[1])
            scores = row.together(row.suffix.pad_with(sums[n:].unsqueeze(-1), math.inf), key.shape[1]).squeeze(-1)
            found = _backward(
                below, rows[0], keys.transpose(1, 2), values.transpose(1, 2), rows[1], _as_kernel_has(scores), 0.0, False,
                attn_mask=row.mask(query.dtype), scale=scaling,
            )  # fmt: skip
            on[0][n:] += row.suffix.flat(row.apart(found[0], query.shape[1]))
            on[1][:n] += row.prefix.flat(found[1].transpose(1, 2))
            on[2][:n] += row.prefix.flat(found[2].transpose(1, 2))
        return (*on, None, None)


def _causal(
    part: Rectangle, given: tuple[Tensor, Tensor, Tensor], scaling: float | None, out: Tensor, sums: Tensor
) -> None:
    """Every row of the rectangle attends causally to itself: queries (n, H, d) flat, keys and values (rows, width, Hkv, d)."""
    query = part.pad(given[0])
    heads = [repeat_heads(x, query.shape[2]).transpose(1, 2) for x in given[1:]]
    found, scores = _forward(query.transpose(1, 2), *heads, 0.0, True, scale=scaling)
    out.copy_(part.flat(found.transpose(1, 2)))
    sums.copy_(part.flat(scores.transpose(1, 2).unsqueeze(-1)).squeeze(-1))


def _causal_backward(part: Rectangle, given: tuple[Tensor, ...], scaling: float | None, on: tuple[Tensor, ...]) -> None:
    """The gradients of `_causal`'s queries, keys and values, flat, from the merged output and sums of its queries."""
    flat_query, keys, values, out, sums, grad = given
    query = part.pad(flat_query)
    heads = [repeat_heads(x, query.shape[2]).transpose(1, 2) for x in (keys, values)]
    scores = part.pad_with(sums.unsqueeze(-1), math.inf).squeeze(-1).transpose(1, 2)
    found = _backward(
        part.pad_with(grad, 0.0).transpose(1, 2), query.transpose(1, 2), *heads, part.pad(out).transpose(1, 2),
        _as_kernel_has(scores), 0.0, True, scale=scaling,
    )  # fmt: skip
    on[0].copy_(part.flat(found[0].transpose(1, 2)))
    for kept, wide, narrow in ((on[1], found[1], keys), (on[2], found[2], values)):
        wide = wide.transpose(1, 2).unflatten(2, (narrow.shape[2], -1)).sum(3)
        kept.copy_(part.flat(wide))


def _as_kernel_has(sums: Tensor) -> Tensor:
    """(B, H, L) laid out as the kernel lays it out: heads side by side."""
    return sums.transpose(1, 2).contiguous().transpose(1, 2)


def _sums_type(query: Tensor) -> torch.dtype:
    return torch.float64 if query.dtype == torch.float64 else torch.float32
