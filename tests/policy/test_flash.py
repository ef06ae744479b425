"""The GPU's attention of a packed row: its segments, merge and backward pass, with the kernels' own formulas in plain torch.

The kernels themselves run on a GPU only; `forward` and `backward` here compute what their documentation says they do.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from toy_policies import ragged_batch, toy_policy

from leser.policy import attention, flash
from leser.policy.flash import Segments
from leser.policy.packed import group_logprobs, plain_logprobs
from leser.policy.policy import Policy

Tensor = torch.Tensor


def parts(of: Segments) -> list[tuple[slice, slice]]:
    q, k = of.ends_q.tolist(), of.ends_k.tolist()
    assert max(b - a for a, b in pairwise(q)) <= of.longest_q
    assert max(b - a for a, b in pairwise(k)) == of.longest_k
    return [(slice(q[i], q[i + 1]), slice(k[i], k[i + 1])) for i in range(len(q) - 1)]


def scores(query: Tensor, key: Tensor, causal: bool, scaling: float | None) -> Tensor:
    """(q, H, d), (k, Hkv, d) -> (H, q, k)"""
    key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    found = torch.einsum("qhd,khd->hqk", query, key) * (scaling or query.shape[-1] ** -0.5)
    hidden = torch.ones(found.shape[1:], dtype=torch.bool).triu(1)
    return found.masked_fill(hidden, -math.inf) if causal else found


def forward(
    query: Tensor, key: Tensor, value: Tensor, of: Segments, *, causal: bool, scaling: float | None
) -> tuple[Tensor, Tensor]:
    out, sums = torch.zeros_like(query), torch.zeros(query.shape[1], len(query))
    for q, k in parts(of):
        found = scores(query[q], key[k], causal, scaling)
        wide = value[k].repeat_interleave(query.shape[1] // key.shape[1], dim=1)
        out[q] = torch.einsum("hqk,khd->qhd", found.softmax(-1), wide)
        sums[:, q] = found.logsumexp(-1)
    return out, sums


def backward(given: Any, of: Segments, *, causal: bool, scaling: float | None) -> tuple[Tensor, Tensor, Tensor]:
    """From output and log-sum-exp as given, not as computed (Dao 2022, Algorithm 4); NaN where no query reads a key."""
    grad, query, key, value, out, sums = given
    share, scale = query.shape[1] // key.shape[1], scaling or query.shape[-1] ** -0.5
    on_query = torch.zeros_like(query)
    on_key, on_value = torch.full_like(key, math.nan), torch.full_like(value, math.nan)
    for q, k in parts(of):
        if q.start == q.stop:
            continue
        weights = (scores(query[q], key[k], causal, scaling) - sums[:, q].unsqueeze(-1)).exp()
        wide_key, wide_value = (x[k].repeat_interleave(share, dim=1) for x in (key, value))
        delta = (grad[q] * out[q]).sum(-1).t().unsqueeze(-1)
        below = weights * (torch.einsum("qhd,khd->hqk", grad[q], wide_value) - delta) * scale
        on_query[q] = torch.einsum("hqk,khd->qhd", below, wide_key)
        for on, found in (
            (on_key, torch.einsum("hqk,qhd->khd", below, query[q])),
            (on_value, torch.einsum("hqk,qhd->khd", weights, grad[q])),
        ):
            on[k] = found.unflatten(1, (-1, share)).sum(2)
    return on_query, on_key, on_value


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flash, "forward_kernel", forward)
    monkeypatch.setattr(flash, "backward_kernel", backward)
    monkeypatch.setattr(attention, "usable", lambda _: True)


EMPTY = ([[5, 6, 7, 8, 9], [4, 3, 7]], [[[9, 3, 4], [8]], [[], [7]]])  # nobody reads the second prompt's keys


def gradients(policy: Policy, how: Any, prompts: Any, completions: Any) -> tuple[Tensor, list[Tensor]]:
    policy.model.zero_grad()
    result = how(policy, prompts, completions, temperature=0.7)
    weights = torch.randn(result.logprobs.shape, generator=torch.Generator().manual_seed(3))
    (result.logprobs * weights).sum().backward()
    return result.logprobs.detach(), [p.grad.clone() for p in policy.model.parameters() if p.grad is not None]


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("batch", [ragged_batch(), EMPTY], ids=["ragged", "unread prompt"])
@pytest.mark.parametrize("kind", ["qwen3", "llama", "gpt2"])
def test_equals_plain_forward(kind: str, batch: Any) -> None:
    policy, reference = toy_policy(kind), toy_policy(kind, attention="plain")
    ours, our_grads = gradients(policy, group_logprobs, *batch)
    plain, plain_grads = gradients(reference, plain_logprobs, *batch)
    assert policy.shared.enabled, policy.shared.reason
    assert (ours - plain).abs().max() <= 1e-5
    scale = max(g.abs().max() for g in plain_grads)
    assert max((a - b).abs().max() for a, b in zip(our_grads, plain_grads, strict=True)) <= 1e-5 * scale


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_check_notices_prompts_that_are_read_one_token_off(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def one_off(query: Tensor, key: Tensor, value: Tensor, of: Segments, **how: Any) -> tuple[Tensor, Tensor]:
        shift = 0 if how["causal"] else 1
        return forward(query, key.roll(shift, 0), value.roll(shift, 0), of, **how)

    monkeypatch.setattr(flash, "forward_kernel", one_off)
    policy = toy_policy("qwen3", precision=precision)
    group_logprobs(policy, *ragged_batch())
    assert not policy.shared.enabled
    assert "nats" in policy.shared.reason
