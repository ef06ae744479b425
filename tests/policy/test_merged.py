"""The CPU's attention of a packed row: merged parts give the plain path's values and gradients, and keep no copies of prompts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from toy_policies import ragged_batch, toy_policy

from leser.policy import attention, packed
from leser.policy.packed import group_logprobs, plain_logprobs
from leser.policy.policy import Policy
from leser.policy.rectangle import Rectangle

Tensor = torch.Tensor
EQUAL = ([[5, 6, 7, 8], [4, 3, 7, 9]], [[[9, 3, 4], [8, 2, 2]], [[7, 7, 7], [6, 5, 4]]])
UNREAD = ([[5, 6, 7, 8, 9], [4, 3, 7]], [[[9, 3, 4], [8]], [[], [7]]])
BATCHES = {"ragged": ragged_batch(), "equal": EQUAL, "unread prompt": UNREAD}


def gradients(policy: Policy, how: Any, batch: Any) -> tuple[Tensor, list[Tensor]]:
    policy.model.zero_grad()
    result = how(policy, *batch, temperature=0.7)
    weights = torch.randn(result.logprobs.shape, generator=torch.Generator().manual_seed(3))
    (result.logprobs * weights).sum().backward()
    return result.logprobs.detach(), [p.grad.clone() for p in policy.model.parameters() if p.grad is not None]


@pytest.mark.parametrize("merge", [True, False], ids=["merged", "rectangles"])
@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("kind", ["qwen3", "llama", "gpt2"])
def test_equals_plain_forward(kind: str, batch: Any, merge: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rectangles are the way of a GPU without half precision."""
    policy, reference = toy_policy(kind), toy_policy(kind, attention="plain")
    for one in (policy, reference):
        one.model.double()
    if not merge:
        monkeypatch.setattr(attention.merged, "usable", lambda _: False)
    ours, our_grads = gradients(policy, group_logprobs, batch)
    plain, plain_grads = gradients(reference, plain_logprobs, batch)
    assert policy.shared.enabled, policy.shared.reason
    assert (ours - plain).abs().max() <= 1e-6, "log-probabilities are float32"
    scale = max(g.abs().max() for g in plain_grads)
    assert max((a - b).abs().max() for a, b in zip(our_grads, plain_grads, strict=True)) <= 1e-6 * scale


def kept_bytes(policy: Policy, batch: Any) -> int:
    """Bytes that a pass keeps for its backward pass, each storage once, weights left out."""
    weights = {p.untyped_storage().data_ptr() for p in policy.model.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        packed._packed(policy, *batch, 1.0)
    return sum(tensor.untyped_storage().nbytes() for place, tensor in kept.items() if place not in weights)


def test_a_prompt_is_kept_once_whatever_the_number_of_completions(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = toy_policy("qwen3")
    few, many = ([[5] * 60], [[[9, 8]] * 2]), ([[5] * 60], [[[9, 8]] * 42])
    more = kept_bytes(policy, many) - kept_bytes(policy, few)
    per_token = kept_bytes(policy, few) / 62
    assert more <= 1.5 * 40 * per_token, "a completion of one position costs about a token"
    monkeypatch.setattr(attention.merged, "usable", lambda _: False)
    assert kept_bytes(policy, many) - kept_bytes(policy, few) > 3 * more, "copies of the prompt's keys for each"


def test_a_full_rectangle_is_seen_not_copied() -> None:
    x = torch.arange(24.0).view(6, 2, 2)
    full, ragged = Rectangle.of([3, 3], x.device), Rectangle.of([4, 2], x.device)
    assert full.pad(x).data_ptr() == x.data_ptr()
    assert torch.equal(full.flat(full.pad(x)), x)
    padded = ragged.pad_with(x, -1.0)
    assert padded[1, 2:].eq(-1).all()
    assert torch.equal(ragged.flat(padded), x)
