"""The loss's variants against numbers worked by hand: ratios of sequences, CISPO, importance weights, entropy, KL."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from leser.grpo.advantage import overlong_penalty
from leser.grpo.loss import importance_weights, kl_divergence, policy_loss, sampled_entropy, sequence_log_ratio
from leser.grpo.options import GrpoOptions

RATIOS = (2.0, 0.5, 1.6)
MASK = torch.tensor([[[True, True, True], [True, False, False]]])


def options(**values: object) -> GrpoOptions:
    return GrpoOptions.model_validate(values)


def two(ratios: tuple[float, ...], advantage: float, chosen: GrpoOptions) -> tuple[float, list[float]]:
    """Loss and its derivatives by log p, for one completion of three tokens beside one of a single token (ratio 1)."""
    logprobs = torch.log(torch.tensor([[[0.2, 0.3, 0.4], [0.5, 9.0, 9.0]]])).requires_grad_()
    old = logprobs.detach() - torch.log(torch.tensor([[[*ratios], [1.0, 1.0, 1.0]]]))
    advantages = torch.tensor([[[advantage] * 3, [0.0] * 3]])
    parts = policy_loss(logprobs, MASK, advantages, denominator=1.0, options=chosen, old_logprobs=old)
    parts.loss.backward()
    assert logprobs.grad is not None
    return parts.loss.item(), logprobs.grad[0, 0].tolist()


def test_a_sequence_ratio_is_the_geometric_mean() -> None:
    """s = (2 * .5 * 1.6)^(1/3) = 1.6^(1/3) = 1.1696; inside the clip every token's gradient is -s A."""
    s = 1.6 ** (1 / 3)
    loss, gradient = two(RATIOS, 2.0, options(ratio="sequence"))
    assert loss == pytest.approx(-3 * 2 * s, rel=1e-5)
    assert gradient == pytest.approx([-2 * s] * 3, rel=1e-5)
    loss, gradient = two(RATIOS, 2.0, options(ratio="sequence", clip_high=0.1))
    assert loss == pytest.approx(-3 * 2 * 1.1, rel=1e-5)
    assert gradient == [0.0, 0.0, 0.0]
    loss, gradient = two(RATIOS, 2.0, options(ratio="sequence", loss="sequence"))
    assert loss == pytest.approx(-2 * s, rel=1e-5)
    assert gradient == pytest.approx([-2 * s / 3] * 3, rel=1e-5)


def test_a_sequence_ratio_reads_no_padding() -> None:
    old = torch.tensor([[[-1.0, -1.0, -1.0], [-1.0, -99.0, -99.0]]])
    new = torch.where(MASK, old + 0.3, 0.0)
    got = sequence_log_ratio(new, torch.where(MASK, old, 0.0), MASK)
    assert got[MASK].tolist() == pytest.approx([0.3] * 4)


def test_cispo_keeps_the_gradient_of_clipped_tokens() -> None:
    """min(rho, 1.28) A: 1.28, .5, 1.28 times 2, where the clip of PPO gives the first and the last none."""
    _, gradient = two(RATIOS, 2.0, options(surrogate="cispo"))
    assert gradient == pytest.approx([-2.56, -1.0, -2.56], rel=1e-5)
    _, gradient = two(RATIOS, 2.0, options())
    assert gradient == pytest.approx([0.0, -1.0, 0.0], abs=1e-6)
    _, gradient = two(RATIOS, -2.0, options(surrogate="cispo"))
    assert gradient == pytest.approx([2.56, 1.0, 2.56], rel=1e-5)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("token-truncate", [3.0, 0.5, 2.0, 1.0]),
        ("token-mask", [0.0, 0.5, 2.0, 1.0]),
        ("sequence-truncate", [3.0, 3.0, 3.0, 1.0]),  # 5 * .5 * 2 = 5
        ("sequence-mask", [0.0, 0.0, 0.0, 1.0]),
    ],
)
def test_importance_weights(mode: str, expected: list[float]) -> None:
    sampler = torch.tensor([[[-1.0, -2.0, -3.0], [-1.0, 0.0, 0.0]]])
    old = sampler + torch.log(torch.tensor([[[5.0, 0.5, 2.0], [1.0, 7.0, 7.0]]]))
    weights, corrected = importance_weights(old, sampler, MASK, options(importance=mode))
    assert weights[MASK].tolist() == pytest.approx(expected, rel=1e-5)
    assert int(corrected.sum()) == (1 if mode.startswith("token") else 3)


