"""Checkpoints in shards: every process writes its own weights and moments, and any number of processes reads them.

torch.distributed.checkpoint in the format of safetensors: a shard's file says which part of which tensor it holds. Nothing is
pickled. The folder is put in place, and digests are taken, by the main process once all have written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from leser.errors import LeserError
from leser.files import write_folder
from leser.policy.sharding import give_back
from leser.processes import Processes, together
from leser.store.checkpoint import STATE, digests_of

if TYPE_CHECKING:
    from leser.policy.policy import Policy

SHARDS = "shard-*.safetensors"


def in_shards(checkpoint: Path) -> bool:
    """Whether a checkpoint was written in shards."""
    return any(checkpoint.glob(SHARDS))


def save_shards(
    folder: Path,
    name: str,
    state: dict[str, Any],
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    processes: Processes,
) -> None:
    """Write checkpoints/NAME, atomically; every process must call it, the main one's `state` counts."""

    def write(part: Path) -> None:
        from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
        from torch.distributed.checkpoint.state_dict_saver import save

        with together():
            save(_tensors(policy, optimizer), storage_writer=HuggingFaceStorageWriter(str(part), save_distributed=True))

    def fill(part: Path) -> None:
        processes.same(str(part))
        write(part)
        content = {"state": state, "digests": digests_of(part)}
        (part / STATE).write_text(json.dumps(content, indent=1), encoding="utf-8")

    if processes.main:
        write_folder(folder / name, fill)
    else:
        write(Path(processes.same("")))
    processes.gather(None)  # nobody goes on before the folder is in place


def load_shards(checkpoint: Path, policy: Policy, optimizer: torch.optim.Optimizer) -> None:
    """Put weights and moments in place, into this process's shards or whole; of several processes every one must call it.

    Raises LeserError for shards of another policy.
    """
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
    from torch.distributed.checkpoint.state_dict_loader import load

    try:
        load(_tensors(policy, optimizer), storage_reader=HuggingFaceStorageReader(str(checkpoint)))
    except (CheckpointException, RuntimeError, ValueError) as error:
        raise LeserError(
            f"The checkpoint {checkpoint} does not hold this policy's weights: another version of LESER or another policy wrote "
            "it. Resume with that version, or start a new run with another --out."
        ) from error
    if policy.learner is not None:
        give_back(policy)


def spread_moments(optimizer: torch.optim.Optimizer, stored: dict[str, torch.Tensor]) -> None:
    """Whole moments, as a checkpoint without shards names them, into an optimizer over shards."""
    from torch.distributed.tensor import distribute_tensor

    held = _moments(optimizer)
    for name, tensor in stored.items():
        own: Any = held[name]
        if not hasattr(own, "placements"):
            own.copy_(tensor.reshape(own.shape))
            continue
        part = distribute_tensor(tensor.to(own.device), own.device_mesh, own.placements, src_data_rank=None)
        own.to_local().copy_(part.to_local())


def _tensors(policy: Policy, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Trained weights and moments by name: to be written, or to be read into. Frozen weights never change."""
    model = (policy.learner or policy).model
    weights = {f"model.{name}": weight.detach() for name, weight in model.named_parameters() if weight.requires_grad}
    return weights | {f"optimizer.{name}": tensor for name, tensor in _moments(optimizer).items()}


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """AdamW's state as flat names, weight's number first; it is made where no step has been taken yet."""
    found: dict[str, Any] = {}
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    for number, weight in enumerate(trained):
        state = optimizer.state[weight]
        if not state:
            state["step"] = torch.zeros((), device=weight.device if optimizer.defaults.get("fused") else "cpu")
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
        found[f"{number}.step"] = state["step"].view(1)  # files have no tensors without a dimension
        found |= {f"{number}.{name}": state[name].detach() for name in ("exp_avg", "exp_avg_sq")}
    return found
