"""A connection to Ray: a local one of this process's own, a cluster, or one that is there already.

Nothing is sent to Ray's makers, and a local Ray listens on loopback alone.
"""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from leser.cluster.signal_handlers import crash_handlers_kept, termination_kept
from leser.errors import LeserError

OBJECT_STORE_BYTES = 100 * 2**20
"""Of a local Ray, where nothing large is kept."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # workers without a GPU of their own see what this process sees
}
LOCAL = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # despite its name: every socket of the node on loopback
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": token_hex(16),  # one per process: Ray reads it once, and would write one into the home folder
}
"""Variables of Ray; what a user has set holds."""


@dataclass(frozen=True, slots=True)
class Said:
    """How a user names what can be mended: the options of a command, or of a configuration."""

    ray: str = "--engine ray"
    workers: str = "--workers"
    address: str = "--ray-address"
    gpus: str = "--gpus"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the workers run: how many, at which Ray cluster (None: a local one of this job), each with how many GPUs and CPUs.

    With `join`, a Ray that this process is connected to already is used and left open; the address of another one is refused.
    `store_bytes` is how much a local Ray holds for all of them.
    """

    workers: int = 2
    address: str | None = None
    gpus: float = 0.0
    cpus: float = 1.0
    join: bool = False
    store_bytes: int = OBJECT_STORE_BYTES
    said: Said = field(default_factory=Said)


@contextmanager
def open_ray(cluster: Cluster) -> Iterator[Any]:
    """The package `ray`, connected: a local Ray is stopped in the end, a cluster is left. Raises LeserError."""
    running = sys.modules.get("ray")
    if running is not None and running.is_initialized():
        if not cluster.join:
            raise LeserError("Ray runs in this process already. Call ray.shutdown() first.")
        check_joined(running.get_runtime_context().gcs_address, cluster)
        check_size(running.cluster_resources(), cluster)
        yield running
        return
    with _variables(QUIET if cluster.address else QUIET | LOCAL), crash_handlers_kept():
        # an engine's Java machine may run in this process; Ray takes its signals, and drops them in the end
        with crash_handlers_kept(), termination_kept():
            ray = _connected(cluster)
        try:
            check_size(ray.cluster_resources(), cluster)
            yield ray
        finally:
            with termination_kept():
                ray.shutdown()


def _connected(cluster: Cluster) -> Any:
    try:
        import ray  # only now: it reads its variables as it is imported
    except ImportError as error:
        raise LeserError(
            f"{cluster.said.ray} needs the package ray, which is not installed. Install it with: pip install 'leser[ray]'."
        ) from error
    local = {
        "num_cpus": math.ceil(cluster.workers * cluster.cpus),
        "include_dashboard": False,
        "object_store_memory": cluster.store_bytes,
    }
    more = {} if cluster.address else local
    try:
        ray.init(cluster.address or "local", log_to_driver=False, logging_level=logging.ERROR, **more)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise LeserError(
            f"Ray cannot be reached or started: {first_line(error)} Correct {cluster.said.address}."
        ) from error
    return ray


@contextmanager
def _variables(wanted: Mapping[str, str]) -> Iterator[None]:
    """Environment variables that are not set already, for a while."""
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def check_joined(connected: str, cluster: Cluster) -> None:
    """Raise LeserError where the address names another Ray than the one at `connected`, which this process has joined."""
    if cluster.address not in (None, "auto", connected):
        raise LeserError(
            f"{cluster.said.address} {cluster.address} cannot be used: this process is connected to the Ray at {connected} "
            f"already. Leave {cluster.said.address} out to use that one, or call ray.shutdown() first."
        )


def check_size(there: Mapping[str, float], cluster: Cluster) -> None:
    """Raise LeserError for more workers than Ray could ever start; `there` is what it has, by name."""
    if cluster.gpus > 1 and cluster.gpus % 1:
        raise LeserError(
            f"{cluster.said.gpus} of {cluster.gpus:g} is not valid: above 1 Ray gives whole GPUs alone. Write "
            f"{math.floor(cluster.gpus)} or {math.ceil(cluster.gpus)}."
        )
    for name, each in (("CPU", cluster.cpus), ("GPU", cluster.gpus)):
        if each * cluster.workers > there.get(name, 0.0):
            raise LeserError(
                f"Ray has {there.get(name, 0.0):g} {name}s, and {cluster.workers} workers need "
                f"{each * cluster.workers:g}. Take fewer {cluster.said.workers}."
            )
    if 0 < cluster.gpus < 1:
        # Ray counts in ten-thousandths, and a share lies on one GPU: what is left over on two is no third share
        fitting = int(there["GPU"]) * (10_000 // round(cluster.gpus * 10_000))
        if cluster.workers > fitting:
            raise LeserError(
                f"Ray has {there['GPU']:g} GPUs, on which {fitting} workers with {cluster.gpus:g} of one fit. Take fewer "
                f"{cluster.said.workers} or a smaller {cluster.said.gpus}."
            )


def first_line(error: Exception) -> str:
    """The first line of what Ray says, as a sentence."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return line if line.endswith(".") else f"{line}."
