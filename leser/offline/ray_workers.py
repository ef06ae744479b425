"""Blocks of a job on Ray: each worker is a process with its own engine, and this process alone writes the journal.

A worker has one block at a time. A block whose worker dies goes to a new worker, so that each block is answered once,
whatever is killed. Actors, not Ray Data: a block must reach the journal under its own name as soon as it is done, and no
table of the results is needed. Nothing is sent to Ray's makers, and a local Ray listens on loopback alone.
"""

from __future__ import annotations

import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, Self

from leser.errors import EngineDown, LeserError
from leser.offline.frequent import FrequentQuery
from leser.offline.job import BlockAnswerer, JobFacts, Row
from leser.offline.signal_handlers import crash_handlers_kept
from leser.printable import printable

Opener = Callable[[], AbstractContextManager[BlockAnswerer]]
"""Opens a job; it is pickled and called in each worker."""
DEATHS = 3
"""Workers that one block may cost: a block that kills each of them would go on killing."""
OBJECT_STORE_BYTES = 100 * 2**20
"""Of a local Ray: rows are small."""
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
class Cluster:
    """Where the workers run: how many, at which Ray cluster (None: a local one of this job), each with how many GPUs."""

    workers: int = 2
    address: str | None = None
    gpus: float = 0.0


@dataclass(frozen=True, slots=True)
class _Failed:
    """A LeserError of a worker, as it crosses processes."""

    message: str
    exit_code: int

    def raised(self) -> LeserError:
        return (EngineDown if self.exit_code == EngineDown.exit_code else LeserError)(self.message)


class Worker:
    """One process: opens the job once, then answers blocks. Faults that a user can mend come back as values."""

    def __init__(self, opener: Opener, folder: str) -> None:
        self._opener, self._folder, self._open = opener, folder, ExitStack()
        self._job: BlockAnswerer | None = None

    def facts(self) -> JobFacts | _Failed:
        """Open the job, and say what decides its answers."""
        if not Path(self._folder).is_dir():
            return _Failed(
                f"The folder {self._folder} is not there on a worker's machine. Share it with every machine of the "
                "cluster, or leave --ray-address out.",
                2,
            )
        os.chdir(self._folder)  # relative paths of options mean there what they mean here
        try:
            self._job = self._open.enter_context(self._opener())
            return self._job.facts
        except LeserError as error:
            return _Failed(str(error), error.exit_code)

    def block(self, queries: Sequence[FrequentQuery]) -> list[Row] | _Failed:
        """The rows of a block."""
        assert self._job is not None
        try:
            return next(iter(self._job.answers([queries])))
        except LeserError as error:
            return _Failed(str(error), error.exit_code)


