"""Two processes that sample ahead make the steps that one makes: shares are drawn, noted and searched, the whole is gathered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from speaking import QUERIES, WIDE, sampler_of, speaking_policy

from leser.grpo.options import GrpoOptions
from leser.processes import ALONE, Processes
from leser.training.ahead import Ahead
from leser.training.grpo import Schedule, grpo_step

BATCHES = [QUERIES[:3], QUERIES[3:4], QUERIES[4:7]]
"""Of the second, one process has no query."""


def steps(processes: Processes, start: Path) -> dict[str, Any]:
    """Three steps of plain gradient descent, small enough that rounding flips no draw."""
    policy = speaking_policy()
    if not start.exists():
        torch.save(policy.model.state_dict(), start)
    policy.model.load_state_dict(torch.load(start, weights_only=True))
    sampler, optimizer = sampler_of(policy), torch.optim.SGD(policy.model.parameters(), lr=1.0)
    options, ahead = GrpoOptions(group_size=6, warmup_steps=0, max_grad_norm=1e9), Ahead()
    found: dict[str, Any] = {"metrics": [], "waiting": []}
    rows: list[Any] = []
    for number, queries in enumerate(BATCHES):
        ahead.following = BATCHES[number + 1] if number + 1 < len(BATCHES) else ()
        step = grpo_step(
            sampler, optimizer, WIDE, queries, options, Schedule(0.05, 10, 1), number, processes=processes, ahead=ahead
        )
        rows += [(row["query_id"], row["completion"], row["reward"]) for row in step.rollouts]
        found["metrics"].append(
            {k: step.metrics[k] for k in ("reward", "loss", "tokens", "log_ratio_max", "update_kl")}
        )
        if ahead.waiting is not None and ahead.waiting.stale is not None:
            found["waiting"].append(torch.tensor([p for g in ahead.waiting.stale for row in g for p in row]))
    found["rows"] = repr(rows)
    found["weights"] = torch.cat([p.detach().reshape(-1) for p in policy.model.parameters()])
    return found


def _worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    processes = Processes(rank, 2, dist.new_group(backend="gloo"))
    torch.save(steps(processes, Path(folder, "start.pt")), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_make_the_steps_that_one_makes(tmp_path: Path) -> None:
    one = steps(ALONE, tmp_path / "start.pt")
    assert max(metrics["log_ratio_max"] for metrics in one["metrics"][1:]) > 1e-3, "the batches that waited are stale"
    mp.spawn(_worker, args=(str(tmp_path),), nprocs=2)
    two = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for found in two:
        assert found["rows"] == one["rows"]
        for mine, theirs in zip(found["metrics"], one["metrics"], strict=True):
            assert mine == pytest.approx(theirs, rel=1e-3, abs=1e-5)
        for mine, theirs in zip(found["waiting"], one["waiting"], strict=True):
            assert torch.allclose(mine, theirs, atol=1e-4)
        assert torch.allclose(found["weights"], one["weights"], atol=1e-5)
    assert torch.equal(two[0]["weights"], two[1]["weights"]), "replicas stay the same bit for bit"
