"""An update of supervised training: passes within a bound, the same gradient for any, nothing learned from what is not finite."""

from __future__ import annotations

import random

import pytest
import torch
from toy_policies import token_rows, toy_policy

from leser.errors import LeserError
from leser.grpo.optimizer import make_optimizer
from leser.grpo.options import GrpoOptions
from leser.policy.policy import Policy
from leser.training.supervised import Example, passes, supervised_step
from leser.warmup.progress import WarmupProgress


def batch() -> list[Example]:
    rng = random.Random(0)
    return [Example(token_rows(rng, [n])[0], token_rows(rng, [3, 5, 4])) for n in (20, 7, 31, 12)]


def gradient(policy: Policy, bound: int) -> tuple[float | None, torch.Tensor]:
    before = torch.cat([p.detach().flatten().clone() for p in policy.model.parameters()])
    loss = supervised_step(policy, torch.optim.SGD(policy.model.parameters(), lr=1.0), batch(), 1.0, bound)
    return loss, torch.cat([p.detach().flatten() for p in policy.model.parameters()]) - before


def test_a_pass_holds_no_more_than_its_bound() -> None:
    for bound in (36, 60, 100):
        found = list(passes(batch(), bound, 16))
        assert all(sum(e.tokens for e in part) <= bound for part in found)
        said = [(tuple(e.prompt), tuple(c)) for part in found for e in part for c in e.completions]
        assert said == [(tuple(e.prompt), tuple(c)) for e in batch() for c in e.completions]
    assert [len(part) for part in passes(batch(), 10_000, 3)] == [3, 1]
    assert [len(part[0].completions) for part in passes([batch()[0]], 28, 16)] == [2, 1]


def test_the_gradient_is_the_same_for_any_bound() -> None:
    loss, whole = gradient(toy_policy("qwen3"), 10_000)
    for bound in (30, 60):
        part_loss, part = gradient(toy_policy("qwen3"), bound)
        assert part_loss == pytest.approx(loss, rel=1e-5)
        assert (part - whole).abs().max() <= 1e-5 * whole.abs().max()


def test_a_gradient_that_is_not_finite_changes_no_weight() -> None:
    policy = toy_policy("qwen3")
    optimizer = make_optimizer(policy, GrpoOptions())
    with torch.no_grad():
        policy.causal_lm.base_model.norm.weight[0] = torch.nan
    before = [p.detach().clone() for p in policy.model.parameters()]
    assert supervised_step(policy, optimizer, batch(), 1e-3, 10_000) is None
    assert all(
        torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(before, policy.model.parameters(), strict=True)
    )
    assert not optimizer.state


def test_skipped_updates_are_counted_and_nothing_but_those_is_an_error() -> None:
    progress = WarmupProgress()
    for loss in (1.0, None, 3.0):
        progress.take(loss)
    assert progress.note(0.5, 0.4)
    assert (progress.loss, progress.skipped) == (2.0, 1)
    progress.take(None)
    with pytest.raises(LeserError, match=r"policy\.precision=fp32"):
        progress.note(0.5, 0.4)
