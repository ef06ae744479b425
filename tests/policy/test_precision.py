"""Precision: trained weights stay float32 whatever passes compute in, and types that do not train are refused."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from toy_policies import ragged_batch, token_rows, toy_policy

from leser.errors import LeserError
from leser.grpo.options import GrpoOptions
from leser.grpo.update import GroupBatch, make_optimizer, policy_update
from leser.options import validate_options
from leser.policy.options import PolicyOptions
from leser.policy.packed import group_logprobs, plain_logprobs
from leser.policy.policy import Policy
from leser.policy.precision import LARGE_ON_CPU, resolve


def trained(updates: int = 4, **options: Any) -> tuple[Policy, list[tuple[float, float]]]:
    """A toy policy after a few updates on random groups; entropy and gradient norm of each."""
    policy = toy_policy("qwen3", **options)
    chosen = GrpoOptions(group_size=3, learning_rate=3e-5, warmup_steps=0, tokens_per_pass=64)
    optimizer, noted = make_optimizer(policy, chosen), []
    for step in range(updates):
        rng = random.Random(step)
        prompts = token_rows(rng, [17, 5, 9])
        completions = [token_rows(rng, [rng.randrange(1, 8) for _ in range(3)]) for _ in prompts]
        advantages = np.random.default_rng(step).normal(size=(3, 3))
        batch = GroupBatch(prompts, completions, advantages, np.ones((3, 3), dtype=bool))
        stats = policy_update(policy, optimizer, batch, chosen, step=step)
        noted.append((stats.entropy, stats.grad_norm))
    return policy, noted


def changed(policy: Policy) -> list[float]:
    """Share of each weight's numbers that differ from those it began with."""
    before = dict(toy_policy("qwen3").model.named_parameters())
    rows = set(range(3, 120))  # tokens 0 to 2 are in no batch: the embedding of one is its own head's row, too
    return [
        float((p != before[name])[sorted(rows) if len(p) == 120 else slice(None)].float().mean())
        for name, p in policy.model.named_parameters()
    ]


def test_bf16_changes_every_weight_that_float32_changes() -> None:
    exact, exact_stats = trained(precision="fp32")
    rounded, stats = trained(precision="bf16")
    assert rounded.shared.enabled, rounded.shared.reason
    assert all(p.dtype == torch.float32 for p in rounded.model.parameters())
    assert min(changed(exact)) > 0.95
    assert min(changed(rounded)) > 0.9
    assert np.asarray(stats) == pytest.approx(np.asarray(exact_stats), rel=0.02)
    assert stats != exact_stats
    moved = [
        p.detach() - q for p, q in zip(exact.model.parameters(), toy_policy("qwen3").model.parameters(), strict=True)
    ]
    also = [
        p.detach() - q for p, q in zip(rounded.model.parameters(), toy_policy("qwen3").model.parameters(), strict=True)
    ]
    flat, other = (torch.cat([m.flatten() for m in rows]) for rows in (moved, also))
    assert torch.nn.functional.cosine_similarity(flat, other, dim=0) > 0.9


def test_bf16_log_probabilities_are_float32_and_near_the_exact_ones() -> None:
    exact = group_logprobs(toy_policy("llama"), *ragged_batch())
    policy = toy_policy("llama", precision="bf16")
    rounded = group_logprobs(policy, *ragged_batch())
    assert policy.shared.enabled, policy.shared.reason
    assert rounded.logprobs.dtype == torch.float32
    gaps = (exact.logprobs - rounded.logprobs)[exact.mask].abs()
    assert 0 < gaps.mean() < 0.05
    plain = plain_logprobs(policy, *ragged_batch()).logprobs
    assert (plain - rounded.logprobs)[exact.mask].abs().mean() < 0.05


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_bf16_under_gradient_checkpointing_gives_the_same_gradient(kind: str) -> None:
    found = []
    for checkpointing in (False, True):
        policy = toy_policy(kind, precision="bf16", gradient_checkpointing=checkpointing)
        result = group_logprobs(policy, *ragged_batch())
        result.logprobs.sum().backward()
        found.append(torch.cat([p.grad.flatten() for p in policy.model.parameters() if p.grad is not None]))
    assert torch.equal(found[0], found[1])


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"dtype": "bfloat16"}, "policy.precision=bf16"),
        ({"dtype": "float16"}, "policy.precision=bf16"),
        ({"dtype": "float16", "lora_rank": 8}, "policy.precision=bf16"),
        ({"precision": "fp16"}, "policy.precision=bf16"),
    ],
)
def test_types_that_do_not_train_are_refused(given: dict[str, Any], named: str) -> None:
    with pytest.raises(LeserError, match=named):
        validate_options(PolicyOptions, given, "policy")


def test_frozen_weights_under_adapters_may_be_bfloat16() -> None:
    policy = toy_policy("qwen3", dtype="bfloat16", lora_rank=4)
    kinds = {p.dtype for p in policy.model.parameters() if p.requires_grad}
    assert kinds == {torch.float32}
    assert policy.causal_lm.get_input_embeddings().weight.dtype == torch.bfloat16
    assert group_logprobs(policy, *ragged_batch()).logprobs.requires_grad
    assert policy.shared.enabled


def test_a_large_model_computes_in_bfloat16_on_a_cpu_that_multiplies_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for has, name in (({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({"avx512_f": True}, "fp32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: has, raising=False)
        assert resolve("auto", "cpu", LARGE_ON_CPU) == name
        assert resolve("auto", "cpu", LARGE_ON_CPU - 1) == "fp32", "rounding the weights costs what products save"
        assert resolve("fp32", "cpu", LARGE_ON_CPU) == "fp32"
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert resolve("auto", "cpu", LARGE_ON_CPU) == "fp32", "an older torch does not say"


def test_precision_follows_the_device() -> None:
    assert resolve("auto", "cpu") == "fp32"
    assert resolve("bf16", "cpu") == "bf16"
    assert resolve("fp32", "cpu") == "fp32"
    with pytest.raises(LeserError, match="tf32"):
        resolve("tf32", "cpu")
