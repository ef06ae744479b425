"""In shards, two processes make one's update: adapters over frozen weights, with checkpoints that fit both, and DPO."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from speaking import QUERIES, WIDE, sampler_of, speaking_policy

from leser.grpo.options import GrpoOptions
from leser.grpo.update import make_optimizer
from leser.policy.adapters import frozen_reference, save_trained
from leser.policy.loading import prepare
from leser.policy.options import PolicyOptions
from leser.policy.policy import Policy
from leser.policy.sharding import shard
from leser.processes import ALONE, Processes
from leser.store.sharded import load_shards, save_shards
from leser.training.grpo import Schedule, grpo_step
from leser.training.preference import PairExample, preference_step, with_reference
from leser.warmup.options import WarmupOptions

FAR = 100.0
"""A step far larger than the weights: what is compared is the gradient, not the weights' rounding."""
VARIANTS: dict[str, tuple[int, dict[str, Any]]] = {
    "plain": (5, {}),
    "with a reference": (5, {"kl": 0.1, "credit": "prefix", "refill": 2}),
    "a process without a query": (1, {}),
}
SMALL: dict[str, Any] = {"group_size": 6, "warmup_steps": 0}


@cache
def spoken() -> Policy:
    return speaking_policy()


def made(dtype: str = "float32") -> Policy:
    """A policy that says a few things, under adapters that are no longer zero."""
    policy = copy.deepcopy(spoken())
    prepare(policy, PolicyOptions(device="cpu", attention="shared", lora_rank=4, dtype=dtype, precision="fp32"), 0)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for name, weight in policy.model.named_parameters():
            if ".lora_B." in name:
                weight.normal_(std=0.02)
    return policy


def adapters(policy: Policy) -> torch.Tensor:
    return torch.cat([p.detach().reshape(-1).clone() for p in policy.model.parameters() if p.requires_grad])


def frozen(policy: Policy) -> torch.Tensor:
    kept = [p for n, p in policy.model.named_parameters() if ".lora_" not in n]
    return torch.cat([p.detach().float().reshape(-1).clone() for p in kept])


def moves(policy: Policy, processes: Processes, folder: Path) -> dict[str, Any]:
    """How one step of plain gradient descent moves the adapters, for each variant, all from the same ones."""
    save_trained(policy, folder)
    with torch.no_grad():
        for weight in policy.model.parameters():
            if weight.requires_grad:  # away from the reference
                weight *= 1.5
    sampler, base = sampler_of(policy), frozen(policy)
    start = {name: weight.clone() for name, weight in policy.model.state_dict().items()}
    found: dict[str, Any] = {}
    for name, (count, given) in VARIANTS.items():
        policy.model.load_state_dict(start, strict=False)  # a reference's adapters came with it
        before, learner = adapters(policy), policy.learner or policy
        trained = [p for p in learner.model.parameters() if p.requires_grad]
        reference = frozen_reference(policy, folder) if "kl" in given else None
        step = grpo_step(
            sampler, torch.optim.SGD(trained, lr=1.0), WIDE, QUERIES[:count],
            GrpoOptions.model_validate({**SMALL, **given}), Schedule(FAR, 10, 1), 0,
            reference=reference, processes=processes,
        )  # fmt: skip
        found[name] = {"moved": adapters(policy) - before, "loss": step.metrics["loss"], "kl": step.metrics["kl"]}
        assert torch.equal(frozen(policy), base), "frozen weights came back as they were"
    return found


def update(policy: Policy, optimizer: torch.optim.Optimizer, number: int, processes: Processes) -> None:
    grpo_step(
        sampler_of(policy), optimizer, WIDE, QUERIES[:4], GrpoOptions.model_validate(SMALL), Schedule(1e-3, 10, 1), number,
        processes=processes,
    )  # fmt: skip


def resumed(policy: Policy, checkpoint: Path, processes: Processes) -> torch.Tensor:
    """The adapters after the second update, from the checkpoint after the first."""
    optimizer = make_optimizer(policy, GrpoOptions())
    load_shards(checkpoint, policy, optimizer)
    update(policy, optimizer, 1, processes)
    return adapters(policy)


def preferred(policy: Policy, processes: Processes) -> torch.Tensor:
    """How one step on three pairs moves all weights; of two processes one has a pass more than the other."""
    said = [policy.encode_completion(text) for text in ("sofa", "tall; floor", "none", "sofa")]
    prompts = sampler_of(policy).prompts(QUERIES[:3])
    pairs = [PairExample(prompt, said[n], said[n + 1]) for n, prompt in enumerate(prompts)]
    rows = processes.share(with_reference(policy, pairs))
    learner, before = policy.learner or policy, weights(policy)
    optimizer = torch.optim.SGD(learner.model.parameters(), lr=1.0)
    bound = pairs[0].tokens  # of a pass: one pair
    assert preference_step(policy, optimizer, rows, FAR, bound, WarmupOptions(dpo_beta=0.3)) is not None
    return weights(policy) - before


