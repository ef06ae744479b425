"""Blocks of work on an open Ray: each worker is a process that opens the work for itself, and has one block at a time.

A block whose worker dies goes to a new worker, so that each block is answered once, whatever is killed. Actors, not Ray
Data: a block's answer must be had under its own number as soon as it is done, and no table of the results is needed.
"""

from __future__ import annotations

import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from leser.cluster.connection import Cluster, first_line
from leser.errors import EngineDown, LeserError

log = logging.getLogger(__name__)
DEATHS = 3
"""Workers that one block may cost: a block that kills each of them would go on killing."""
PATIENCE = 60.0
"""Seconds after which it is said that a worker has not started yet."""


class Work(Protocol):
    """What a worker opens, and is then asked for block after block."""

    @property
    def facts(self) -> Any:
        """What decides the answers: equal in all workers."""

    def work(self, block: Any, *given: Any) -> Any:
        """The answer to a block; `given` is the same for all blocks of a call. Raises LeserError."""


Opener = Callable[[], AbstractContextManager[Work]]
"""Opens the work; it is pickled and called in each worker."""


@dataclass(frozen=True, slots=True)
class Words:
    """How the work is spoken of: what a worker opens, what a block is, why two workers are unlike, and how to go on."""

    work: str
    unlike: str
    resume: str
    block: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class _Failed:
    """A LeserError of a worker, as it crosses processes."""

    message: str
    exit_code: int

    def raised(self) -> LeserError:
        return (EngineDown if self.exit_code == EngineDown.exit_code else LeserError)(self.message)


class Worker:
    """One process: opens the work once, then answers blocks. Faults that a user can mend come back as values."""

    def __init__(self, opener: Opener, folder: str, address: str) -> None:
        self._opener, self._folder, self._address = opener, folder, address
        self._open = ExitStack()
        self._work: Work | None = None

    def facts(self) -> Any:
        """Open the work, and say what decides its answers."""
        if not Path(self._folder).is_dir():
            return _Failed(
                f"The folder {self._folder} is not there on a worker's machine. Share it with every machine of the "
                f"cluster, or leave {self._address} out.",
                2,
            )
        os.chdir(self._folder)  # relative paths of options mean there what they mean here
        try:
            self._work = self._open.enter_context(self._opener())
            return self._work.facts
        except LeserError as error:
            return _Failed(str(error), error.exit_code)

    def work(self, block: Any, *given: Any) -> Any:
        """The answer to a block."""
        assert self._work is not None
        try:
            return self._work.work(block, *given)
        except LeserError as error:
            return _Failed(str(error), error.exit_code)


def in_order(answers: Iterable[tuple[int, Any]]) -> Iterator[Any]:
    """The answers to blocks in the blocks' order; those that are early are held."""
    held: dict[int, Any] = {}
    given = 0
    for number, answer in answers:
        held[number] = answer
        while given in held:
            yield held.pop(given)
            given += 1


class WorkerPool:
    """Workers of an open Ray (`open_ray`); a context manager that ends them. `deaths` counts those that died."""

    def __init__(self, ray: Any, opener: Opener, cluster: Cluster, words: Words) -> None:
        self._ray, self._opener, self._cluster, self._words = ray, opener, cluster, words
        # a process or a machine that is gone, and with it what it answered
        names = ("RayActorError", "WorkerCrashedError", "NodeDiedError", "OutOfMemoryError", "ObjectLostError")
        self._lost = tuple(getattr(ray.exceptions, name) for name in names)
        resources = {"num_cpus": cluster.cpus, "num_gpus": cluster.gpus}
        self._actor = ray.remote(max_restarts=0, max_task_retries=0, **resources)(Worker)
        self.deaths = 0
        self._facts: Any = None
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
    def facts(self) -> Any:
        """What decides the answers, the same in each worker."""
        return self._facts

    def work(self, blocks: Sequence[Any], *given: Any) -> Iterator[tuple[int, Any]]:
        """Each block's number and answer once, in the order in which they are done. Raises LeserError."""
        left = deque(enumerate(blocks))
        idle = [*self._workers]
        busy: dict[Any, tuple[Any, int, Any]] = {}
        lost: Counter[int] = Counter()
        while left or busy:
            while left and idle:
                worker, (number, block) = idle.pop(), left.popleft()
                busy[worker.work.remote(block, *given)] = (worker, number, block)
            (done,), _ = self._ray.wait([*busy], num_returns=1)
            worker, number, block = busy.pop(done)
            try:
                answer = self._ray.get(done)
            except self._lost as error:
                lost[number] += 1
                if lost[number] == DEATHS:
                    raise self._deadly(block, error) from error
                left.appendleft((number, block))
                log.warning(
                    "A worker of Ray died (%s) at %s: a new one does that again.",
                    first_line(error).rstrip("."), self._words.block(block),
                )  # fmt: skip
                idle.append(self._replacement(worker))
                continue
            if isinstance(answer, _Failed):
                raise answer.raised()
            idle.append(worker)
            yield number, answer

    def _start(self) -> Any:
        """Start a worker, and have it open the work: what it will say of its facts."""
        self._workers.append(self._actor.remote(self._opener, str(Path.cwd()), self._cluster.said.address))
        return self._workers[-1].facts.remote()

    def _replacement(self, dead: Any) -> Any:
        self.deaths += 1
        self._workers.remove(dead)
        self._ray.kill(dead)  # one that only cannot be reached would keep its processor
        self._checked(self._start())
        return self._workers[-1]

    def _checked(self, saying: Any) -> Any:
        """Facts that are those of the other workers; raises LeserError."""
        try:
            if not self._ray.wait([saying], timeout=PATIENCE)[0]:
                log.warning("Waiting for a worker to start: other jobs of this Ray may hold its processors or GPUs.")
            found = self._ray.get(saying)
        except self._lost as error:
            raise LeserError(
                f"A worker died while it opened {self._words.work}: {first_line(error)} If memory ran out, take fewer "
                f"{self._cluster.said.workers}."
            ) from error
        if isinstance(found, _Failed):
            raise found.raised()
        if self._facts not in (None, found):
            raise LeserError(
                f"Two workers would not answer alike: {self._words.unlike} Give every machine of the cluster the same files, "
                "and leave them alone while the job runs."
            )
        return found

    def _deadly(self, block: Any, error: Exception) -> LeserError:
        return LeserError(
            f"{DEATHS} workers died at {self._words.block(block)}: {first_line(error)} If memory ran out, take fewer "
            f"{self._cluster.said.workers}. {self._words.resume}"
        )
