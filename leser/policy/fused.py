"""Fewer kernels in a model that only samples: a norm is one, and products of the same input are one.

A token of a small model costs what its kernels cost to start, nearly whatever they do. Both changes compute what the model's
own code computes, up to rounding: a norm is replaced only after it was compared, products share rows of one matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leser.policy.fused_attention import FusedAttention, agrees, fusable

TOGETHER = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
"""Layers that read the same input, one after the other, by the names that most families of models give them."""


class FusedNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight over the last dimension, in one kernel."""

    def __init__(self, weight: nn.Parameter, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = weight, eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., d) -> (..., d)"""
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


class Joined(nn.Module):
    """Linear layers over one matrix that holds their rows one below the other."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.sizes = [layer.out_features for layer in layers]
        self.weight = self._join([layer.weight for layer in layers])
        biases = [layer.bias for layer in layers if layer.bias is not None]
        self.bias = self._join(biases) if biases else None
        self.seen: Tensor | None = None
        self.parts: tuple[Tensor, ...] = ()

    def _join(self, parameters: Sequence[Tensor]) -> nn.Parameter:
        whole = nn.Parameter(torch.cat([p.detach() for p in parameters]), requires_grad=False)
        for parameter, rows in zip(parameters, torch.split(whole.detach(), self.sizes), strict=True):
            parameter.data = rows  # whoever writes to the layer's own parameter writes here
        return whole

    def part(self, x: Tensor, number: int) -> Tensor:
        """What layer `number` makes of x: all are computed for the first, kept until the last has come."""
        if number == 0:
            self.seen, self.parts = x, torch.split(F.linear(x, self.weight, self.bias), self.sizes, dim=-1)
        elif self.seen is not x:  # a model that asks in another order
            bias = None if self.bias is None else torch.split(self.bias, self.sizes)[number]
            return F.linear(x, torch.split(self.weight, self.sizes)[number], bias)
        found = self.parts[number]
        if number == len(self.sizes) - 1:
            self.seen, self.parts = None, ()
        return found


class Part(nn.Module):
    """One layer of those that were joined, in its place."""

    def __init__(self, joined: Joined, number: int) -> None:
        super().__init__()
        self.joined, self.number = joined, number

    def forward(self, x: Tensor) -> Tensor:
        """(..., d) -> (..., d')"""
        return self.joined.part(x, self.number)


@torch.no_grad()
def fuse(model: nn.Module) -> None:
    """Change a model in place; its parameters stay where whoever holds them can write to them. Weights must be set."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if (norm := _fused_norm(child)) is not None:
                setattr(module, name, norm)
        for names in TOGETHER:
            _join(module, names)
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if (attention := _fused_attention(child)) is not None:
                setattr(module, name, attention)


def _join(module: nn.Module, names: Sequence[str]) -> None:
    layers: list[Any] = [getattr(module, name, None) for name in names]
    if any(type(layer) is not nn.Linear for layer in layers):
        return
    if len({layer.in_features for layer in layers}) > 1 or len({layer.bias is None for layer in layers}) > 1:
        return
    joined = Joined(layers)
    for number, name in enumerate(names):
        setattr(module, name, Part(joined, number))


def _fused_attention(layer: Any) -> FusedAttention | None:
    if not fusable(layer) or not isinstance(layer.q_proj, Part):
        return None
    fused = FusedAttention(layer, layer.q_proj.joined)
    return fused if agrees(layer, fused) else None


def _fused_norm(module: nn.Module) -> FusedNorm | None:
    """The same norm as one kernel, or None when the module is another thing or computes another one."""
    eps = getattr(module, "variance_epsilon", getattr(module, "eps", None))
    parameters = dict(module.named_parameters())
    if not type(module).__name__.endswith("RMSNorm") or list(parameters) != ["weight"] or not isinstance(eps, float):
        return None
    weight = parameters["weight"]
    fused = FusedNorm(weight, eps)
    x = torch.linspace(-3, 5, 4 * len(weight), dtype=weight.dtype, device=weight.device).view(4, -1)
    rounding = 8 * torch.finfo(weight.dtype).eps
    return fused if torch.allclose(fused(x), module(x), rtol=rounding, atol=rounding) else None
