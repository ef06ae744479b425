"""Adapters: saved alone and exactly, merged in float32, switched for the reference, drawn from the run's seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from toy_policies import ragged_batch, toy_model, toy_policy

from leser.errors import LeserError
from leser.grpo.optimizer import make_optimizer
from leser.grpo.options import GrpoOptions
from leser.policy.adapters import adapters_in, frozen_reference, load_trained, save_trained
from leser.policy.merging import merged
from leser.policy.packed import group_logprobs
from leser.policy.policy import Policy
from leser.store.checkpoint import load_weights, save_checkpoint


def lora(**options: Any) -> Policy:
    """A policy with adapters that do something."""
    policy = toy_policy("qwen3", lora_rank=4, **options)
    move(policy, 1)
    return policy


def move(policy: Policy, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)


def logprobs(policy: Policy) -> torch.Tensor:
    with torch.no_grad():
        return group_logprobs(policy, *ragged_batch()).logprobs


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_adapters_come_back_exactly(dtype: str, tmp_path: Path) -> None:
    policy = lora(dtype=dtype)
    save_trained(policy, tmp_path)
    file = adapters_in(tmp_path)
    assert file is not None
    trained = sum(p.numel() for p in policy.model.parameters() if p.requires_grad)
    assert sum(v.numel() for v in load_file(file).values()) == trained
    assert {p.name for p in tmp_path.iterdir()} == {"adapters"}
    other = toy_policy("qwen3", lora_rank=4, dtype=dtype)
    assert not torch.equal(logprobs(other), logprobs(policy))
    load_trained(other, tmp_path)
    assert torch.equal(logprobs(other), logprobs(policy))


def test_adapters_of_another_shape_are_refused(tmp_path: Path) -> None:
    save_trained(lora(), tmp_path)
    with pytest.raises(LeserError, match="lora_rank"):
        load_trained(toy_policy("qwen3", lora_rank=8), tmp_path)


def test_a_merge_over_bfloat16_weights_keeps_what_was_learned() -> None:
    policy = toy_policy("qwen3", lora_rank=4, dtype="bfloat16")
    generator = torch.Generator().manual_seed(1)
    for name, parameter in policy.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(
                parameter, std=1e-4, generator=generator
            )  # less than bfloat16's last digit of a weight
    whole = merged(policy.model)
    start = dict(toy_model("qwen3").to(torch.bfloat16).float().named_parameters())
    model: Any = policy.model
    for name, module in model.get_base_model().named_modules():
        if hasattr(module, "lora_A"):
            learned = module.get_delta_weight("default").float()
            found = whole.get_submodule(name).weight - start[f"{name}.weight"]
            assert learned.abs().max() > 0
            assert (found - learned).abs().max() <= 0.01 * learned.abs().max()


def test_a_checkpoint_holds_the_adapters_alone_and_goes_on_from_them(tmp_path: Path) -> None:
    policy, again = lora(), toy_policy("qwen3", lora_rank=4)
    optimizer = make_optimizer(policy, GrpoOptions())
    group_logprobs(policy, *ragged_batch()).logprobs.sum().backward()
    optimizer.step()
    where = save_checkpoint(tmp_path, "step-1", {}, policy.model, optimizer)
    stored = load_file(where / "model.safetensors")
    assert stored
    assert all("lora_" in name for name in stored)
    load_weights(where, again.model, make_optimizer(again, GrpoOptions()))
    assert torch.equal(logprobs(again), logprobs(policy))
    with pytest.raises(LeserError, match="another version"):
        load_weights(save_checkpoint(tmp_path, "step-2", {}, toy_policy("qwen3").model, None), again.model)


def test_the_reference_of_adapters_is_a_second_set_on_the_same_weights(tmp_path: Path) -> None:
    policy = lora()
    save_trained(policy, tmp_path)
    start, before = logprobs(policy), sum(1 for p in policy.model.parameters() if p.requires_grad)
    reference = frozen_reference(policy, tmp_path)
    assert reference.model is policy.model
    assert torch.equal(logprobs(reference), start)
    move(policy, 2)
    moved = logprobs(policy)
    assert (moved - start).abs().max() > 0.01
    assert torch.equal(logprobs(reference), start)
    assert torch.equal(logprobs(policy), moved)
    assert sum(1 for p in policy.model.parameters() if p.requires_grad) == before
    found = group_logprobs(policy, *ragged_batch())
    found.logprobs.sum().backward()
    assert all((p.grad is not None) == p.requires_grad for p in policy.model.parameters())
    assert (logits(merged(policy.model)) - logits(policy.causal_lm)).abs().max() <= 1e-4


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=torch.tensor([[5, 9, 11, 40]])).logits
    return found


def test_the_reference_of_a_whole_policy_is_a_frozen_copy(tmp_path: Path) -> None:
    policy = toy_policy("qwen3")
    start = logprobs(policy)
    policy.model.save_pretrained(tmp_path)  # type: ignore[operator]  # a toy has no tokenizer for Policy.save
    move(policy, 2)
    reference = frozen_reference(policy, tmp_path)
    assert torch.equal(logprobs(reference), start)
    assert not any(p.requires_grad for p in reference.model.parameters())
    assert all(p.requires_grad for p in policy.model.parameters())


def test_the_seed_draws_the_adapters() -> None:
    def drawn(seed: int) -> torch.Tensor:
        policy = toy_policy("qwen3", seed=seed, lora_rank=4)
        return torch.cat([p.detach().flatten() for n, p in policy.model.named_parameters() if "lora_A" in n])

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_rslora_scales_by_the_root_of_the_rank() -> None:
    module: Any = toy_policy("qwen3", lora_rank=16, lora_rslora=True).causal_lm.base_model.layers[0].self_attn.q_proj
    assert module.scaling["default"] == pytest.approx(32 / 4)