class RayJob:
    """A job whose blocks are answered by workers of an open Ray (`open_ray`); a context manager that ends them.

    `deaths` counts workers that died.
    """

    def __init__(self, ray: Any, opener: Opener, cluster: Cluster) -> None:
        self._ray, self._opener = ray, opener
        # a process or a machine that is gone, and with it what it answered
        names = ("RayActorError", "WorkerCrashedError", "NodeDiedError", "OutOfMemoryError", "ObjectLostError")
        self._lost = tuple(getattr(ray.exceptions, name) for name in names)
        self._actor = ray.remote(num_cpus=1, num_gpus=cluster.gpus, max_restarts=0, max_task_retries=0)(Worker)
        self.deaths = 0
        self._facts: JobFacts | None = None
        self._workers: list[Any] = []
        try:
            for found in [self._start() for _ in range(cluster.workers)]:
                self._facts = self._checked(found)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            self._ray.kill(worker)
        self._workers = []

    @property
    def facts(self) -> JobFacts:
        """What decides the answers, the same in each worker."""
        assert self._facts is not None
        return self._facts

    def answers(self, blocks: Sequence[Sequence[FrequentQuery]]) -> Iterator[list[Row]]:
        """The rows of each block once, in the order in which they are done."""
        left = deque(enumerate(blocks))
        idle = [*self._workers]
        busy: dict[Any, tuple[Any, int, Sequence[FrequentQuery]]] = {}
        lost: Counter[int] = Counter()
        while left or busy:
            while left and idle:
                worker, (number, block) = idle.pop(), left.popleft()
                busy[worker.block.remote(block)] = (worker, number, block)
            (done,), _ = self._ray.wait([*busy], num_returns=1)
            worker, number, block = busy.pop(done)
            try:
                rows = self._ray.get(done)
            except self._lost as error:
                lost[number] += 1
                if lost[number] == DEATHS:
                    raise _deadly(block, error) from error
                left.appendleft((number, block))
                idle.append(self._replacement(worker))
                continue
            if isinstance(rows, _Failed):
                raise rows.raised()
            idle.append(worker)
            yield rows

    def _start(self) -> Any:
        """Start a worker, and have it open the job: what it will say of its facts."""
        self._workers.append(self._actor.remote(self._opener, str(Path.cwd())))
        return self._workers[-1].facts.remote()

    def _replacement(self, dead: Any) -> Any:
        self.deaths += 1
        self._workers.remove(dead)
        self._ray.kill(dead)  # one that only cannot be reached would keep its processor
        self._checked(self._start())
        return self._workers[-1]

    def _checked(self, saying: Any) -> JobFacts:
        """Facts that are those of the other workers; raises LeserError."""
        try:
            found: JobFacts | _Failed = self._ray.get(saying)
        except self._lost as error:
            raise LeserError(
                f"A worker died while it opened the job: {_first_line(error)} If memory ran out, take fewer --workers."
            ) from error
        if isinstance(found, _Failed):
            raise found.raised()
        if self._facts not in (None, found):
            raise LeserError(
                "Two workers would not answer alike: policy, rules, options, catalogue, judge or judgments differ between "
                "them. Give every machine of the cluster the same files, and leave them alone while the job runs."
            )
        return found


@contextmanager
def open_workers(opener: Opener, cluster: Cluster) -> Iterator[RayJob]:
    """A job on Ray; its workers end with it. Raises LeserError where Ray is missing or too small."""
    with open_ray(cluster) as ray, RayJob(ray, opener, cluster) as job:
        yield job


@contextmanager
def open_ray(cluster: Cluster) -> Iterator[Any]:
    """The package `ray`, connected: a local Ray is stopped in the end, a cluster is left. Raises LeserError."""
    with _variables(QUIET if cluster.address else QUIET | LOCAL), crash_handlers_kept():
        with (
            crash_handlers_kept()
        ):  # an engine's Java machine may run in this process; Ray takes its signals, and drops them in the end
            ray = _connected(cluster)
        try:
            check_size(ray.cluster_resources(), cluster)
            yield ray
        finally:
            ray.shutdown()


def _connected(cluster: Cluster) -> Any:
    try:
        import ray
    except ImportError as error:
        raise LeserError(
            "--engine ray needs the package ray, which is not installed. Install it with: pip install 'leser[ray]'."
        ) from error

    if ray.is_initialized():
        raise LeserError("Ray runs in this process already. Call ray.shutdown() first.")
    local = {"num_cpus": cluster.workers, "include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    more = {} if cluster.address else local
    try:
        ray.init(cluster.address or "local", log_to_driver=False, logging_level=logging.ERROR, **more)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise LeserError(f"Ray cannot be reached or started: {_first_line(error)} Correct --ray-address.") from error
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


def check_size(there: Mapping[str, float], cluster: Cluster) -> None:
    """Raise LeserError for more workers than Ray could ever start; `there` is what it has, by name."""
    for name, each in (("CPU", 1.0), ("GPU", cluster.gpus)):
        if each * cluster.workers > there.get(name, 0.0):
            raise LeserError(
                f"Ray has {there.get(name, 0.0):g} {name}s, and {cluster.workers} workers need "
                f"{each * cluster.workers:g}. Take fewer --workers."
            )


def _deadly(block: Sequence[FrequentQuery], error: Exception) -> LeserError:
    return LeserError(
        f"{DEATHS} workers died at the block of queries that begins with '{printable(block[0].text, 60)}': "
        f"{_first_line(error)} If memory ran out, take fewer --workers. What is done is in the journal: go on with --resume."
    )


def _first_line(error: Exception) -> str:
    """The first line of what Ray says, as a sentence."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return line if line.endswith(".") else f"{line}."
