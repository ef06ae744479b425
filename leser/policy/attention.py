"""Shared-prefix attention: the prompt of a group is computed once, its completions read it.

All tokens of a pass stand in one row without padding, [p1 .. pB, c11 .. c1G, .. cBG], so linear layers see no pad
token. Attention alone gathers them into rectangles: prompts attend causally to themselves, each completion to its own
prompt and to itself. Same values and gradients as recomputing the prompt for every completion (dropout 0), at P + G*C
tokens instead of G*(P + C). The idea is Prefix Grouper's (arXiv 2506.05433).

The attention is registered with transformers' AttentionInterface and stays set for the model's life: a switch around
the forward pass alone would be gone when gradient checkpointing recomputes a layer. Without a context it is stock
sdpa.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from leser.policy import merged
from leser.policy.flash import FlashRow, usable
from leser.policy.merged import MergedRow
from leser.policy.rectangle import Rectangle, repeat_heads

ATTENTION_NAME = "leser_shared_prefix"
_UNKNOWN_ARGUMENTS = ("softcap", "position_bias", "s_aux", "sinks", "cache")
_FULL = {"full_attention", "sliding_attention", "chunked_attention"}


class DoesNotFit(Exception):
    """This model's attention does something that the shared-prefix attention does not know; the message says what."""


class PackedRow:
    """Context of one packed pass: B prompts, then their completions (at most G each, those without tokens included).

    With `keep`, the prompts' keys and values are kept for decoding: `cache[layer] = (K, V)`, each (B, Hkv, P, d).
    """

    def __init__(
        self, prompts: Sequence[int], suffixes: Sequence[Sequence[int]], device: torch.device, *, keep: bool = False
    ) -> None:
        self.groups = max((len(group) for group in suffixes), default=0)
        self._of = (prompts, suffixes, device)
        self._flash: FlashRow | None = None
        self._merged: MergedRow | None = None
        padded = [n for group in suffixes for n in (*group, *[0] * (self.groups - len(group)))]
        self.prefix = Rectangle.of(prompts, device)
        self.suffix = Rectangle.of(padded, device)
        self.prefix_tokens, self.suffix_tokens = sum(prompts), sum(padded)
        self.lengths = torch.tensor(prompts, device=device)
        self.cache: dict[int, tuple[Tensor, Tensor]] | None = {} if keep else None
        self._masks: dict[tuple[int, torch.dtype], Tensor] = {}

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float | None) -> Tensor:
        """(N, H, d), (N, Hkv, d), (N, Hkv, d) -> (N, H, d)"""
        n, flash = self.prefix_tokens, usable(value)
        if self.cache is not None or not (flash or merged.usable(value)):
            keys, values = self.prefix.pad(key[:n]), self.prefix.pad(value[:n])  # (B, P, Hkv, d)
        if self.cache is not None:
            self.cache[layer] = (keys.transpose(1, 2).contiguous(), values.transpose(1, 2).contiguous())
        if flash:
            self._flash = self._flash or FlashRow.of(*self._of)
            return self._flash.attend(query, key, value, scaling)
        if merged.usable(value):
            self._merged = self._merged or MergedRow.of(self.prefix, self.suffix, self.groups, self.lengths)
            return self._merged.attend(query, key, value, scaling)
        out = F.scaled_dot_product_attention(
            self.prefix.pad(query[:n]).transpose(1, 2),
            repeat_heads(keys, query.shape[1]).transpose(1, 2),
            repeat_heads(values, query.shape[1]).transpose(1, 2),
            is_causal=True,
            scale=scaling,
        )
        prefix = self.prefix.flat(out.transpose(1, 2))
        if not self.suffix_tokens:
            return prefix
        suffix = self._attend_suffix(query[n:], (key[n:], value[n:]), (keys, values), scaling)
        return torch.cat((prefix, suffix))

    def _attend_suffix(
        self, query: Tensor, own: tuple[Tensor, Tensor], prefix: tuple[Tensor, Tensor], scaling: float | None
    ) -> Tensor:
        rows, width, kv_heads = self.suffix.rows, self.suffix.width, own[0].shape[1]
        share = query.shape[1] // kv_heads
        both = []
        for mine, prompt in zip(own, prefix, strict=True):
            shared = prompt.unsqueeze(1).expand(-1, self.groups, -1, -1, -1).flatten(0, 1)  # (B*G, P, Hkv, d)
            both.append(torch.cat((shared, self.suffix.pad(mine)), dim=1).transpose(1, 2))
        # the query heads that share a key/value head are folded into the length: keys and values are not repeated
        folded = self.suffix.pad(query).view(rows, width, kv_heads, share, -1).permute(0, 2, 3, 1, 4)
        out = F.scaled_dot_product_attention(
            folded.reshape(rows, kv_heads, share * width, -1),
            both[0],
            both[1],
            attn_mask=self._mask(share, query.dtype),
            scale=scaling,
        )
        out = out.view(rows, kv_heads, share, width, -1).permute(0, 3, 1, 2, 4).flatten(2, 3)
        return self.suffix.flat(out)

    def _mask(self, share: int, dtype: torch.dtype) -> Tensor:
        """Additive mask (B*G, 1, share*C, P+C): the real tokens of the prompt, and causally the completion's own."""
        if (share, dtype) not in self._masks:
            batch, width, device = len(self.lengths), self.suffix.width, self.lengths.device
            seen = torch.arange(self.prefix.width, device=device) < self.lengths.view(-1, 1)
            prompt = seen.view(batch, 1, 1, -1).expand(batch, self.groups, width, -1)
            causal = (
                torch.ones(width, width, dtype=torch.bool, device=device)
                .tril()
                .expand(batch, self.groups, width, width)
            )
            allowed = torch.cat((prompt, causal), dim=-1).flatten(0, 1)
            mask = torch.zeros(allowed.shape, dtype=dtype, device=device).masked_fill_(~allowed, float("-inf"))
            self._masks[share, dtype] = mask.unsqueeze(1).expand(-1, share, -1, -1).flatten(1, 2).unsqueeze(1)
        return self._masks[share, dtype]


