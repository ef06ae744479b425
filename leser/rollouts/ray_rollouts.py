"""Workers of a Ray: each holds a copy of the policy and samples whole groups with LESER's own decoding.

Weights are put once into Ray's object store before a batch, as arrays; every machine fetches them once. Noise belongs to
(seed, step, query, completion), so whoever samples a group draws the same tokens, also when its first worker was killed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from typing import Any

from pydantic import Field

from leser.cluster.connection import OBJECT_STORE_BYTES, Cluster, Said, open_ray
from leser.cluster.pool import Words, WorkerPool
from leser.errors import LeserError
from leser.rollout import (
    RolloutEngine,
    RolloutOptions,
    RolloutPlace,
    Sample,
    SamplingRequest,
    TokenPrompt,
    TrainedPolicy,
)
from leser.rollouts.copied import Asked, Outline, arrays_of, opened

KEPT_AT_ONCE = 3
"""Copies of the weights that a local Ray has room for: the last ones, those that workers still read, and one that comes."""


def _block(asked: Asked) -> str:
    return f"{len(asked.prompts)} groups, of the queries from '{asked.prompts[0].id}' to '{asked.prompts[-1].id}'"


WORDS = Words(
    work="its copy of the policy",
    unlike="they hold copies of different policies.",
    resume="Checkpoints are whole: go on with --resume.",
    block=_block,
)
SAID = Said(ray="rollout.name=ray", workers="rollout.workers", address="rollout.address", gpus="rollout.gpus")


class RayRollouts(RolloutEngine):
    """Workers of a Ray (leser[ray]), on one machine or many, each with a copy of the policy and LESER's own decoding."""

    name = "ray"

    class Options(RolloutOptions):
        """Options of the workers."""

        workers: int = Field(2, ge=1, description="processes that sample, each with a copy of the policy")
        address: str | None = Field(None, description="a running Ray cluster; none: one of this run, on this machine")
        gpus: float = Field(0.0, ge=0, description="GPUs of each worker, such as 1 or 0.5; 0: it samples on processors")
        cpus: float = Field(1.0, gt=0, description="processors of each worker, as Ray counts them")

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self._open = ExitStack()
        self._ray: Any = None
        self._pool: WorkerPool | None = None
        self._weights: Any = None
        self._version = 0

    def check(self) -> str:
        """How many workers sample, and where; raises LeserError where Ray is not installed."""
        if find_spec("ray") is None:
            raise LeserError(
                "rollout.name=ray needs the package ray, which is not installed. Install it with: pip install 'leser[ray]'."
            )
        return f"{self.options.workers} workers of the Ray {self.options.address or 'on this machine'}"

    def open(self, policy: TrainedPolicy, place: RolloutPlace) -> None:  # noqa: ARG002 - nothing is written
        """Connect, or start a Ray, and start the workers. Raises LeserError."""
        options = self.options
        size = sum(weight.numel() for _, weight in policy.weights()) * 4
        cluster = Cluster(
            options.workers, options.address, options.gpus, options.cpus, join=True, said=SAID,
            store_bytes=OBJECT_STORE_BYTES + KEPT_AT_ONCE * size,
        )  # fmt: skip
        outline = Outline.of(policy, "cuda" if options.gpus else "cpu")
        self._open = ExitStack()
        try:
            self._ray = self._open.enter_context(open_ray(cluster))
            self._pool = self._open.enter_context(WorkerPool(self._ray, partial(opened, outline), cluster, WORDS))
        except BaseException:
            self.close()
            raise

    def sync_weights(self, policy: TrainedPolicy, step: int) -> None:  # noqa: ARG002 - versions are counted
        """Put the weights where every worker reads them; each takes them over before it samples next."""
        self._opened()
        self._weights = None  # those before go once nobody reads them
        self._weights = self._ray.put(arrays_of(policy))
        self._version += 1

    def sample(self, prompts: Sequence[TokenPrompt], request: SamplingRequest) -> list[list[Sample]]:
        """An equal share of the groups for each worker; those of a worker that dies are sampled again."""
        pool = self._opened()
        if self._weights is None:
            raise LeserError(f"The rollout engine '{self.name}' has no weights. Call sync_weights() before sample().")
        shares = [prompts[first :: self.options.workers] for first in range(self.options.workers)]
        blocks = [Asked(share, request) for share in shares if share]
        found: list[list[Sample]] = [[] for _ in prompts]
        for number, groups in pool.work(blocks, self._version, self._weights):
            found[number :: self.options.workers] = groups
        return found

    @property
    def deaths(self) -> int:
        """Workers that died while it was open."""
        return self._opened().deaths

    def close(self) -> None:
        """End the workers, and a Ray that was started for them."""
        self._pool = self._weights = self._ray = None
        self._open.close()

    def _opened(self) -> WorkerPool:
        if self._pool is None:
            raise LeserError(f"The rollout engine '{self.name}' is not open. Call open() before it is used.")
        return self._pool
