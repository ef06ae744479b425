"""Blocks of a job on Ray: each worker has an engine of its own, and this process alone writes the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from leser.cluster.connection import Cluster, open_ray
from leser.cluster.pool import Words, WorkerPool
from leser.offline.frequent import FrequentQuery
from leser.offline.job import BlockAnswerer, JobFacts, Row
from leser.printable import printable
from leser.progress import Reporter

Opener = Callable[[], AbstractContextManager[BlockAnswerer]]
"""Opens a job; it is pickled and called in each worker."""


def _block(queries: Sequence[FrequentQuery]) -> str:
    return f"the block of queries that begins with '{printable(queries[0].text, 60)}'"


WORDS = Words(
    work="the job",
    unlike="policy, rules, options, catalogue, judge or judgments differ between them.",
    resume="What is done is in the journal: go on with --resume.",
    block=_block,
)


@dataclass(frozen=True, slots=True)
class Answering:
    """A job as a worker's work."""

    job: BlockAnswerer

    @property
    def facts(self) -> JobFacts:
        """What decides the answers."""
        return self.job.facts

    def work(self, block: Sequence[FrequentQuery]) -> list[Row]:
        """The rows of a block."""
        return next(iter(self.job.answers([block])))


@contextmanager
def _opened(opener: Opener) -> Iterator[Answering]:
    with opener() as job:
        yield Answering(job)


class RayJob:
    """A job whose blocks are answered by workers of an open Ray (`open_ray`); a context manager that ends them."""

    def __init__(self, ray: Any, opener: Opener, cluster: Cluster) -> None:
        self._pool = WorkerPool(ray, partial(_opened, opener), cluster, WORDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    @property
    def deaths(self) -> int:
        """Workers that died."""
        return self._pool.deaths

    @property
    def facts(self) -> JobFacts:
        """What decides the answers, the same in each worker."""
        found: JobFacts = self._pool.facts
        return found

    def prepare(self, reporter: Reporter) -> None:
        """Nothing here: each worker does it with its first block."""

    def answers(self, blocks: Sequence[Sequence[FrequentQuery]]) -> Iterator[list[Row]]:
        """The rows of each block once, in the order in which they are done."""
        return (rows for _, rows in self._pool.work(blocks))


@contextmanager
def open_workers(opener: Opener, cluster: Cluster) -> Iterator[RayJob]:
    """A job on Ray; its workers end with it. Raises LeserError where Ray is missing or too small."""
    with open_ray(cluster) as ray, RayJob(ray, opener, cluster) as job:
        yield job
