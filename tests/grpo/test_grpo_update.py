"""One update: the same gradient for any split of the batch and any number of processes."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from toy_policies import token_rows, toy_policy

from leser.grpo.batch import passes
from leser.grpo.options import GrpoOptions
from leser.grpo.update import GroupBatch, accumulate, learning_rate, make_optimizer, policy_update
from leser.policy.packed import group_logprobs
from leser.policy.policy import Policy


def options(**values: object) -> GrpoOptions:
    return GrpoOptions.model_validate(values)


def batch(policy: Policy, count: int = 6) -> GroupBatch:
    rng, numbers = random.Random(5), np.random.default_rng(5)
    prompts = token_rows(rng, [rng.randrange(1, 20) for _ in range(count)])
    completions = [token_rows(rng, [rng.randrange(1, 9) for _ in range(4)]) for _ in range(count)]
    advantages = numbers.normal(size=(count, 4))
    active = numbers.random((count, 4)) > 0.2
    active[1] = False  # a zero-variance group
    with torch.no_grad():
        result = group_logprobs(policy, prompts, completions)
    exact = [
        [row[m].tolist() for row, m in zip(*pair, strict=True)]
        for pair in zip(result.logprobs, result.mask, strict=True)
    ]
    noisy = [[[v + 0.3 * float(numbers.normal()) for v in row] for row in group] for group in exact]
    return GroupBatch(prompts, completions, advantages * active, active, old_logprobs=noisy, reference_logprobs=noisy)


def gradient(policy: Policy, data: GroupBatch, chosen: GrpoOptions) -> list[torch.Tensor]:
    policy.model.zero_grad()
    accumulate(policy, data, chosen, on_policy=False)
    return [p.grad.clone() for p in policy.model.parameters() if p.grad is not None]


def gap(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> float:
    assert len(ours) == len(theirs) > 0
    scale = max(float(g.abs().max()) for g in theirs)
    return max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True)) / scale


@pytest.mark.parametrize("mode", ["token", "sequence", "constant"])
@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_any_split_gives_the_same_gradient(kind: str, mode: str) -> None:
    policy = toy_policy(kind)
    data = batch(policy)
    whole = gradient(policy, data, options(loss=mode, kl=0.05))
    for budget, expected in ((1, int(data.active.sum())), (60, None)):
        split = options(loss=mode, kl=0.05, tokens_per_pass=budget)
        assert (
            expected is None or len(list(passes(data, split, budget))) == expected
        )  # one completion a pass, those that count nowhere left out
        assert gap(gradient(policy, data, split), whole) <= 1e-5


def test_equals_the_plain_path() -> None:
    policy, plain = toy_policy("qwen3"), toy_policy("qwen3", attention="plain")
    data = batch(policy)
    assert gap(gradient(policy, data, options()), gradient(plain, data, options())) <= 1e-5


def test_inactive_completions_count_nowhere() -> None:
    policy = toy_policy("qwen3")
    data = batch(policy)
    kept = [
        [c if a else [] for c, a in zip(*pair, strict=True)] for pair in zip(data.completions, data.active, strict=True)
    ]
    old = [
        [c if a else [] for c, a in zip(*pair, strict=True)]
        for pair in zip(data.old_logprobs or [], data.active, strict=True)
    ]
    without = GroupBatch(data.prompts, kept, data.advantages, data.active, old, old)
    assert gap(gradient(policy, without, options(kl=0.1)), gradient(policy, data, options(kl=0.1))) <= 1e-5


def test_advantages_of_tokens_equal_those_of_completions_when_constant() -> None:
    policy = toy_policy("qwen3")
    data = batch(policy)
    tokens = GroupBatch(
        data.prompts,
        data.completions,
        np.repeat(data.advantages[..., None], 30, axis=2),
        data.active,
        data.old_logprobs,
    )
    assert gap(gradient(policy, tokens, options()), gradient(policy, data, options())) == 0
    tokens.advantages[:, :, 0] += 1.0
    assert gap(gradient(policy, tokens, options()), gradient(policy, data, options())) > 1e-2


def test_update_raises_what_was_better_and_reports() -> None:
    policy = toy_policy("qwen3")
    rng = random.Random(0)
    prompts = token_rows(rng, [5, 9])
    completions = [token_rows(rng, [4, 4]) for _ in prompts]
    with torch.no_grad():
        before = group_logprobs(policy, prompts, completions).logprobs.sum(-1)
    chosen = options(learning_rate=1e-3, warmup_steps=0, group_size=2)
    stats = policy_update(
        policy,
        make_optimizer(policy, chosen),
        GroupBatch(prompts, completions, np.array([[1.0, -1.0], [-1.0, 1.0]]), np.ones((2, 2), dtype=bool)),
        chosen,
    )
    with torch.no_grad():
        change = group_logprobs(policy, prompts, completions).logprobs.sum(-1) - before
    assert (change[:, 0] * torch.tensor([1.0, -1.0]) > 0).all()
    assert (change[:, 1] * torch.tensor([-1.0, 1.0]) > 0).all()
    assert stats.tokens == 16
    assert stats.loss == pytest.approx(0.0, abs=1e-6)
    assert stats.grad_norm > 0
    assert stats.learning_rate == 1e-3
    assert stats.entropy > 0
    assert stats.metrics()["skipped"] == 0


def test_more_epochs_use_the_sampling_log_probabilities() -> None:
    policy = toy_policy("qwen3")
    data = batch(policy)
    chosen = options(learning_rate=1e-2, warmup_steps=0, epochs_per_batch=3)
    stats = policy_update(policy, make_optimizer(policy, chosen), data, chosen)
    assert stats.log_ratio_max > 0.01
    assert stats.clipped_low + stats.clipped_high > 0


def test_a_gradient_that_is_not_finite_changes_no_weight() -> None:
    policy = toy_policy("qwen3")
    data = batch(policy)
    broken = GroupBatch(data.prompts, data.completions, np.full((6, 4), np.inf), data.active)
    before = [p.detach().clone() for p in policy.model.parameters()]
    stats = policy_update(policy, make_optimizer(policy, options()), broken, options(learning_rate=1e-3))
    assert stats.skipped == 1
    assert all(torch.equal(a, b) for a, b in zip(before, policy.model.parameters(), strict=True))


def test_a_batch_of_dead_groups_is_no_error() -> None:
    policy = toy_policy("qwen3")
    data = GroupBatch([[5, 6]], [[[7], [8]]], np.zeros((1, 2)), np.zeros((1, 2), dtype=bool))
    stats = policy_update(policy, make_optimizer(policy, options()), data, options(learning_rate=1e-3))
    assert (stats.tokens, stats.passes, stats.grad_norm) == (0, 0, 0.0)


def test_schedules() -> None:
    linear = options(learning_rate=1.0, warmup_steps=4, schedule="linear", final_rate=0.1)
    assert [learning_rate(s, linear, total=14) for s in (0, 3, 4, 9, 14, 99)] == pytest.approx(
        [0.25, 1, 1, 0.55, 0.1, 0.1]
    )
    cosine = options(learning_rate=1.0, warmup_steps=0, schedule="cosine", final_rate=0.0)
    assert [learning_rate(s, cosine, total=10) for s in (0, 5, 10)] == pytest.approx([1, 0.5, 0])
    assert learning_rate(50, options(warmup_steps=2), total=60, peak=3e-4) == 3e-4


def _worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    rows = [0, 1, 2, 4] if rank == 0 else [3, 5]  # unequal shares
    found = {mode: _one_step(mode, rows, 50) for mode in ("token", "sequence")}
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def _one_step(mode: str, rows: list[int], budget: int) -> dict[str, Any]:
    """Statistics and weights after one plain gradient step on these groups."""
    policy = toy_policy("qwen3")
    data: Any = batch(policy)
    mine = GroupBatch(
        [data.prompts[i] for i in rows],
        [data.completions[i] for i in rows],
        data.advantages[rows],
        data.active[rows],
        [data.old_logprobs[i] for i in rows],
        [data.reference_logprobs[i] for i in rows],
    )
    # a step far larger than the weights: what is compared is the gradient, not the weights' rounding
    chosen = options(loss=mode, kl=0.05, learning_rate=100.0, warmup_steps=0, tokens_per_pass=budget)
    stats = policy_update(policy, torch.optim.SGD(policy.model.parameters(), lr=1.0), mine, chosen)
    return {"stats": stats.metrics(), "weights": dict(policy.model.state_dict())}


def test_two_processes_equal_one(tmp_path: Path) -> None:
    mp.spawn(_worker, args=(str(tmp_path),), nprocs=2)
    there = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for mode in ("token", "sequence"):
        whole = _one_step(mode, list(range(6)), 10_000)
        start = toy_policy("qwen3").model.state_dict()
        step = max(float((v - start[k]).abs().max()) for k, v in whole["weights"].items())
        for found in (t[mode] for t in there):
            for name in ("loss", "grad_norm", "entropy", "kl", "tokens", "sampler_gap"):
                assert found["stats"][name] == pytest.approx(whole["stats"][name], rel=1e-4, abs=1e-6), name
            assert max(float((found["weights"][k] - v).abs().max()) for k, v in whole["weights"].items()) <= 1e-5 * step
