"""Decoding row by row, ended rows left out at once: attention over un-copied prompt keys and each completion's own.

The fastest way on a CPU, where work is what costs. Where launching a kernel costs more than running it, `static` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from leser.policy.drawing import Drawing, Noise
from leser.policy.packed import decoder_states
from leser.policy.shadow import next_logits
from leser.rollout import Sample

if TYPE_CHECKING:
    from leser.policy.policy import Policy


def ragged_pass(
    policy: Policy,
    prompts: tuple[dict[int, tuple[Tensor, Tensor]], Tensor, Tensor],
    noise: Noise,
    limit: int,
    temperature: float,
) -> list[list[Sample]]:
    """Completions for prompts that were read: their keys and values, tokens (B,), and next-token logits (B, V)."""
    cache, lengths, logits = prompts
    owner = torch.tensor([b for b, group in enumerate(noise) for _ in group], device=logits.device)
    drawing = Drawing(policy.eos_ids, logits.device, [u for group in noise for u in group], limit, temperature)
    rows = drawing.draw(logits, owner)
    row = DecodeRow(cache, lengths, owner, limit)
    while drawing.alive and drawing.step < limit:
        row.keep(rows.keep)
        states = decoder_states(policy, rows.tokens.view(1, -1), row.next_positions().view(1, -1), row)
        rows = drawing.draw(next_logits(policy, states), None)
    flat = iter(drawing.samples())
    return [[next(flat) for _ in group] for group in noise]


class DecodeRow:
    """Context of decoding passes; the row holds one new token for each live completion.

    Prompt keys and values stay (B, Hkv, P, d), whatever the number of completions: their queries are gathered by
    prompt and multiplied at once. The completions' own keys and values lie in buffers (R, Hkv, C, d), allocated once.
    """

    def __init__(self, cache: dict[int, tuple[Tensor, Tensor]], lengths: Tensor, owner: Tensor, limit: int) -> None:
        self.prefix = cache
        self.lengths = lengths
        self.owner = owner
        self.rows = len(owner)
        self.limit = limit
        self.step = 0
        self.own: dict[int, tuple[Tensor, Tensor]] = {}
        self._arrange()

    def next_positions(self) -> Tensor:
        """Positions (R,) of the tokens of the next pass, which this call begins."""
        self.step += 1
        return self.lengths[self.owner] + (self.step - 1)

    def keep(self, rows: Tensor | None) -> None:
        """Go on with these rows (R',) alone; prompts that none of them reads are dropped as well."""
        if rows is None:
            return
        self.owner = self.owner[rows]
        self.rows = len(rows)
        for layer, buffers in self.own.items():
            self.own[layer] = (self._compact(buffers[0], rows), self._compact(buffers[1], rows))
        prompts, self.owner = torch.unique(self.owner, return_inverse=True)
        if len(prompts) < len(self.lengths):
            self.lengths = self.lengths[prompts]
            self.prefix = {layer: (k[prompts], v[prompts]) for layer, (k, v) in self.prefix.items()}
        self._arrange()

    def _compact(self, buffer: Tensor, rows: Tensor) -> Tensor:
        kept = buffer[:, :, : self.step].index_select(0, rows)
        buffer = buffer[: len(rows)]
        buffer[:, :, : self.step] = kept
        return buffer

    def _arrange(self) -> None:
        """Slots of the rectangle (B, G') that gathers the live rows by prompt, in the rows' order."""
        batch, device = len(self.lengths), self.lengths.device
        counts = torch.bincount(self.owner, minlength=batch)
        self.group = int(counts.max()) if self.rows else 0
        first = counts.cumsum(0) - counts  # rows of a prompt follow each other
        place = torch.arange(self.rows, device=device) - first[self.owner]
        self.slot_of_row = self.owner * self.group + place
        self.row_of_slot = torch.zeros(batch * self.group, dtype=torch.long, device=device)
        self.row_of_slot[self.slot_of_row] = torch.arange(self.rows, device=device)
        self.full = self.rows == batch * self.group
        width = next(iter(self.prefix.values()))[0].shape[2]
        pads = torch.arange(width, device=device) >= self.lengths.view(-1, 1)
        self.pads = pads.view(batch, 1, 1, width) if bool(pads.any()) else None

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float | None) -> Tensor:
        """(R, H, d), (R, Hkv, d), (R, Hkv, d) -> (R, H, d)"""
        rows, heads, dim = query.shape
        kv_heads = key.shape[1]
        keys, values = self._append(layer, key, value)
        prompt_keys, prompt_values = self.prefix[layer]
        query = (query * (dim**-0.5 if scaling is None else scaling)).view(rows, kv_heads, heads // kv_heads, dim)
        shared = self._by_prompt(query) @ prompt_keys.transpose(-1, -2)  # (B, Hkv, G'*share, P)
        if self.pads is not None:
            shared = shared.masked_fill(self.pads, float("-inf"))
        scores = torch.cat((self._by_row(shared, kv_heads), query @ keys.transpose(-1, -2)), dim=-1)
        weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype)
        width = prompt_keys.shape[2]
        out = self._by_row(self._by_prompt(weights[..., :width]) @ prompt_values, kv_heads)
        return (out + weights[..., width:] @ values).reshape(rows, heads, -1)

    def _append(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        if layer not in self.own:
            self.own[layer] = (self._buffer(key), self._buffer(value))
        keys, values = self.own[layer]
        keys[:, :, self.step - 1] = key
        values[:, :, self.step - 1] = value
        return keys[:, :, : self.step], values[:, :, : self.step]

    def _buffer(self, like: Tensor) -> Tensor:
        return like.new_empty(self.rows, like.shape[1], self.limit, like.shape[2])

    def _by_prompt(self, x: Tensor) -> Tensor:
        """(R, Hkv, share, d) -> (B, Hkv, G'*share, d)"""
        x = x if self.full else x.index_select(0, self.row_of_slot)
        return x.view(-1, self.group, *x.shape[1:]).transpose(1, 2).flatten(2, 3)

    def _by_row(self, x: Tensor, kv_heads: int) -> Tensor:
        """(B, Hkv, G'*share, d) -> (R, Hkv, share, d)"""
        x = x.view(x.shape[0], kv_heads, self.group, -1, x.shape[-1]).transpose(1, 2).flatten(0, 1)
        return x if self.full else x.index_select(0, self.slot_of_row)
