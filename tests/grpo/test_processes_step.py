"""Two processes make the step that one makes: each samples, searches and trains its share, with whole weights or in shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from environments import SHELF, SPLIT, environment_of
from leser_memory import MemoryBackend

from leser.expansion import ExpansionOptions
from leser.grpo.options import GrpoOptions
from leser.grpo.update import make_optimizer
from leser.policy.loading import prepare
from leser.policy.options import PolicyOptions, TinyOptions
from leser.policy.policy import Policy
from leser.policy.sharding import shard
from leser.policy.tiny import build_tiny
from leser.processes import ALONE, Processes
from leser.prompt import PromptOptions
from leser.sampler import Sampler
from leser.task import Query, Split
from leser.training.grpo import Schedule, grpo_step
from leser.training.supervised import Example, supervised_step

QUERIES = [Query(f"q{i}", "navy couch") for i in range(7)]
WIDE = Split(
    "train", tuple(QUERIES), {q.id: {"absent": 1} if q.id in ("q1", "q6") else SPLIT.qrels["q1"] for q in QUERIES}
)
FAR: dict[str, Any] = {"learning_rate": 100.0}
"""A step far larger than the weights: what is compared is the gradient, not the weights' rounding."""
VARIANTS: dict[str, tuple[int, float, dict[str, Any]]] = {
    "plain": (5, 1e-5, FAR),
    "all terms": (5, 1e-5, {**FAR, "kl": 0.1, "credit": "prefix", "refill": 2}),
    "a process without a query": (1, 1e-5, {**FAR, "entropy_bonus": 0.01}),
    "several updates": (5, 1e-3, {"learning_rate": 0.1, "mini_batches": 2, "epochs_per_batch": 2, "kl": 0.1}),
}
"""Queries of the step, how far weights may differ relative to how far they moved, and options."""
TIMES = ("sample_s", "search_s", "update_s", "sync_s", "hidden_s", "sampler_gap", "entropy_all", "passes")


SHARDS = ("none", "fsdp")


def made() -> Sampler:
    torch.manual_seed(0)
    texts = [" ".join(d.fields.values()) for d in SHELF] * 3 + ["navy couch none"]
    policy = build_tiny(
        texts, TinyOptions(d_model=32, layers=1, heads=2, kv_heads=1, ffn=32, vocabulary=400, pretrain_steps=0, seed=1)
    )
    prepare(policy, PolicyOptions(device="cpu", attention="shared"), 0)
    environment = environment_of(MemoryBackend.of(SHELF), ExpansionOptions(weight=2.0))
    return Sampler(policy, environment, PromptOptions(context=False), 12)


def taught(sampler: Sampler, processes: Processes) -> list[float | None]:
    """A policy that says a few things, learned in updates that the processes share."""
    optimizer = make_optimizer(sampler.policy, GrpoOptions())
    said = [sampler.policy.encode_completion(t) for t in ("sofa", "tall; floor", "none")]
    examples = [Example(p, said) for p in sampler.prompts(QUERIES[:3])]
    return [supervised_step(sampler.policy, optimizer, processes.share(examples), 1e-2) for _ in range(40)]


def weights(policy: Policy) -> torch.Tensor:
    return torch.cat([p.detach().reshape(-1).clone() for p in policy.model.parameters()])


def steps(processes: Processes, start: Path, shards: str = "none") -> dict[str, Any]:
    """Warm-up, then for each variant one step of plain gradient descent; all from the weights in `start`."""
    sampler = made()
    if shards == "fsdp":
        shard(sampler.policy, processes.count)
    found: dict[str, Any] = {"losses": taught(sampler, processes)}
    if not start.exists():
        torch.save(sampler.policy.model.state_dict(), start)
    for name, (count, _, given) in VARIANTS.items():
        sampler.policy.model.load_state_dict(torch.load(start, weights_only=True))
        before, learner = weights(sampler.policy), sampler.policy.learner or sampler.policy
        options = GrpoOptions.model_validate({"group_size": 6, "warmup_steps": 0, **given})
        step = grpo_step(
            sampler, torch.optim.SGD(learner.model.parameters(), lr=1.0), WIDE, QUERIES[:count], options,
            Schedule(given["learning_rate"], 10, 1), 0, reference=made().policy if "kl" in given else None,
            processes=processes,
        )  # fmt: skip
        answers = sampler.answer(WIDE, processes=processes)
        found[name] = {
            "metrics": {k: v for k, v in step.metrics.items() if k not in TIMES},
            "rollouts": repr([{k: v for k, v in row.items() if k != "advantage"} for row in step.rollouts]),
            "moved": weights(sampler.policy) - before,
            "answers": repr([(o.query.id, o.completion, o.code) for o in answers.outcomes]) + repr(answers.parts),
        }
    return found


def _worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    processes = Processes(rank, 2, dist.new_group(backend="gloo"))
    for shards in SHARDS:
        torch.save(steps(processes, Path(folder, "start.pt"), shards), f"{folder}/{rank}-{shards}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """What one process makes, and what each of two makes, with whole weights and in shards."""
    folder = tmp_path_factory.mktemp("processes")
    one = steps(ALONE, folder / "start.pt")
    mp.spawn(_worker, args=(str(folder),), nprocs=2)
    return one, {s: [torch.load(folder / f"{rank}-{s}.pt", weights_only=True) for rank in range(2)] for s in SHARDS}


@pytest.mark.parametrize("shards", SHARDS)
def test_supervised_updates_are_the_same(
    shards: str, both: tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]
) -> None:
    one, two = both[0], both[1][shards]
    for found in two:
        assert found["losses"] == pytest.approx(one["losses"], rel=1e-3)


@pytest.mark.parametrize("shards", SHARDS)
@pytest.mark.parametrize("name", VARIANTS)
def test_a_step_is_the_same(
    name: str, shards: str, both: tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]
) -> None:
    one, two = both[0][name], [found[name] for found in both[1][shards]]
    size = float(one["moved"].abs().max())
    assert size > 0
    for found in two:
        assert found["rollouts"] == one["rollouts"]
        assert found["answers"] == one["answers"]
        assert found["metrics"] == pytest.approx(one["metrics"], rel=1e-3, abs=1e-5, nan_ok=True)
        assert float((found["moved"] - one["moved"]).abs().max()) <= VARIANTS[name][1] * size
    assert torch.equal(two[0]["moved"], two[1]["moved"]), "replicas stay the same bit for bit"
