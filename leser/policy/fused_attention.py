"""The attention layer of Llama, Qwen2 and Qwen3 with fewer kernels: one product, and queries and keys turned together.

The rotation of position m, x cos(m w) + half-turned x sin(m w), is the same for queries and keys, which lie side by side after
the product: four kernels rather than ten.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FAMILIES = ("LlamaAttention", "Qwen2Attention", "Qwen3Attention")
"""Layers known to compute just this, by class name; each is still compared before it is replaced."""
INSIDE = ({"q_proj", "k_proj", "v_proj", "o_proj"}, {"q_proj", "k_proj", "v_proj", "o_proj", "q_norm", "k_norm"})


class FusedAttention(nn.Module):
    """In the place of a layer of FAMILIES, whose projections it takes; `joined` has their rows one below the other."""

    def __init__(self, layer: Any, joined: Any) -> None:
        super().__init__()
        self.joined, self.o_proj = joined, layer.o_proj
        self.q_norm, self.k_norm = getattr(layer, "q_norm", None), getattr(layer, "k_norm", None)
        self.config, self.layer_idx, self.scaling = layer.config, layer.layer_idx, layer.scaling
        self.head_dim, self.num_key_value_groups = layer.head_dim, layer.num_key_value_groups
        self.is_causal, self.sliding_window = True, getattr(layer, "sliding_window", None)
        self.heads, self.kv_heads, _ = (size // layer.head_dim for size in joined.sizes)

    def forward(
        self,
        hidden_states: Tensor,
        position_embeddings: tuple[Tensor, Tensor],
        attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        **kwargs: Any,
    ) -> tuple[Tensor, Any]:
        """As the layer's own: (1, N, d) -> (1, N, d), attention weights."""
        from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

        shape = hidden_states.shape[:-1]
        whole = F.linear(hidden_states, self.joined.weight, self.joined.bias).view(*shape, -1, self.head_dim)
        turning, value = torch.split(whole, [self.heads + self.kv_heads, self.kv_heads], dim=-2)
        if self.q_norm is not None and self.k_norm is not None:
            query, key = torch.split(turning, [self.heads, self.kv_heads], dim=-2)
            turning = torch.cat((self.q_norm(query), self.k_norm(key)), dim=-2)
        cos, sin = (x.unsqueeze(-2) for x in position_embeddings)
        first, second = turning.chunk(2, dim=-1)
        turned = torch.addcmul(turning * cos, torch.cat((-second, first), dim=-1), sin).transpose(1, 2)
        query, key = torch.split(turned, [self.heads, self.kv_heads], dim=1)
        value = value.transpose(1, 2)
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)
        attend = ALL_ATTENTION_FUNCTIONS[self.config._attn_implementation]
        out, weights = attend(
            self,
            query,
            key,
            value,
            attention_mask,
            dropout=0.0,
            scaling=self.scaling,
            sliding_window=self.sliding_window,
            **kwargs,
        )
        return self.o_proj(out.reshape(*shape, -1)), weights


def fusable(layer: Any) -> bool:
    """Whether the layer is of a family known, has nothing else inside, and takes its attention from an interface."""
    inside = {name for name, _ in layer.named_children()}
    return (
        type(layer).__name__ in FAMILIES
        and inside in INSIDE
        and layer.config._attn_implementation != "eager"
        and not layer.training
    )


def agrees(layer: Any, fused: FusedAttention) -> bool:
    """Whether both compute the same, up to rounding, for positions that stand for all: turned by any angle."""
    weight = layer.o_proj.weight
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 6, layer.config.hidden_size, generator=generator).to(weight)
    angles = torch.rand(1, 6, layer.head_dim // 2, generator=generator).mul(6.3).repeat(1, 1, 2)
    positions = angles.cos().to(weight), angles.sin().to(weight)
    wanted, found = (f(x, position_embeddings=positions, attention_mask=None)[0].float() for f in (layer, fused))
    allowed = 16 * torch.finfo(weight.dtype).eps * float(wanted.abs().max())
    return bool(((found - wanted).abs() <= allowed).all()) and bool(wanted.abs().max() > 0)
