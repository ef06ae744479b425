"""The copy of the weights that sampling uses: equal to the model, refreshed in place, adapters merged."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from typing import Any

import pytest
import torch
from toy_policies import VOCABULARY, token_rows, toy_policy

from leser.policy import graphs
from leser.policy.adapters import adapters_of
from leser.policy.drawing import NoiseKey
from leser.policy.generate import generate
from leser.policy.graphs import SamplingState
from leser.policy.policy import Policy
from leser.policy.shadow import Shadow, why_no_shadow

IDS = torch.arange(3, 40).view(1, -1)


def policy_of(kind: str, lora: bool) -> Policy:
    policy = toy_policy(kind, lora_rank=4) if lora else toy_policy(kind)
    disturb(policy, 1)
    return policy


def disturb(policy: Policy, seed: int) -> None:
    """Change what is trained, as an optimiser does: in place."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in policy.model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn(weight.shape, generator=generator) * 0.05)


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=IDS, use_cache=False).logits.float()
    return found


@pytest.mark.parametrize("kind", ["qwen3", "llama", "gpt2"])
@pytest.mark.parametrize("lora", [False, True])
def test_the_copy_follows_the_model_in_place(kind: str, lora: bool) -> None:
    policy = policy_of(kind, lora)
    shadow = Shadow(policy, torch.float32)
    before = [weight.data_ptr() for weight in shadow.model.parameters()]
    assert torch.allclose(logits(shadow.model), logits(policy.causal_lm), atol=1e-4)
    disturb(policy, 2)
    assert not torch.allclose(logits(shadow.model), logits(policy.causal_lm), atol=1e-2)
    shadow.refresh()
    assert torch.allclose(logits(shadow.model), logits(policy.causal_lm), atol=1e-4)
    assert [weight.data_ptr() for weight in shadow.model.parameters()] == before
    assert not {weight.data_ptr() for weight in policy.model.parameters()} & set(before)


def test_the_copy_has_no_adapters_half_the_bytes_and_tied_weights() -> None:
    policy = policy_of("qwen3", lora=True)
    shadow = Shadow(policy)
    names = [name for name, _ in shadow.model.named_parameters()]
    assert not [name for name in names if "lora" in name or "base_layer" in name]
    base = policy.causal_lm
    plain = sum(w.nbytes for n, w in base.named_parameters() if "lora" not in n)
    assert shadow.nbytes == plain // 2
    assert shadow.model.get_output_embeddings().weight is shadow.model.get_input_embeddings().weight
    assert shadow.model.model.rotary_emb.inv_freq.dtype == torch.float32  # rounding it would move far positions


def test_adapters_that_are_switched_off_are_not_merged() -> None:
    policy = policy_of("llama", lora=True)
    shadow = Shadow(policy, torch.float32)
    model: Any = policy.model
    with model.disable_adapter():
        shadow.refresh()
        assert torch.allclose(logits(shadow.model), logits(policy.causal_lm), atol=1e-4)
    assert not torch.allclose(logits(shadow.model), logits(policy.causal_lm), atol=1e-2)


def test_quantised_weights_cannot_be_copied() -> None:
    policy = toy_policy("llama")
    assert why_no_shadow(policy) is None
    layer: Any = policy.causal_lm.get_input_embeddings()
    layer.weight = torch.nn.Parameter(torch.zeros(VOCABULARY, 48, dtype=torch.int8), requires_grad=False)
    assert why_no_shadow(policy) == "some of its weights are quantised"


@pytest.mark.parametrize("lora", [False, True])
def test_samples_of_the_copy_follow_the_weights_of_each_call(lora: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = policy_of("qwen3", lora)
    policy.precision = "bf16"
    monkeypatch.setattr(graphs, "copies_weights", lambda policy: True)  # as on a GPU
    prompts = token_rows(random.Random(1), [5, 9])
    keys = [[NoiseKey(0, 0, str(i), g) for g in range(8)] for i in range(2)]

    def sampled() -> list[Any]:
        return generate(policy, prompts, keys, max_new_tokens=12, temperature=1.0, decoding="static")

    first = sampled()
    assert SamplingState.of(policy).shadow is not None
    assert policy.shared.enabled, policy.shared.reason  # the check against the model itself was passed
    assert sampled() == first
    disturb(policy, 3)
    second = sampled()
    assert second != first
    policy.shared.sampling_checked = False
    assert sampled() == second  # checked again: what was noted are the changed weights' log-probabilities
    assert policy.shared.enabled, policy.shared.reason


@pytest.mark.parametrize("copied", [False, True])
def test_a_second_set_of_adapters_samples_as_itself(copied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = policy_of("llama", lora=True)
    model: Any = policy.model
    model.add_adapter("reference", model.peft_config["default"])
    model.set_adapter("default")
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if ".reference." in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.2)
    policy.precision = "bf16" if copied else "fp32"
    monkeypatch.setattr(graphs, "copies_weights", lambda policy: copied)
    reference = replace(policy, adapter="reference", shared=copy.copy(policy.shared))
    prompts = token_rows(random.Random(1), [5, 9])
    keys = [[NoiseKey(0, 0, str(i), g) for g in range(4)] for i in range(2)]
    for one in (policy, reference, policy, reference):
        one.shared.sampling_checked = False  # each time compared with this policy's own plain passes
        generate(one, prompts, keys, max_new_tokens=8, temperature=1.0, decoding="static")
        assert one.shared.sampling_checked
        assert one.shared.enabled, one.shared.reason
    states = [SamplingState.of(policy)]
    with adapters_of(reference):
        states.append(SamplingState.of(reference))
    with model.disable_adapter():
        states.append(SamplingState.of(policy))
    assert len({id(state) for state in states}) == 3


def test_a_copied_policy_samples_with_its_own_weights() -> None:
    policy = toy_policy("qwen3")
    state = SamplingState.of(policy)
    assert SamplingState.of(policy) is state
    assert SamplingState.of(toy_policy("qwen3")) is not state
    layer: Any = policy.causal_lm.get_input_embeddings()
    layer.weight = torch.nn.Parameter(layer.weight.detach().clone())  # moved: graphs over the old place are not valid
    assert SamplingState.of(policy) is not state
