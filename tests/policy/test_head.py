"""The head in closed form against autograd over whole logits: values, gradients, chunks, entropies."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from toy_policies import toy_policy

from leser.policy import head
from leser.policy.head import Shaping, score, score_hidden
from leser.policy.policy import Policy

SHAPINGS: list[dict[str, float]] = [
    {},
    {"logit_scale": 0.5},
    {"logits_scaling": 8.0},
    {"final_logit_softcapping": 3.0},
    {"logit_scale": 2.0, "final_logit_softcapping": 5.0},
]


def shaped(shaping: dict[str, float]) -> Policy:
    policy = toy_policy("llama")
    for name, value in shaping.items():
        setattr(policy.causal_lm.config, name, value)
    return policy


def whole(policy: Policy, hidden: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return score(head.head(policy, hidden), targets, 0.7, with_entropy=True)


@pytest.mark.parametrize("shaping", SHAPINGS, ids=str)
@pytest.mark.parametrize("keep", [True, False], ids=["kept", "computed again"])
def test_equals_autograd(shaping: dict[str, float], keep: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = shaped(shaping)
    monkeypatch.setattr(head, "head_elements", lambda _: 1)  # chunks of 16 rows, the least
    monkeypatch.setattr(head, "logits_to_keep", lambda *_: keep)
    torch.manual_seed(1)
    hidden, targets = torch.randn(41, 48), torch.randint(0, 120, (41,))
    weights = torch.randn(2, 41)
    found = []
    for how in (whole, lambda p, h, t: score_hidden(p, h, t, 0.7, with_entropy=True)):
        states = hidden.clone().requires_grad_()
        policy.model.zero_grad()
        values, entropies = how(policy, states, targets)
        (values * weights[0] + entropies * weights[1]).sum().backward()
        weight: Any = policy.causal_lm.get_output_embeddings()
        found.append((values.detach(), entropies.detach(), states.grad, weight.weight.grad.clone()))
    for ours, reference in zip(found[1], found[0], strict=True):
        assert (ours - reference).abs().max() <= 1e-5 * max(1.0, float(reference.abs().max()))


@pytest.mark.parametrize("shaping", SHAPINGS, ids=str)
def test_gradients_are_those_of_finite_differences(shaping: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    policy = shaped(shaping)
    policy.model.double()
    monkeypatch.setattr(head, "head_elements", lambda _: 1)
    torch.manual_seed(1)
    targets = torch.randint(0, 7, (19,))
    hidden = torch.randn(19, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    plan = head._Plan(16, False, 0.7, Shaping.of(policy), torch.float64, True)
    assert torch.autograd.gradcheck(lambda h, w: head._HeadScore.apply(h, w, targets, plan), (hidden, weight))


def test_entropies_carry_no_gradient_unless_asked_for() -> None:
    policy = toy_policy("qwen3")
    hidden, targets = torch.randn(5, 48, requires_grad=True), torch.arange(5)
    assert not score_hidden(policy, hidden, targets, 1.0)[1].requires_grad
    assert score_hidden(policy, hidden, targets, 1.0, with_entropy=True)[1].requires_grad


def test_a_frozen_head_gets_no_gradient() -> None:
    policy = toy_policy("llama")
    weight: Any = policy.causal_lm.get_output_embeddings()
    weight.weight.requires_grad_(False)
    hidden = torch.randn(5, 48, requires_grad=True)
    score_hidden(policy, hidden, torch.arange(5), 1.0)[0].sum().backward()
    assert weight.weight.grad is None
    assert hidden.grad is not None
