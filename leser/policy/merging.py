"""Adapters merged into the weights that they change, for serving and for engines that sample from a copy of the policy."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch

TRAINED = "default"
"""The name that peft gives the adapters of a model that has one set of them."""


def merged(model: Any) -> Any:
    """A float32 copy of a PeftModel with its adapters' part in its weights, in the computer's main memory."""
    base: Any = model.get_base_model()
    if getattr(base, "is_quantized", False):
        return _merged_into_source(model, str(base.config.name_or_path))
    whole: Any = copy.deepcopy(model).to("cpu").float()
    return whole.merge_and_unload()


@torch.no_grad()
def weights_of(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Names and tensors as a saved model has them, a tied weight once; adapters are merged in float32, one weight at a time.

    The tensors are the model's own where nothing is merged: read them before the next update. A sharded weight is gathered,
    which all processes that hold a part of it must do at once.
    """
    if not hasattr(model, "peft_config"):
        yield from ((name, _whole(weight)) for name, weight in model.named_parameters())
        return
    base: Any = model.get_base_model()
    if getattr(base, "is_quantized", False):
        yield from weights_of(merged(model))
        return
    for name, weight in base.named_parameters():
        if ".lora_" in name:
            continue
        module, wrapped, last = name.rpartition(".base_layer.")
        if wrapped and last == "weight":
            yield f"{module}.weight", _whole(weight).float() + base.get_submodule(module).get_delta_weight(TRAINED)
        else:
            yield name.replace(".base_layer.", "."), _whole(weight)


def _whole(weight: torch.Tensor) -> torch.Tensor:
    gather = getattr(weight, "full_tensor", None)
    return weight.detach() if gather is None else gather().detach()


def _merged_into_source(trained: Any, source: str) -> Any:
    """The same over the weights as they were before they were quantised."""
    from peft import get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
    from transformers import AutoModelForCausalLM

    whole: Any = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, use_safetensors=True)
    model: Any = get_peft_model(whole, trained.peft_config[TRAINED])
    stored = get_peft_model_state_dict(trained, adapter_name=TRAINED, save_embedding_layers=False)
    set_peft_model_state_dict(model, {name: weight.to("cpu") for name, weight in stored.items()})
    return model.merge_and_unload()
