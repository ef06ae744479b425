"""The rollout engine while GRPO learns: opened, closed, and its folder cleared away."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from leser.processes import Processes
from leser.rollout import RolloutPlace

if TYPE_CHECKING:
    from leser.sampler import Sampler


@contextmanager
def rollouts_open(sampler: Sampler, run: Path, processes: Processes) -> Iterator[None]:
    """Meanwhile the rollout engine is open; what it writes lies in rollout-engine/ of the run folder, and goes with it.

    What a killed run left there goes before.
    """
    engine, place = sampler.rollouts, RolloutPlace(run / "rollout-engine", processes.rank, processes.count)
    processes.first(lambda: shutil.rmtree(place.folder, ignore_errors=True))
    whole = False
    try:
        engine.open(sampler.policy, place)
        yield
        whole = True
    finally:
        engine.close()
        if whole:
            processes.gather(None)  # all have let go of it
        if processes.main:
            shutil.rmtree(place.folder, ignore_errors=True)