def test_long_sequences_overflow_no_weight() -> None:
    """2,000 tokens of .1 nats: exp(200) is no float32; the sum stays in log space and is bounded before the exponential."""
    mask = torch.ones(1, 1, 2000, dtype=torch.bool)
    sampler = torch.full((1, 1, 2000), -3.0)
    for gap, expected in ((0.1, 3.0), (-0.1, math.exp(-20))):
        weights, _ = importance_weights(sampler + gap, sampler, mask, options(importance="sequence-truncate"))
        assert weights[0, 0, 0].item() == pytest.approx(expected, rel=1e-4)


def test_weights_multiply_the_surrogate_and_not_the_kl() -> None:
    logprobs = torch.full((1, 1, 1), -1.0, requires_grad=True)
    parts = policy_loss(
        logprobs, torch.ones(1, 1, 1), torch.full((1, 1, 1), 2.0), denominator=1.0,
        options=options(importance="token-truncate", kl=0.5), reference_logprobs=torch.full((1, 1, 1), -1.4),
        sampler_logprobs=torch.full((1, 1, 1), -1.0 - math.log(2)),
    )  # fmt: skip
    parts.loss.backward()
    assert parts.loss.item() == pytest.approx(-2 * 2.0 + 0.5 * 0.08, rel=1e-5)
    assert logprobs.grad is not None
    assert logprobs.grad.item() == pytest.approx(-2 * 2.0 + 0.5 * 0.4, rel=1e-5)


def test_what_a_variant_needs_is_asked_for() -> None:
    one = torch.zeros(1, 1, 1)
    for chosen, missing in (
        (options(importance="token-mask"), "noted while sampling"),
        (options(entropy_bonus=0.1), "entropy of"),
    ):
        with pytest.raises(ValueError, match=missing):
            policy_loss(one, torch.ones(1, 1, 1), one, denominator=1.0, options=chosen)


@pytest.mark.parametrize("importance", [False, True])
def test_the_entropy_gradient_is_exact_on_average(importance: bool) -> None:
    """Every token of a vocabulary of five, weighted by its probability, adds up to the gradient of the exact entropy."""
    logits = torch.tensor([0.3, -1.2, 2.0, 0.1, -0.4], requires_grad=True)
    logp = torch.log_softmax(logits, -1)
    exact = -(logp.exp() * logp).sum()
    (wanted,) = torch.autograd.grad(exact, logits, retain_graph=True)
    # drawn by an older policy, the ratio corrects
    drawn = torch.softmax(torch.tensor([0.0, 0.5, 1.0, 0.2, 0.3]), -1) if importance else logp.detach().exp()
    ratio = logp.detach().exp() / drawn
    estimate = sampled_entropy(logp, ratio, exact.expand(5))
    assert estimate.tolist() == pytest.approx([exact.item()] * 5, rel=1e-6)
    (got,) = torch.autograd.grad((drawn * estimate).sum(), logits)
    assert got.tolist() == pytest.approx(wanted.tolist(), abs=1e-6)


def test_k1_has_the_value_of_the_log_ratio_and_the_gradient_of_k2() -> None:
    logprobs = torch.tensor([-1.0, -2.0], requires_grad=True)
    reference = torch.tensor([-1.5, -1.0])
    k1 = kl_divergence(logprobs, reference, "k1")
    assert k1.tolist() == pytest.approx([0.5, -1.0])
    assert torch.autograd.grad(k1.sum(), logprobs)[0].tolist() == pytest.approx([0.5, -1.0])


def test_the_overlong_penalty_begins_softly() -> None:
    chosen = options(overlong_penalty=0.5, overlong_start=0.6)
    got = overlong_penalty([3, 6, 7, 8, 10, 12], 10, chosen)
    assert np.allclose(got, [0, 0, 0.125, 0.25, 0.5, 0.5])
    assert not overlong_penalty([3, 24], 24, options()).any()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"credit": "prefix", "combine": "each"}, "combine=sum"),
        ({"refill": 2, "zero_variance_groups": "count"}, "zero_variance_groups=drop"),
        ({"stop_kl": 0.1}, "epochs_per_batch or mini_batches"),
    ],
)
def test_options_that_contradict_each_other_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        options(**values)
