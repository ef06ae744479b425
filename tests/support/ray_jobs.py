"""Jobs for the workers of a Ray, opened in the workers themselves: one that is killed, ones that fail."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from leser.errors import EngineDown, LeserError
from leser.inspect.precomputing import Source, open_job
from leser.offline.frequent import FrequentQuery
from leser.offline.job import BlockAnswerer, JobFacts
from leser.progress import Reporter

SIZE = 16
"""Queries of a block."""


def source_of(shop: Path) -> Source:
    """Verified search on the memory engine, judged by the shop's labels."""
    flags = {"task.name": str(shop), "backend.name": "memory", "rewards.weights": ("nDCG@10",)}
    return Source(flags=flags, assignments=(f"precompute.queries_at_once={SIZE}",))


Before = Callable[[Path, Sequence[FrequentQuery]], None]
"""Called after a block was worked on, and before its rows leave the worker."""


@dataclass
class Noted:
    """The job, which notes every block that it works on: its process and its first query."""

    job: BlockAnswerer
    folder: Path
    before: Before | None

    @property
    def facts(self) -> JobFacts:
        return self.job.facts

    def prepare(self, reporter: Reporter) -> None:
        self.job.prepare(reporter)

    def answers(self, blocks: Sequence[Sequence[FrequentQuery]]) -> Iterator[Any]:
        for block in blocks:
            rows = next(iter(self.job.answers([block])))
            with (self.folder / "noted").open("a") as file:
                file.write(f"{os.getpid()} {block[0].text}\n")
            if self.before is not None:
                self.before(self.folder, block)
            yield rows


@contextmanager
def _opened(shop: Path, folder: Path, before: Before | None) -> Iterator[Noted]:
    with open_job(source_of(shop), "search", "train+dev") as job:
        yield Noted(job, folder, before)


def noting(shop: Path, folder: Path, before: Before | None = None) -> Any:
    """What workers open."""
    return partial(_opened, shop, folder, before)


def die_once(folder: Path, block: Sequence[FrequentQuery]) -> None:
    """The worker that is third to end a block is killed before it can say so."""
    if len((folder / "noted").read_text().splitlines()) >= 3 and not (folder / "killed").exists():
        (folder / "killed").write_text(block[0].text)
        os.kill(os.getpid(), signal.SIGKILL)


def die_always(folder: Path, block: Sequence[FrequentQuery]) -> None:
    """Whoever works on a block is killed."""
    os.kill(os.getpid(), signal.SIGKILL)


def no_engine(folder: Path, block: Sequence[FrequentQuery]) -> None:
    """The engine stops answering."""
    raise EngineDown("The engine does not answer. Start it.")


@contextmanager
def _not_openable() -> Iterator[Noted]:
    raise LeserError("There is no index at nowhere. Build it.")
    yield  # type: ignore[unreachable]


def not_openable() -> Any:
    return _not_openable


@contextmanager
def _unlike(shop: Path, folder: Path) -> Iterator[Any]:
    with open_job(source_of(shop), "search", "train+dev") as job:
        yield replace(job, judged={"red sofa": str(os.getpid())})


def unlike(shop: Path, folder: Path) -> Any:
    """Each worker reads other judgments."""
    return partial(_unlike, shop, folder)
