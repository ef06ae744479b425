"""Shadow: a bfloat16 copy of a policy's model for sampling, refreshed in place from the weights that are trained.

Autocast rounds every weight again in every pass, which costs more than the pass when a pass is one token. The copy costs
2 bytes a weight. Its tensors never move, so that CUDA graphs over them stay valid; LoRA adapters are merged into it.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from leser.policy.fused import fuse
from leser.policy.head import head
from leser.policy.precision import weight_dtype

if TYPE_CHECKING:
    from leser.policy.policy import Policy


class Shadow:
    """The copy, `model`, and where each of its weights comes from."""

    def __init__(self, policy: Policy, dtype: torch.dtype = torch.bfloat16) -> None:
        source = policy.causal_lm
        adapted = adapted_layers(source)
        memo: dict[int, Any] = {
            id(weight): torch.nn.Parameter(torch.empty_like(weight, dtype=dtype), requires_grad=False)
            for weight in source.parameters()
            if not any(weight is other for layer in adapted for other in _adapters(layer))
        }
        for layer in adapted:  # an adapted layer is replaced by a copy of the layer inside it
            memo[id(layer)] = copy.deepcopy(layer.base_layer, memo)
        self.adapted = [(memo[id(layer)].weight, layer) for layer in adapted]
        merged = {id(layer.base_layer.weight) for layer in adapted}
        plain = [weight for weight in source.parameters() if id(weight) in memo and id(weight) not in merged]
        self.sources: list[Tensor] = [weight.detach() for weight in plain]
        self.targets: list[Tensor] = [memo[id(weight)].detach() for weight in plain]
        self.model = copy.deepcopy(source, memo).train(False)
        vars(self.model).pop("peft_config", None)  # it has no adapters any more
        self.refresh()
        fuse(self.model)  # which may move a weight into a larger matrix, once
        self.targets = [memo[id(weight)].detach() for weight in plain]

    @torch.no_grad()
    def refresh(self) -> None:
        """Copy the weights as they are now, adapters added in float32 before rounding; no storage changes."""
        torch._foreach_copy_(self.targets, self.sources)
        for target, layer in self.adapted:
            weight = layer.base_layer.weight
            if not layer.disable_adapters:
                for name in layer.active_adapters:
                    weight = weight + layer.get_delta_weight(name)
            target.copy_(weight)

    @property
    def nbytes(self) -> int:
        """Memory of the copy's weights."""
        return sum(weight.nbytes for weight in self.model.parameters())


def why_no_shadow(policy: Policy) -> str | None:
    """Why the model's weights cannot be copied in bfloat16, as a clause after "because"; None when they can."""
    if any(not weight.is_floating_point() for weight in policy.causal_lm.parameters()):
        return "some of its weights are quantised"
    if any(any(layer.use_dora.values()) for layer in adapted_layers(policy.causal_lm)):
        return "its adapters are not a sum of two matrices (DoRA)"
    return None


def next_logits(policy: Policy, hidden: Tensor) -> Tensor:
    """Logits (N, V) float32 of hidden states (N, d), without rounding them when the weights are bfloat16."""
    return head(replace(policy, precision="bf16") if weight_dtype(policy) == torch.bfloat16 else policy, hidden)


def active_adapters(policy: Policy) -> str:
    """Names of the adapters that passes of the model use now; empty for none."""
    if not hasattr(policy.model, "peft_config"):
        return ""
    layer = next(iter(adapted_layers(policy.causal_lm)), None)
    return "" if layer is None or layer.disable_adapters else ", ".join(layer.active_adapters)


def adapted_layers(model: Any) -> list[Any]:
    """The layers that LoRA adapters are around."""
    return [module for module in model.modules() if hasattr(module, "base_layer") and hasattr(module, "lora_A")]


def _adapters(layer: Any) -> list[Tensor]:
    inside = {id(weight) for weight in layer.base_layer.parameters()}
    return [weight for weight in layer.parameters() if id(weight) not in inside]
