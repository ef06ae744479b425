"""The loss against numbers worked by hand."""

from __future__ import annotations

import math

import pytest
import torch

from leser.grpo.loss import batch_denominator, kl_divergence, policy_loss
from leser.grpo.options import GrpoOptions


def options(**values: object) -> GrpoOptions:
    return GrpoOptions.model_validate(values)


def one(ratio: float, advantage: float, **values: object) -> tuple[float, float]:
    """Loss and its derivative by log p, for one token."""
    logprob = torch.tensor([[[math.log(0.3)]]], requires_grad=True)
    old = logprob.detach() - math.log(ratio)
    parts = policy_loss(
        logprob,
        torch.ones(1, 1, 1),
        torch.full((1, 1, 1), advantage),
        denominator=1.0,
        options=options(**values),
        old_logprobs=old,
    )
    parts.loss.backward()
    assert logprob.grad is not None
    return parts.loss.item(), float(logprob.grad)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "gradient"),
    [
        (1.0, 2.0, -2.0, -2.0),
        (1.1, 2.0, -2.2, -2.2),
        (1.5, 2.0, -2.56, 0.0),  # clipped at 1.28
        (0.5, 2.0, -1.0, -1.0),  # too low but the advantage is positive: not clipped
        (0.5, -2.0, 1.6, 0.0),  # clipped at 0.8
        (1.5, -2.0, 3.0, 3.0),  # too high but the advantage is negative: not clipped
    ],
)
def test_clip(ratio: float, advantage: float, loss: float, gradient: float) -> None:
    assert one(ratio, advantage) == pytest.approx((loss, gradient), rel=1e-5, abs=1e-7)


def test_dual_clip_bounds_a_negative_advantage() -> None:
    assert one(5.0, -2.0) == pytest.approx((10.0, 10.0), rel=1e-5)
    assert one(5.0, -2.0, dual_clip=3.0) == pytest.approx((6.0, 0.0), rel=1e-5)
    assert one(1.1, 2.0, dual_clip=3.0) == pytest.approx((-2.2, -2.2), rel=1e-5)


def test_log_ratios_are_clamped() -> None:
    loss, gradient = one(math.exp(60), -1.0)
    assert loss == pytest.approx(math.exp(20), rel=1e-4)
    assert gradient == 0.0


def test_kl_estimates() -> None:
    logprobs = torch.tensor([-1.0, -2.0], requires_grad=True)
    reference = torch.tensor([-1.5, -1.0])
    k2 = kl_divergence(logprobs, reference, "k2")
    assert k2.tolist() == pytest.approx([0.125, 0.5])
    assert torch.autograd.grad(k2.sum(), logprobs)[0].tolist() == pytest.approx([0.5, -1.0])
    k3 = kl_divergence(logprobs, reference, "k3")
    assert k3.tolist() == pytest.approx([math.exp(-0.5) + 0.5 - 1, math.e - 1 - 1])
    with pytest.raises(ValueError, match="reference"):
        policy_loss(
            torch.zeros(1, 1, 1), torch.ones(1, 1, 1), torch.zeros(1, 1, 1), denominator=1, options=options(kl=0.1)
        )


def test_normalisation_by_hand() -> None:
    """Two completions of 1 and 3 tokens, advantages 1 and -1, on policy: each token's loss is minus its advantage."""
    logprobs = torch.zeros(1, 2, 3)
    mask = torch.tensor([[[True, False, False], [True, True, True]]])
    advantages = torch.tensor([[[1.0] * 3, [-1.0] * 3]])
    lengths, active = torch.tensor([[1.0, 3.0]]), torch.tensor([[True, True]])
    for mode, expected in (("token", (-1 + 3) / 4), ("sequence", (-1 + 1) / 2), ("constant", (-1 + 3) / (2 * 8))):
        chosen = options(loss=mode, loss_length=8)
        denominator = batch_denominator(lengths, active, chosen.loss, 8)
        got = policy_loss(logprobs, mask, advantages, denominator=denominator, options=chosen)
        assert float(got.loss) == pytest.approx(expected, abs=1e-6), mode


def test_denominators_count_active_completions_that_hold_a_token() -> None:
    lengths, active = torch.tensor([[2.0, 0.0, 5.0]]), torch.tensor([[True, True, False]])
    assert batch_denominator(lengths, active, "token", 10) == 2
    assert batch_denominator(lengths, active, "sequence", 10) == 1
    assert batch_denominator(lengths, active, "constant", 10) == 10


def test_what_is_masked_has_no_gradient_even_if_infinite() -> None:
    logprobs = torch.zeros(1, 1, 2, requires_grad=True)
    old = torch.tensor([[[0.0, -math.inf]]])
    parts = policy_loss(
        logprobs,
        torch.tensor([[[True, False]]]),
        torch.ones(1, 1, 2),
        denominator=1,
        options=options(),
        old_logprobs=old,
    )
    parts.loss.backward()
    assert logprobs.grad is not None
    assert logprobs.grad.tolist() == [[[-1.0, 0.0]]]
