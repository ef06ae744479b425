"""AdamW with moments in 8 bits: near AdamW, a quarter of its memory, and the same after a checkpoint as without one."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toy_policies import ragged_batch, toy_policy

from leser.config.load import config_of
from leser.errors import LeserError
from leser.grpo import options as grpo_options
from leser.grpo.optimizer import make_optimizer
from leser.grpo.options import GrpoOptions
from leser.plugins import load_plugins
from leser.policy.policy import Policy
from leser.run.runner import run
from leser.store.checkpoint import load_weights, save_checkpoint
from leser.training.supervised import Example, supervised_step

PROMPTS, COMPLETIONS = ragged_batch()
EXAMPLES = [Example(p, c) for p, c in zip(PROMPTS, COMPLETIONS, strict=True)]


def trained(
    name: str, steps: int, policy: Policy | None = None, optimizer: torch.optim.Optimizer | None = None
) -> Policy:
    policy = policy or toy_policy("llama")
    optimizer = optimizer or make_optimizer(policy, GrpoOptions(), name)  # type: ignore[arg-type]
    for _ in range(steps):
        supervised_step(policy, optimizer, EXAMPLES, 1e-3)
    return policy


def weights(policy: Policy) -> torch.Tensor:
    return torch.cat([p.detach().reshape(-1) for p in policy.model.parameters()])


def test_it_learns_as_adamw_does() -> None:
    start, whole, eight = weights(toy_policy("llama")), weights(trained("adamw", 6)), weights(trained("adamw8bit", 6))
    moved, apart = whole - start, eight - whole
    assert float(torch.nn.functional.cosine_similarity(moved, eight - start, dim=0)) > 0.97
    assert 0 < float(apart.norm()) < 0.25 * float(moved.norm())


def test_its_state_survives_a_checkpoint(tmp_path: Path) -> None:
    """Three updates, a checkpoint, three more in new objects: bit for bit six updates in a row."""
    policy = toy_policy("llama")
    optimizer = make_optimizer(policy, GrpoOptions(), "adamw8bit")
    trained("adamw8bit", 3, policy, optimizer)
    where = save_checkpoint(tmp_path, "step-3", {}, policy.model, optimizer)
    stored = load_file(where / "optimizer.safetensors")
    moments = [tensor for name, tensor in stored.items() if name.rpartition(".")[2] in ("state1", "state2")]
    assert {tensor.dtype for tensor in moments} == {torch.uint8, torch.float32}, "small tensors keep 32 bits"
    big = [tensor for tensor in moments if tensor.numel() >= 4096]
    assert big
    assert all(tensor.dtype == torch.uint8 for tensor in big)

    again = toy_policy("llama", seed=9)
    other = make_optimizer(again, GrpoOptions(), "adamw8bit")
    load_weights(where, again.model, other)
    assert torch.equal(weights(again), weights(policy))
    trained("adamw8bit", 3, again, other)
    assert torch.equal(weights(again), weights(trained("adamw8bit", 6)))


def test_adamws_state_is_stored_as_before(tmp_path: Path) -> None:
    policy = toy_policy("llama")
    optimizer = make_optimizer(policy, GrpoOptions())
    trained("adamw", 2, policy, optimizer)
    where = save_checkpoint(tmp_path, "step-2", {}, policy.model, optimizer)
    stored = load_file(where / "optimizer.safetensors")
    assert stored["0.step"].dtype == torch.float32
    assert {name.partition(".")[2] for name in stored} == {"step", "exp_avg", "exp_avg_sq"}
    again = copy.deepcopy(policy)
    other = make_optimizer(again, GrpoOptions())
    load_weights(where, again.model, other)
    assert torch.equal(weights(trained("adamw", 1, again, other)), weights(trained("adamw", 1, policy, optimizer)))


def test_weights_in_shards_are_refused(tmp_path: Path) -> None:
    """A block's scale would be of numbers that lie in several processes."""
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    policy = toy_policy("llama")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        fully_shard(policy.model, mesh=init_device_mesh("cpu", (1,)))
        with pytest.raises(LeserError, match=r"adamw8bit cannot be used on weights in shards.*optimizer=adamw,"):
            make_optimizer(policy, GrpoOptions(), "adamw8bit")
        assert make_optimizer(policy, GrpoOptions())
    finally:
        dist.destroy_process_group()


def test_without_the_package_a_run_says_so_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(grpo_options, "find_spec", lambda name: None)
    config = config_of({"training": {"optimizer": "adamw8bit"}, "out": str(tmp_path / "run")})
    with pytest.raises(LeserError, match=r"adamw8bit needs the package bitsandbytes.*pip install bitsandbytes"):
        run(config, load_plugins())
    with pytest.raises(LeserError, match="needs the package bitsandbytes"):
        make_optimizer(toy_policy("llama"), GrpoOptions(), "adamw8bit")
