"""Weights from the trainer's GPU to a vLLM server's, by vLLM's own transfer engine (NCCL broadcast)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from leser.rollout import TrainedPolicy
from leser.rollouts.vllm_wire import VllmWire

if TYPE_CHECKING:
    import torch


class SyncRoutes:
    """The control side of vLLM's VLLMWeightSyncClient over a server's routes: with this run's key and its patience."""

    def __init__(self, wire: VllmWire) -> None:
        self._wire = wire

    def init_weight_transfer_engine(self, init_info: dict[str, Any]) -> None:
        """Let the server's workers join the group."""
        self._wire.post("/init_weight_transfer_engine", {"init_info": init_info})

    def start_weight_update(self) -> None:
        """Let the workers get ready."""
        self._wire.post("/start_weight_update")

    def update_weights(self, update_info: Any) -> None:
        """Let the workers receive; returns when they have."""
        self._wire.post("/update_weights", {"update_info": update_info})

    def finish_weight_update(self, weight_version: str | None = None) -> None:
        """Let the workers put the weights in place."""
        self._wire.post("/finish_weight_update", None if weight_version is None else {"weight_version": weight_version})


class WeightSender:
    """Sends a policy's weights to a server; opened once, it meets the server's workers at an address of this machine."""

    def __init__(self, wire: VllmWire, policy: TrainedPolicy, address: str, port: int) -> None:
        from vllm.distributed.weight_transfer import WeightTransferTrainerFactory
        from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo

        workers = int(wire.get("/get_world_size")["world_size"])
        self._engine: Any = WeightTransferTrainerFactory.trainer_init(
            init_info=NCCLTrainerInitInfo(master_address=address, master_port=port, world_size=1 + workers, rank=0),
            client=SyncRoutes(wire),
            source=_source_of(policy),
        )

    def send(self) -> None:
        """Send the weights as they are now."""
        self._engine.send_weights()

    def close(self) -> None:
        """Leave the group."""
        self._engine.shutdown()


def _source_of(policy: TrainedPolicy) -> Any:
    """The policy as vLLM's WeightSource: adapters merged, in what the trainer computes in."""
    import torch
    from vllm.distributed.weight_transfer import ParamMeta, WeightSource

    wire = torch.bfloat16 if policy.precision == "bf16" else torch.float32

    class PolicySource(WeightSource):  # type: ignore[misc,unused-ignore]
        @cached_property
        def metadata(self) -> list[Any]:
            return [ParamMeta(name=name, dtype=wire, shape=tuple(weight.shape)) for name, weight in policy.weights()]

        def iter_full(self) -> Iterator[tuple[str, torch.Tensor]]:
            for name, weight in policy.weights():
                yield name, weight.to(wire)

    return PolicySource()