def weights(policy: Policy) -> torch.Tensor:
    return torch.cat([p.detach().reshape(-1).clone() for p in policy.model.parameters()])


def plain() -> Policy:
    return prepare(copy.deepcopy(spoken()), PolicyOptions(device="cpu", attention="shared"), 0)


def _worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    policies = [made() for _ in range(3)] + [made("bfloat16"), plain()]
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    processes = Processes(rank, 2, dist.new_group(backend="gloo"))
    for policy in policies:
        shard(policy, 2)
    found: dict[str, Any] = moves(policies[0], processes, Path(folder, f"start-{rank}"))
    through = policies[1]
    optimizer = make_optimizer(through, GrpoOptions())
    update(through, optimizer, 0, processes)
    save_shards(Path(folder), "step-1", {"update": 1}, through, optimizer, processes)
    update(through, optimizer, 1, processes)
    found["through"] = adapters(through)
    found["resumed"] = resumed(policies[2], Path(folder, "step-1"), processes)
    learner = through.learner
    assert learner is not None
    held = [p.to_local().numel() for p in learner.model.parameters()]  # type: ignore[attr-defined]
    found["held"] = torch.tensor([sum(held), sum(p.numel() for p in learner.model.parameters())])
    before = adapters(policies[3])
    update(policies[3], make_optimizer(policies[3], GrpoOptions()), 0, processes)
    found["bfloat16"] = adapters(policies[3]) - before
    found["preferred"] = preferred(policies[4], processes)
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left."""
    folder = tmp_path_factory.mktemp("adapters")
    mp.spawn(_worker, args=(str(folder),), nprocs=2)
    return folder


@pytest.fixture(scope="module")
def two(folder: Path) -> list[dict[str, Any]]:
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def test_the_gradient_is_that_of_one_process(two: list[dict[str, Any]], tmp_path: Path) -> None:
    one = moves(made(), ALONE, tmp_path)
    for name in VARIANTS:
        size = float(one[name]["moved"].abs().max())
        assert size > 0, name
        assert (one[name]["kl"] > 0) == ("kl" in VARIANTS[name][1])
        for found in two:
            assert float((found[name]["moved"] - one[name]["moved"]).abs().max()) <= 1e-5 * size, name
            assert found[name]["loss"] == pytest.approx(one[name]["loss"], rel=1e-4, abs=1e-6)
            assert found[name]["kl"] == pytest.approx(one[name]["kl"], rel=1e-3, abs=1e-6)
        assert torch.equal(two[0][name]["moved"], two[1][name]["moved"]), "replicas stay the same bit for bit"


def test_a_checkpoint_holds_adapters_alone_and_goes_on_in_shards_and_whole(
    two: list[dict[str, Any]], folder: Path
) -> None:
    assert [torch.equal(found["through"], found["resumed"]) for found in two] == [True, True]
    files = list((folder / "step-1").glob("*.safetensors"))
    trained = adapters(made()).numel()
    assert sum(file.stat().st_size for file in files) < 3.5 * 4 * trained + 60_000, "adapters and two moments of each"
    whole = resumed(made(), folder / "step-1", ALONE)
    moved = (two[0]["through"] - adapters(made())).abs().max()
    assert float((whole - two[0]["through"]).abs().max()) <= 1e-3 * float(moved)


def test_preference_pairs_teach_in_shards_what_they_teach_whole(two: list[dict[str, Any]]) -> None:
    moved = preferred(plain(), ALONE)
    size = float(moved.abs().max())
    assert size > 0
    for found in two:
        assert float((found["preferred"] - moved).abs().max()) <= 1e-5 * size


def test_each_process_holds_half(two: list[dict[str, Any]]) -> None:
    held = torch.stack([found["held"] for found in two])
    assert int(held[:, 0].sum()) == int(held[0, 1]) == int(held[1, 1])
    assert float(held[0, 0] / held[0, 1]) == pytest.approx(0.5, abs=0.05)


def test_frozen_weights_may_be_bfloat16(two: list[dict[str, Any]]) -> None:
    alone = made("bfloat16")
    before = adapters(alone)
    update(alone, make_optimizer(alone, GrpoOptions()), 0, ALONE)
    moved = adapters(alone) - before
    assert float(moved.abs().max()) > 0
    for found in two:
        # the first step of AdamW moves each weight by the rate, whatever its gradient; signs are what is compared
        assert float((found["bfloat16"].sign() == moved.sign()).float().mean()) > 0.99