def shared_prefix_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    prefix_context: Any = None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Any]:
    """transformers' attention interface; with a `prefix_context`, (1, H, N, d) tensors hold one packed row.

    Raises DoesNotFit when the layer passes something this attention does not know.
    """
    if prefix_context is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    for name in _UNKNOWN_ARGUMENTS:
        if kwargs.get(name) is not None:
            raise DoesNotFit(f"its attention uses '{name}'")
    layer = getattr(module, "layer_idx", None)
    if layer is None:
        raise DoesNotFit("its attention layers carry no layer_idx")
    # under autocast the rotation leaves queries and keys in float32, values are in the type of the products
    query, key = query.to(value.dtype), key.to(value.dtype)
    out = prefix_context.attend(
        layer, query[0].transpose(0, 1), key[0].transpose(0, 1), value[0].transpose(0, 1), scaling
    )
    return out.unsqueeze(0), None


def register() -> None:
    """Make the attention known to transformers under ATTENTION_NAME; a second call changes nothing."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(ATTENTION_NAME, shared_prefix_attention)
    AttentionMaskInterface.register(ATTENTION_NAME, sdpa_mask)  # otherwise 2D masks are dropped for this name


def why_not_shared(model: Any) -> str | None:
    """Why this model cannot share prefixes, as a clause after "because"; None when it may (a check decides)."""
    config = model.config.get_text_config()
    odd = sorted(set(getattr(config, "layer_types", None) or ()) - _FULL)
    if odd:
        return f"it has {', '.join(odd)} layers, whose state would leak from one completion into the next"
    if getattr(config, "attn_logit_softcapping", None):
        return "it caps attention scores (softcap), which sdpa cannot do"
    if getattr(config, "alibi", False):
        return "it uses ALiBi position biases"
    if getattr(config, "is_encoder_decoder", False) or not model._can_set_attn_implementation():
        return "its code does not take its attention from transformers' AttentionInterface"
    return None


def sliding_window(model: Any) -> int | None:
    """The shortest attention window of any layer, or None when every layer sees everything."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ())
    if kinds and kinds <= {"full_attention"}:
        return None
    windows = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    return min((int(w) for w in windows if w), default=None)


@dataclass
class SharedPrefix:
    """Whether a policy shares prefixes: `reason` says why not, `window` is the longest row that may."""

    enabled: bool = False
    reason: str = "it was not asked for"
    window: int | None = None
    training_checked: bool = False
    sampling_checked: bool = False

    def fits(self, longest: int) -> bool:
        """Whether rows of `longest` tokens (one prompt with one completion) may share their prefix."""
        return self.enabled and (self.window is None or longest <= self.window)
