"""Several updates from one batch, and every variant's gradient: the same for any split, order and number of processes."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from toy_policies import token_rows, toy_policy

from leser.grpo.batch import GroupBatch, mini_batches, passes, select
from leser.grpo.options import GrpoOptions
from leser.grpo.update import accumulate, make_optimizer, policy_update
from leser.policy.packed import group_logprobs
from leser.policy.policy import Policy

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {"loss": "sequence"},
    "gspo": {"ratio": "sequence", "clip_low": 0.05, "clip_high": 0.06},
    "cispo": {"surrogate": "cispo", "loss": "constant"},
    "corrected": {"importance": "sequence-truncate", "importance_cap": 1.1, "kl": 0.05, "kl_estimate": "k1"},
    "entropy": {"entropy_bonus": 0.1, "dual_clip": 1.5},
}


def options(**values: Any) -> GrpoOptions:
    return GrpoOptions.model_validate(values)


def batch(policy: Policy, count: int = 5, group: int = 4, by_token: bool = False) -> GroupBatch:
    rng, numbers = random.Random(3), np.random.default_rng(3)
    prompts = token_rows(rng, [rng.randrange(1, 20) for _ in range(count)])
    completions = [token_rows(rng, [rng.randrange(1, 9) for _ in range(group)]) for _ in range(count)]
    active = numbers.random((count, group)) > 0.2
    active[1] = False  # a zero-variance group
    advantages = numbers.normal(size=(count, group, 8) if by_token else (count, group))
    with torch.no_grad():
        result = group_logprobs(policy, prompts, completions)

    def near(size: float) -> list[list[list[float]]]:
        return [
            [[v + size * float(numbers.normal()) for v in row[m].tolist()] for row, m in zip(*pair, strict=True)]
            for pair in zip(result.logprobs, result.mask, strict=True)
        ]

    kept = advantages * (active[..., None] if by_token else active)
    return GroupBatch(prompts, completions, kept, active, near(0.3), near(0.3), near(0.1))


def gradient(policy: Policy, data: GroupBatch, chosen: GrpoOptions) -> list[torch.Tensor]:
    policy.model.zero_grad()
    accumulate(policy, data, chosen, on_policy=False)
    return [p.grad.clone() for p in policy.model.parameters() if p.grad is not None]


def gap(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> float:
    scale = max(float(g.abs().max()) for g in theirs)
    return max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True)) / scale


def distance(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> float:
    """Of two gradients, relative to their length."""
    one, two = (torch.cat([g.flatten() for g in side]).double() for side in (ours, theirs))
    return float((one - two).norm() / two.norm())


@pytest.mark.parametrize("by_token", [False, True])
@pytest.mark.parametrize("variant", list(VARIANTS))
def test_a_group_split_over_passes_has_the_same_gradient(variant: str, by_token: bool) -> None:
    policy = toy_policy("qwen3")
    data, chosen = batch(policy, by_token=by_token), options(**VARIANTS[variant])
    whole = gradient(policy, data, chosen)
    for limit in (12, 22):
        split = chosen.model_copy(update={"tokens_per_pass": limit})
        parts = list(passes(data, split, limit))
        assert any(len(columns) < 4 for pieces in parts for _, columns in pieces)
        for pieces in parts:
            held = select(data, pieces)
            size = sum(len(p) + sum(map(len, g)) for p, g in zip(held.prompts, held.completions, strict=True))
            assert size <= limit or [len(columns) for _, columns in pieces] == [1]
        assert (
            distance(gradient(policy, data, split), whole) <= 2e-6
        )  # float32 rounds by 1e-6 here; in float64 it was 1e-7


def shuffled(data: GroupBatch) -> GroupBatch:
    """Groups and completions in another order, and a longer completion that counts nowhere: more padding for the others."""
    order, columns = [3, 0, 4, 2, 1], [2, 0, 3, 1]

    def some(values: Any) -> Any:
        return [[*(values[i][j] for j in columns), values[i][0][:1] * 20] for i in order]

    inactive = np.zeros((5, 1))
    return GroupBatch(
        [data.prompts[i] for i in order],
        some(data.completions),
        np.concatenate([np.asarray(data.advantages)[order][:, columns], inactive], axis=1),
        np.concatenate([np.asarray(data.active)[order][:, columns], inactive.astype(bool)], axis=1),
        some(data.old_logprobs),
        some(data.reference_logprobs),
        some(data.sampler_logprobs),
    )


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_order_and_padding_change_nothing(variant: str) -> None:
    policy = toy_policy("qwen3")
    data, chosen = batch(policy), options(**VARIANTS[variant])
    assert gap(gradient(policy, shuffled(data), chosen), gradient(policy, data, chosen)) <= 1e-5


def weights_after(data: GroupBatch, **values: Any) -> tuple[list[torch.Tensor], Any]:
    policy = toy_policy("qwen3")
    chosen = options(learning_rate=1e-2, warmup_steps=0, **values)
    stats = policy_update(policy, make_optimizer(policy, chosen), data, chosen)
    return [p.detach().clone() for p in policy.model.parameters()], stats


def equal(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(
    "values", [{"epochs_per_batch": 3}, {"mini_batches": 2}, {"epochs_per_batch": 2, "mini_batches": 2}]
)
def test_the_ratio_is_to_trainings_own_log_probabilities(values: dict[str, int]) -> None:
    """A sampler that rounds otherwise moves no ratio: whatever it noted, the same updates."""
    data = batch(toy_policy("qwen3"))
    ours, stats = weights_after(data, **values)
    blind, _ = weights_after(replace(data, sampler_logprobs=None, old_logprobs=None), **values)
    assert equal(ours, blind)
    assert stats.sampler_gap > 0.05
    assert stats.log_ratio_max > 0.01
    assert stats.updates == values.get("epochs_per_batch", 1) * values.get("mini_batches", 1)


def test_the_first_pass_is_on_policy() -> None:
    data = batch(toy_policy("qwen3"))
    _, stats = weights_after(data)
    assert (stats.log_ratio_max, stats.update_kl, stats.clipped_high) == (0.0, 0.0, 0.0)


def test_second_epoch_by_hand() -> None:
    """Two epochs are an update on policy, then one whose old log-probabilities are those before the first."""
    policy = toy_policy("qwen3")
    data, chosen = batch(policy), options(learning_rate=1e-2, warmup_steps=0)
    with torch.no_grad():
        before = group_logprobs(policy, data.prompts, data.completions)
    old = [
        [row[m].tolist() for row, m in zip(*pair, strict=True)]
        for pair in zip(before.logprobs, before.mask, strict=True)
    ]
    optimizer = make_optimizer(policy, chosen)
    policy_update(policy, optimizer, data, chosen)
    accumulate(policy, replace(data, old_logprobs=old), chosen, on_policy=False)
    torch.nn.utils.clip_grad_norm_(policy.model.parameters(), chosen.max_grad_norm)
    optimizer.step()
    by_hand = [p.detach() for p in policy.model.parameters()]
    ours, _ = weights_after(data, epochs_per_batch=2)
    assert gap(ours, by_hand) <= 1e-6


def test_mini_batches_hold_every_group_once() -> None:
    data = batch(toy_policy("qwen3"))
    parts = mini_batches(data, 3)
    assert [len(p.prompts) for p in parts] == [2, 2, 1]
    assert sorted(map(tuple, (row for p in parts for row in p.prompts))) == sorted(map(tuple, data.prompts))
    assert [len(p.prompts) for p in mini_batches(data, 7)] == [1, 1, 1, 1, 1, 0, 0]
    _, stats = weights_after(data, mini_batches=7)
    assert stats.updates == 4  # the zero-variance group and two empty parts move nothing
    assert stats.tokens == int((np.asarray([[len(c) for c in g] for g in data.completions]) * data.active).sum())


def test_a_policy_that_moved_too_far_is_left_alone() -> None:
    data = batch(toy_policy("qwen3"))
    once, _ = weights_after(data)
    stopped, stats = weights_after(data, epochs_per_batch=4, stop_kl=1e-4)
    assert stats.updates == 1
    assert stats.update_kl > 1e-4
    assert equal(stopped, once)
    _, free = weights_after(data, epochs_per_batch=4, stop_kl=1e6)
    assert free.updates == 4


def _worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    found = {name: _step(name, [0, 1, 2] if rank == 0 else [3, 4], 30) for name in VARIANTS}
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def _step(variant: str, rows: list[int], budget: int) -> dict[str, Any]:
    policy = toy_policy("qwen3")
    mine = select(batch(policy), [(i, list(range(4))) for i in rows])
    chosen = options(
        **VARIANTS[variant], learning_rate=0.1, warmup_steps=0, tokens_per_pass=budget, epochs_per_batch=2, stop_kl=1e9
    )
    share = gradient(policy, mine, chosen)  # with ratios that are not 1; of all processes together, the whole gradient
    policy = toy_policy("qwen3")
    stats = policy_update(policy, torch.optim.SGD(policy.model.parameters(), lr=1.0), mine, chosen)
    return {"stats": stats.metrics(), "share": share, "weights": dict(policy.model.state_dict())}


def test_two_processes_equal_one_in_every_variant(tmp_path: Path) -> None:
    mp.spawn(_worker, args=(str(tmp_path),), nprocs=2)
    there = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    start = toy_policy("qwen3").model.state_dict()
    for variant in VARIANTS:
        whole = _step(variant, list(range(5)), 10_000)
        step = max(float((v - start[k]).abs().max()) for k, v in whole["weights"].items())
        added = [a + b for a, b in zip(there[0][variant]["share"], there[1][variant]["share"], strict=True)]
        assert gap(added, whole["share"]) <= 1e-5, variant
        for found in (t[variant] for t in there):
            for name in ("loss", "grad_norm", "entropy", "update_kl", "corrected", "tokens", "updates"):
                assert found["stats"][name] == pytest.approx(whole["stats"][name], rel=1e-3, abs=1e-6), (variant, name)
            assert max(float((found["weights"][k] - v).abs().max()) for k, v in whole["weights"].items()) <= 1e-4 * step
