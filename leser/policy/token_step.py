"""One token for every row of a fixed rectangle, from static buffers: what a CUDA graph can hold whole.

Rows stand in a rectangle (B prompts, G completions), so that prompt keys are read by prompt without gathering. Shapes
never change, and nothing in `advance` asks the device for a value: where a row's own keys end is in a mask that a counter on
the device opens column by column. Rows that ended run on; what they draw is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from leser.errors import LeserError
from leser.policy.drawing import by_blocks, draw_tokens
from leser.policy.packed import decoder_states
from leser.policy.shadow import next_logits
from leser.rollout import Sample

if TYPE_CHECKING:
    from leser.policy.policy import Policy

Cache = Mapping[int, tuple[Tensor, Tensor]]


class StepShape(NamedTuple):
    """What decides the buffers and kernels of a step: B, G, prompt tokens P, completion tokens C, temperature, end tokens."""

    prompts: int
    group: int
    width: int
    limit: int
    temperature: float
    ends: tuple[int, ...]

    @property
    def rows(self) -> int:
        """Completions in the rectangle."""
        return self.prompts * self.group

    @property
    def columns(self) -> int:
        """Own tokens that buffers hold: a multiple of 8, for matrix products on a GPU are faster when rows are aligned."""
        return -(-self.limit // 8) * 8


class Place(NamedTuple):
    """Where rows go: the prompt of each of the B lines (-1 for none), and the row in each of the B * G slots (-1 for none)."""

    prompts: list[int]
    rows: list[int]


class _Layer(NamedTuple):
    """Keys and values of one layer: the prompts' (B, Hkv, P, d), and the rows' own (R, Hkv, C, d)."""

    keys: Tensor
    values: Tensor
    own_keys: Tensor
    own_values: Tensor


class TokenStep:
    """The buffers of one shape and the step over them; `load` or `carry` fills them, `advance` runs one token.

    A context of decoding passes as `DecodeRow` is, with static shapes.
    """

    def __init__(self, shape: StepShape, like: Cache) -> None:
        batch, _, width, limit, _, ends = shape
        rows, device = shape.rows, next(iter(like.values()))[0].device
        self.shape = shape
        self.layers = {
            layer: _Layer(
                *(x.new_zeros(batch, x.shape[1], width, x.shape[3]) for x in pair),
                *(x.new_zeros(rows, x.shape[1], shape.columns, x.shape[3]) for x in pair),
            )
            for layer, pair in like.items()
        }
        self.mask = torch.zeros(batch, 1, 1, 1, width + shape.columns, device=device)  # added to scores: 0 or -inf
        self.uniform = torch.zeros(rows, limit, device=device)
        self.drawn = torch.zeros(rows, limit, dtype=torch.long, device=device)
        self.logprobs = torch.zeros(rows, limit, device=device)
        self.start, self.tokens, self.lengths = (
            torch.zeros(rows, dtype=torch.long, device=device) for _ in range(3)
        )  # position of a row's first own token, the token it reads next, how many it has drawn
        self.live, self.finished = (torch.zeros(rows, dtype=torch.bool, device=device) for _ in range(2))
        self.step = torch.zeros(1, dtype=torch.long, device=device)  # which of its own tokens every row reads next
        self.ends = torch.tensor(ends, device=device)
        self.seen = shape.columns

    @property
    def nbytes(self) -> int:
        """Memory of the buffers."""
        kept = [t for layer in self.layers.values() for t in layer]
        return sum(t.nbytes for t in (*kept, self.mask, self.uniform, self.drawn, self.logprobs))

    def load(self, cache: Cache, lengths: Tensor, place: Place, noise: Sequence[Any]) -> None:
        """Begin with prompts that were read (their keys and values, and tokens (B',)); no token is drawn yet."""
        device, (batch, group, _, limit, *_) = self.mask.device, self.shape
        torch._foreach_zero_(
            [t for layer in self.layers.values() for t in layer]
        )  # NaN of an earlier pass must not stay
        chosen = [p for p in place.prompts if p >= 0]
        whole = chosen == list(range(len(lengths)))
        lines = torch.tensor(chosen, device=device)
        for layer, pair in cache.items():
            for buffer, read in zip(self.layers[layer][:2], pair, strict=True):
                buffer[: len(lines), :, : read.shape[2]] = read if whole else read.index_select(0, lines)
        tokens = torch.ones(batch, dtype=torch.long, device=device)  # a line without a prompt sees one key of zeros
        tokens[: len(lines)] = lengths[lines]
        self.mask.fill_(float("-inf"))
        seen = torch.arange(self.mask.shape[-1], device=device) < tokens.view(-1, 1)
        self.mask.masked_fill_(seen.view(self.mask.shape), 0.0)
        self.start.copy_(tokens.repeat_interleave(group, output_size=self.shape.rows))
        if self.shape.temperature:
            numbers = np.zeros((self.shape.rows, limit), dtype=np.float32)
            for slot, row in enumerate(place.rows):
                if row >= 0:
                    numbers[slot] = noise[row]
            self.uniform.copy_(torch.from_numpy(numbers))
        self.live.copy_(torch.tensor([row >= 0 for row in place.rows]))
        self.finished.zero_()
        self.lengths.zero_()
        self.step.zero_()

    def carry(self, old: TokenStep, place: Place, done: int) -> None:
        """Go on with some rows of `old` after `done` own tokens each; `place` counts its lines and slots."""
        device = self.mask.device
        lines = torch.tensor([max(p, 0) for p in place.prompts], device=device)
        rows = torch.tensor([max(r, 0) for r in place.rows], device=device)
        for layer, new in self.layers.items():
            for buffer, before in zip(new[:2], old.layers[layer][:2], strict=True):
                torch.index_select(before, 0, lines, out=buffer)
            for buffer, before in zip(new[2:], old.layers[layer][2:], strict=True):
                buffer.zero_()
                buffer[:, :, :done] = before[:, :, :done].index_select(0, rows)
        torch.index_select(old.mask, 0, lines, out=self.mask)
        for name in ("uniform", "drawn", "logprobs", "start", "tokens", "lengths", "live", "finished"):
            torch.index_select(getattr(old, name), 0, rows, out=getattr(self, name))
        self.live.logical_and_(torch.tensor([r >= 0 for r in place.rows], device=device))
        self.step.copy_(old.step)

    def prompts(self) -> Cache:
        """The prompts' keys and values, by layer."""
        return {number: (layer.keys, layer.values) for number, layer in self.layers.items()}

    def counters(self) -> list[Tensor]:
        """What `advance` changes and reads again: restored after a trial, the step runs as if it had not been tried."""
        return [self.mask, self.tokens, self.lengths, self.live, self.finished, self.step]

    def advance(self, policy: Policy, seen: int) -> None:
        """Read every row's token, draw the next. `seen` own tokens at the most are looked at, the current one included."""
        self.seen = seen
        self.mask.index_fill_(-1, self.step + self.shape.width, 0.0)
        positions = self.start + self.step
        states = decoder_states(policy, self.tokens.view(1, -1), positions.view(1, -1), self)
        self.step.add_(1)
        self.draw(next_logits(policy, states), None)

    def draw(self, logits: Tensor, owner: Tensor | None) -> None:
        """Draw token number `step` of every row from logits (R, V), or from logits[owner]; note it."""
        uniform = self.uniform.index_select(1, self.step).squeeze(1) if self.shape.temperature else None
        tokens, logprobs = draw_tokens(logits, uniform, owner, self.shape.temperature, by_blocks)
        self.drawn.index_copy_(1, self.step, tokens.unsqueeze(1))
        self.logprobs.index_copy_(1, self.step, logprobs.unsqueeze(1))
        self.tokens.copy_(tokens)
        ended = (tokens.unsqueeze(1) == self.ends).any(1)
        self.lengths.add_(self.live)
        self.finished.logical_or_(ended & self.live)
        self.live.logical_and_(~ended)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float | None) -> Tensor:
        """(R, H, d), (R, Hkv, d), (R, Hkv, d) -> (R, H, d)"""
        batch, group, width, *_ = self.shape
        rows, heads, dim = query.shape
        kv_heads = key.shape[1]
        share = heads // kv_heads
        keys, values, own_keys, own_values = self.layers[layer]
        own_keys.index_copy_(2, self.step, key.unsqueeze(2))
        own_values.index_copy_(2, self.step, value.unsqueeze(2))
        own_keys, own_values = own_keys[:, :, : self.seen].flatten(0, 1), own_values[:, :, : self.seen].flatten(0, 1)
        query = query.reshape(rows * kv_heads, share, dim)
        by_prompt = query.view(batch, group, kv_heads, share, dim).transpose(1, 2)
        shared = _scores(by_prompt.reshape(batch * kv_heads, group * share, dim), keys.flatten(0, 1))
        own = _scores(query, own_keys)
        scores = torch.cat(
            (
                shared.view(batch, kv_heads, group, share, width),
                own.view(batch, group, kv_heads, share, self.seen).transpose(1, 2),
            ),
            dim=-1,
        )
        scale = dim**-0.5 if scaling is None else scaling
        masked = torch.add(self.mask[..., : width + self.seen], scores, alpha=scale)
        weights = torch.softmax(masked, dim=-1).to(values.dtype)
        of_prompt = torch.bmm(weights[..., :width].flatten(2, 3).flatten(0, 1), values.flatten(0, 1))
        of_own = torch.bmm(weights[..., width:].transpose(1, 2).reshape(rows * kv_heads, share, -1), own_values)
        out = of_own.view(batch, group, kv_heads, share, -1)
        out.add_(of_prompt.view(batch, kv_heads, group, share, -1).transpose(1, 2))
        return out.view(rows, heads, -1)

    def samples(self, slots: Sequence[int]) -> list[Sample]:
        """The completions in these slots; raises LeserError when a log-probability is not a number."""
        columns = (self.drawn.tolist(), self.logprobs.tolist(), self.lengths.tolist(), self.finished.tolist())
        tokens, logprobs, lengths, finished = columns
        found = [Sample(tokens[s][: lengths[s]], logprobs[s][: lengths[s]], bool(finished[s])) for s in slots]
        if any(p != p for sample in found for p in sample.logprobs):
            raise LeserError(
                "The policy's log-probabilities are not numbers: its weights or activations overflowed. Go back to the "
                "last checkpoint with a lower learning rate, or set policy.precision=fp32."
            )
        return found


def _scores(query: Tensor, keys: Tensor) -> Tensor:
    """(n, m, d), (n, k, d) -> (n, m, k) float32: scores in bfloat16 would be off by a hundredth of their size."""
    keys = keys.transpose(1, 2)
    if query.dtype == torch.float32:
        return torch.bmm(query, keys)
    if query.is_cuda and not torch.is_autocast_enabled("cuda"):
        return torch.bmm(query, keys, out_dtype=torch.float32)
    return torch.bmm(query, keys).float()
