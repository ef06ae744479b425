"""Adapters (LoRA, arXiv 2106.09685; QLoRA, arXiv 2305.14314) over weights that stay frozen.

Stages and checkpoints hold the adapters alone, and the reference of a KL term is a second set of them over the same
weights. They are merged for serving only, in float32: in bfloat16 a merge rounds away most of what a short training learned.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from leser.errors import LeserError
from leser.policy.merging import TRAINED
from leser.policy.options import PolicyOptions

if TYPE_CHECKING:
    from leser.policy.policy import Policy

FOLDER, FILE = "adapters", "adapter_model.safetensors"
"""Where adapters are saved, and what peft calls their file."""
REFERENCE = "reference"


def with_adapters(model: Any, options: PolicyOptions, seed: int) -> torch.nn.Module:
    """The model with adapters on all linear layers, their weights float32 and drawn from `seed`."""
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(
        r=options.lora_rank,
        lora_alpha=options.lora_alpha,
        use_rslora=options.lora_rslora,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # before the adapters are made, for their weights are drawn then
        wrapped: torch.nn.Module = get_peft_model(model, settings)
    return wrapped


def has_adapters(policy: Policy) -> bool:
    """Whether only adapters of the policy are trained."""
    return hasattr(policy.model, "peft_config")


def save_trained(policy: Policy, folder: Path) -> None:
    """Write what is trained: FOLDER/adapters in peft's format, or the whole policy where there are no adapters."""
    if not has_adapters(policy):
        policy.save(folder)
        return
    model: Any = policy.model
    model.save_pretrained(str(folder / FOLDER), selected_adapters=[TRAINED], save_embedding_layers=False)


def adapters_in(folder: Path) -> Path | None:
    """The file of adapters that `save_trained` wrote into a folder, None where there is none."""
    file = folder / FOLDER / FILE
    return file if file.is_file() else None


def load_trained(policy: Policy, folder: Path) -> None:
    """Put what `save_trained` or `Policy.save` wrote into a policy of the same shape; raises LeserError for another."""
    from safetensors.torch import load_file

    if has_adapters(policy) and (file := adapters_in(folder)) is not None:
        _load_adapters(policy, file)
        return
    stored = {k: v for file in sorted(folder.glob("*.safetensors")) for k, v in load_file(file).items()}
    with torch.no_grad():
        for name, weight in policy.causal_lm.state_dict(keep_vars=True).items():
            plain = name.replace(".base_layer.", ".")  # what an adapter wraps keeps its weights under this name
            if plain in stored:
                weight.copy_(stored[plain])
            elif ".lora_B." in name:
                weight.zero_()  # saved weights hold the adapters' part: they start anew from there
            elif ".lora_" not in name and not name.endswith("lm_head.weight"):  # a tied head is stored once
                raise LeserError(f"{folder} does not hold this policy's weights ({plain}). Start the run anew.")


def _load_adapters(policy: Policy, file: Path) -> None:
    from peft import get_peft_model_state_dict, set_peft_model_state_dict
    from safetensors.torch import load_file

    name = policy.adapter or TRAINED
    stored = load_file(file)
    held = get_peft_model_state_dict(policy.model, adapter_name=name, save_embedding_layers=False)
    if {k: v.shape for k, v in stored.items()} != {k: v.shape for k, v in held.items()}:
        raise LeserError(
            f"The adapters in {file.parent} are not this policy's: policy.lora_rank or the model differs. Start the run anew."
        )
    set_peft_model_state_dict(policy.model, stored, adapter_name=name)


def frozen_reference(policy: Policy, folder: Path) -> Policy:
    """The policy of `folder`, frozen, beside `policy`: a second set of adapters on the same weights, or a second model."""
    if not has_adapters(policy):
        reference = replace(policy, model=copy.deepcopy(policy.model), shared=copy.copy(policy.shared))
        load_trained(reference, folder)
        reference.model.requires_grad_(False)
        return reference
    model: Any = policy.model
    if REFERENCE not in model.peft_config:
        model.add_adapter(REFERENCE, model.peft_config[TRAINED])
        model.set_adapter(TRAINED)  # one that is added must not be trained
        for name, weight in model.named_parameters():
            if f".{REFERENCE}." in name:
                weight.requires_grad_(False)
    reference = replace(policy, adapter=REFERENCE, shared=copy.copy(policy.shared))
    load_trained(reference, folder)
    return reference


@contextmanager
def adapters_of(policy: Policy) -> Iterator[None]:
    """Within it, the model computes with the adapters of this policy, which may share it with another."""
    if not policy.adapter:
        yield
        return
    model: Any = policy.model
    model.set_adapter(policy.adapter, inference_mode=True)
    try:
        yield
    finally:
        model.set_adapter(TRAINED)
