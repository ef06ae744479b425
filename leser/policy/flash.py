"""Attention of a packed row by FlashAttention's kernels for sequences of mixed length: no pads, no masks, no copies of keys.

Two calls per layer. In the first every prompt and every completion attends causally to itself. In the second the queries of
all completions of a group, one after the other, attend to their prompt, whose keys and values stay as they are. The two
parts of a completion's attention are then one softmax: with s the log-sum-exp of each part's scores and s' = log(e^s1 +
e^s2), out = e^(s1 - s') out1 + e^(s2 - s') out2. The weights of the whole are e^(score - s') in either part, hence each
part's own backward kernel gives its exact gradient when it is handed the merged output and s' (as in Ring Attention, arXiv
2310.01889).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

LARGEST_HEAD = 256


@dataclass(frozen=True, slots=True)
class Segments:
    """Which queries attend to which keys: segment i is queries[ends_q[i] : ends_q[i + 1]] on keys[ends_k[i] : ends_k[i + 1]]."""

    ends_q: Tensor  # (segments + 1,) int32
    ends_k: Tensor  # (segments + 1,) int32
    longest_q: int
    longest_k: int

    @staticmethod
    def of(queries: Sequence[int], keys: Sequence[int], device: torch.device) -> Segments:
        """Segments of these lengths, laid end to end."""
        ends = [
            torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32) for lengths in (queries, keys)
        ]
        # a longest query of 1 would make the kernel fold heads into it, and return its sums in another layout
        return Segments(ends[0].to(device), ends[1].to(device), max(2, *queries), max(keys))


@dataclass(frozen=True, slots=True)
class FlashRow:
    """The segments of one packed row: B prompts, then their completions."""

    own: Segments
    cross: Segments | None
    prefix_tokens: int
    unread: (
        Tensor | None
    )  # (prefix tokens,) prompts without a completion, on whose keys the kernel's gradient is undefined

    @staticmethod
    def of(prompts: Sequence[int], suffixes: Sequence[Sequence[int]], device: torch.device) -> FlashRow:
        """Of prompts of these lengths, and for each the lengths of its completions."""
        lengths = [n for n in (*prompts, *(n for group in suffixes for n in group)) if n]
        totals = [sum(group) for group in suffixes]
        cross = Segments.of(totals, prompts, device) if any(totals) else None
        unread = None
        if cross is not None and not all(totals):
            empty = torch.tensor([not total for total in totals])
            unread = empty.repeat_interleave(torch.tensor(prompts)).to(device)
        return FlashRow(Segments.of(lengths, lengths, device), cross, sum(prompts), unread)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scaling: float | None) -> Tensor:
        """(N, H, d), (N, Hkv, d), (N, Hkv, d) -> (N, H, d)"""
        out: Tensor = _FlashRow.apply(query, key, value, self, scaling)
        return out


def usable(value: Tensor) -> bool:
    """Whether the kernels take tensors such as this: on a GPU of Ampere's generation or later, in half precision."""
    return (
        value.is_cuda
        and value.dtype in (torch.bfloat16, torch.float16)
        and value.shape[-1] % 8 == 0
        and value.shape[-1] <= LARGEST_HEAD
        and torch.version.hip is None
        and torch.cuda.get_device_capability(value.device) >= (8, 0)
    )


class _FlashRow(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, row: FlashRow, scaling: float | None) -> Tensor:
        n = row.prefix_tokens
        out, sums = forward_kernel(query, key, value, row.own, causal=True, scaling=scaling)
        if row.cross is not None:
            seen, seen_sums = forward_kernel(query[n:], key[:n], value[:n], row.cross, causal=False, scaling=scaling)
            own_sums = sums[:, n:]
            merged = torch.logaddexp(own_sums, seen_sums)
            shares = [(part - merged).exp().t().unsqueeze(-1) for part in (own_sums, seen_sums)]
            out[n:] = out[n:] * shares[0] + seen * shares[1]
            sums[:, n:] = merged
        ctx.save_for_backward(query, key, value, out, sums)
        ctx.row, ctx.scaling = row, scaling
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        query, key, value, out, sums = ctx.saved_tensors
        row: FlashRow = ctx.row
        n, grad = row.prefix_tokens, grads[0].contiguous()
        given = (grad, query, key, value, out, sums)
        on_query, on_key, on_value = backward_kernel(given, row.own, causal=True, scaling=ctx.scaling)
        if row.cross is not None:
            given = (grad[n:], query[n:], key[:n], value[:n], out[n:], sums[:, n:].contiguous())
            part_query, part_key, part_value = backward_kernel(given, row.cross, causal=False, scaling=ctx.scaling)
            if row.unread is not None:
                part_key = part_key.masked_fill(row.unread.view(-1, 1, 1), 0)
                part_value = part_value.masked_fill(row.unread.view(-1, 1, 1), 0)
            on_query[n:] += part_query
            on_key[:n] += part_key
            on_value[:n] += part_value
        return on_query, on_key, on_value, None, None


def forward_kernel(
    query: Tensor, key: Tensor, value: Tensor, of: Segments, *, causal: bool, scaling: float | None
) -> tuple[Tensor, Tensor]:
    """(Q, H, d), (K, Hkv, d), (K, Hkv, d) -> output (Q, H, d) and log-sum-exp of scores (H, Q), float32."""
    found = torch.ops.aten._flash_attention_forward(
        query, key, value, of.ends_q, of.ends_k, of.longest_q, of.longest_k, 0.0, causal, False, scale=scaling
    )
    return found[0], found[1]


def backward_kernel(
    given: tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], of: Segments, *, causal: bool, scaling: float | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of queries, keys and values from (gradient of the output, query, key, value, output, log-sum-exp)."""
    device = given[0].device
    state = torch.zeros(2, dtype=torch.uint64, device=device)  # of dropout, which is none
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten._flash_attention_backward(
        *given, of.ends_q, of.ends_k, of.longest_q, of.longest_k, 0.0, causal, state,
        torch.empty(0, device=device), scale=scaling,
    )  # fmt: skip
    return found
