"""Adapters merged into the weights that they change, for serving."""

from __future__ import annotations

import copy
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


def _merged_into_source(trained: Any, source: str) -> Any:
    """The same over the weights as they were before they were quantised."""
    from peft import get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
    from transformers import AutoModelForCausalLM

    whole: Any = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32, use_safetensors=True)
    model: Any = get_peft_model(whole, trained.peft_config[TRAINED])
    stored = get_peft_model_state_dict(trained, adapter_name=TRAINED, save_embedding_layers=False)
    set_peft_model_state_dict(model, {name: weight.to("cpu") for name, weight in stored.items()})
    return model.merge_and_unload()
