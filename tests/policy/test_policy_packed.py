"""Packed log-probabilities and gradients against one plain unpadded forward pass for each completion."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from toy_policies import ragged_batch, toy_policy

from leser.errors import LeserError
from leser.policy import head
from leser.policy.attention import ATTENTION_NAME
from leser.policy.options import PolicyOptions
from leser.policy.packed import check_training, group_logprobs, plain_logprobs
from leser.policy.policy import Policy


def gradients(policy: Policy, how: Any, temperature: float = 1.0) -> tuple[torch.Tensor, list[torch.Tensor]]:
    prompts, completions = ragged_batch()
    policy.model.zero_grad()
    result = how(policy, prompts, completions, temperature=temperature)
    weights = torch.randn(result.logprobs.shape, generator=torch.Generator().manual_seed(3))
    (result.logprobs * weights).sum().backward()
    grads = [p.grad.clone() for p in policy.model.parameters() if p.requires_grad and p.grad is not None]
    return result.logprobs.detach(), grads


def assert_equal(policy: Policy, reference: Policy, temperature: float = 1.0) -> None:
    ours, our_grads = gradients(policy, group_logprobs, temperature)
    plain, plain_grads = gradients(reference, plain_logprobs, temperature)
    assert policy.shared.enabled, policy.shared.reason
    assert (ours - plain).abs().max() <= 1e-5
    scale = max(g.abs().max() for g in plain_grads)
    assert len(our_grads) == len(plain_grads) > 0
    assert max((a - b).abs().max() for a, b in zip(our_grads, plain_grads, strict=True)) <= 1e-5 * scale


@pytest.mark.parametrize("kind", ["qwen3", "llama", "gpt2"])
def test_equals_plain_forward(kind: str) -> None:
    assert_equal(toy_policy(kind), toy_policy(kind, attention="plain"), temperature=0.7)


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_equals_plain_forward_under_gradient_checkpointing(kind: str) -> None:
    policy = toy_policy(kind, gradient_checkpointing=True)
    calls: list[int] = []
    for layer in policy.causal_lm.base_model.layers:
        layer.self_attn.register_forward_hook(lambda *_: calls.append(1))
    prompts, completions = ragged_batch()
    group_logprobs(policy, prompts, completions)  # the check on the first batch is over before calls are counted
    calls.clear()
    assert_equal(policy, toy_policy(kind, attention="plain"))
    assert len(calls) == 4  # two layers, each computed again in the backward pass


def test_equals_plain_forward_with_lora() -> None:
    policy = toy_policy("qwen3", lora_rank=4)
    for name, parameter in policy.model.named_parameters():
        if "lora_B" in name:  # zero at the start, where an adapter that is left out would not be noticed
            torch.nn.init.normal_(parameter, std=0.2, generator=torch.Generator().manual_seed(1))
    assert_equal(policy, policy)
    base = toy_policy("qwen3")
    prompts, completions = ragged_batch()
    without = group_logprobs(base, prompts, completions).logprobs
    assert (group_logprobs(policy, prompts, completions).logprobs - without).abs().max() > 1e-2


def test_the_check_can_fail() -> None:
    """Without its prompt part in the mask, the completion does not see the prompt: the comparison must notice."""
    policy = toy_policy("qwen3")
    prompts, completions = ragged_batch()
    wrong = group_logprobs(policy, [p[:1] for p in prompts], completions).logprobs
    assert (wrong - plain_logprobs(policy, prompts, completions).logprobs).abs().max() > 0.05


def test_chunked_head_equals_whole_head(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = toy_policy("llama")
    whole, whole_grads = gradients(policy, group_logprobs)
    monkeypatch.setattr(head, "head_elements", lambda _: 1)  # 16 rows at a time, the least
    chunked, chunked_grads = gradients(policy, group_logprobs)
    assert torch.allclose(whole, chunked, atol=1e-6)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(whole_grads, chunked_grads, strict=True))


def test_empty_completions_are_masked_out() -> None:
    policy = toy_policy("qwen3")
    result = group_logprobs(policy, [[5, 6, 7], [8]], [[[], [9, 10]], [[11], []]])
    assert result.mask.tolist() == [[[False, False], [True, True]], [[True, False], [False, False]]]
    assert result.logprobs[~result.mask].eq(0).all()
    assert result.logprobs[result.mask].lt(0).all()


def test_entropy_is_that_of_the_distribution() -> None:
    policy = toy_policy("qwen3")
    prompt, completion = [5, 6, 7], [9, 10]
    got = group_logprobs(policy, [prompt], [[completion]], temperature=0.5).entropy[0, 0]
    logits = policy.causal_lm(input_ids=torch.tensor([prompt + completion])).logits[0, 2:4] / 0.5
    assert torch.allclose(got, torch.distributions.Categorical(logits=logits).entropy(), atol=1e-5)
    assert not got.requires_grad


def test_sliding_window_shorter_than_the_row_falls_back() -> None:
    policy = toy_policy("mistral")
    assert policy.shared.window == 16
    assert policy.shared.fits(16)
    assert not policy.shared.fits(17)
    prompts, completions = ragged_batch()
    got = group_logprobs(policy, prompts, completions).logprobs
    assert (
        got - plain_logprobs(toy_policy("mistral", attention="plain"), prompts, completions).logprobs
    ).abs().max() <= 1e-5
    short, short_completions = [prompts[0]], [completions[0][:2]]
    shared = group_logprobs(policy, short, short_completions).logprobs
    assert policy.shared.training_checked
    assert (shared - plain_logprobs(policy, short, short_completions).logprobs).abs().max() <= 1e-5


@pytest.mark.parametrize(("kind", "word"), [("lfm2", "conv"), ("gemma2", "softcap")])
def test_models_that_cannot_share_say_why(kind: str, word: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        policy = toy_policy(kind)
    assert not policy.shared.enabled
    assert word in policy.shared.reason
    assert word in caplog.text
    prompts, completions = ragged_batch()
    got = group_logprobs(policy, prompts, completions)
    assert got.logprobs[got.mask].lt(0).all()
    with pytest.raises(LeserError, match=word):
        toy_policy(kind, attention="shared")


def test_a_wrong_shared_pass_is_found_and_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """A model that does not hand the context on to its attention computes something else: the first batch finds it."""
    policy = toy_policy("qwen3")
    decoder = policy.causal_lm.base_model
    forward = decoder.forward
    decoder.forward = lambda *args, prefix_context=None, **kwargs: forward(*args, **kwargs)
    prompts, completions = ragged_batch()
    with caplog.at_level(logging.WARNING):
        got = group_logprobs(policy, prompts, completions).logprobs
    assert not policy.shared.enabled
    assert "differ" in caplog.text
    assert torch.equal(got, plain_logprobs(policy, prompts, completions).logprobs)


def test_the_check_leaves_gradients_alone() -> None:
    policy = toy_policy("qwen3")
    check_training(policy, *ragged_batch(), 1.0)
    assert policy.shared.enabled
    assert all(p.grad is None for p in policy.model.parameters())


def test_the_attention_is_set_for_good() -> None:
    assert toy_policy("qwen3").causal_lm.config._attn_implementation == ATTENTION_NAME
    assert PolicyOptions().attention == "auto"


def test_bfloat16_stays_within_rounding() -> None:
    policy = toy_policy("qwen3", precision="bf16")
    prompts, completions = ragged_batch()
    got = group_logprobs(policy, prompts, completions)
    assert policy.shared.enabled
    assert got.logprobs.dtype == torch.float32
