"""verifiers, with a search engine as the teacher: a taskset whose reward is LESER's.

Put this file where Python finds it and name it as the taskset:

    PYTHONPATH=examples/trainers eval verifiers_env --model MODEL

LESER writes the prompts (query and what the engine found for it), searches with each answer and scores it. An engine that fails
ends the rollout with a TaskError: its failure is not a score. Written against verifiers 0.4.
"""

import asyncio
import math
from collections.abc import Iterator
from functools import cache

import verifiers.v1 as vf

from leser.bridge import Bridge, open_bridge

__all__ = ["LeserTaskset"]


@cache
def bridge(task: str, backend: str, rewards: tuple[str, ...]) -> Bridge:
    """The engine and the rewards, opened once per process."""
    return open_bridge(task=task, backend=backend, rewards=rewards)


class SearchTaskConfig(vf.TaskConfig):
    """Whose queries, which engine and which rewards."""

    search_task: str = "demo"
    backend: str = "memory"
    search_rewards: tuple[str, ...] = ("nDCG@10=0.7", "R@100=0.3")

    def open(self) -> Bridge:
        """The bridge that this describes."""
        return bridge(self.search_task, self.backend, self.search_rewards)


class LeserTasksetConfig(vf.TasksetConfig):
    """Options of the taskset."""

    task: SearchTaskConfig = SearchTaskConfig()


class ExpandQuery(vf.Task[vf.TaskData, vf.State, SearchTaskConfig]):
    """Expand one query; `id` of its data is the query's."""

    @vf.reward
    async def search_reward(self, trace: vf.Trace) -> float:
        """LESER's reward of the last reply; its parts are recorded as metrics."""
        scored = await asyncio.to_thread(self.config.open().scores, [self.data.id or ""], [trace.last_reply])
        ((total, parts),) = scored
        trace.record_metrics({name: value for name, value in parts.items() if not math.isnan(value)})
        return total


class LeserTaskset(vf.Taskset[ExpandQuery, LeserTasksetConfig]):
    """The train queries of a task."""

    def load(self) -> Iterator[ExpandQuery]:
        """One task per query; the engine is searched once for each."""
        for row in self.config.task.open().verifiers_rows():
            yield ExpandQuery(vf.TaskData(**row), self.config.task)
