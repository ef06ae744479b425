"""Lesson: what a reward may learn from before it judges, and how it is given to those that learn.

    class Mine(Reward):
        def learn(self, lesson): ...          # once, before anything is scored

A class that holds to these protocols comes as a plugin (leser_judges.learned); whoever uses one depends on this file alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from leser.backend import Document, Ranking
from leser.composition import leaves
from leser.errors import LeserError
from leser.task import Query, Split


@dataclass(frozen=True, slots=True)
class Lesson:
    """The train queries with their judgments, documents by id with the fields named, and what the engine finds by itself."""

    train: Split
    fetch: Callable[[Sequence[str], Sequence[str]], Mapping[str, Document]]
    originals: Callable[[Iterable[Query]], Mapping[str, Ranking]]
    seed: int = 0


@runtime_checkable
class LearnsFromTrain(Protocol):
    """A reward that knows nothing before it has learned from the train judgments."""

    @property
    def lesson(self) -> Lesson | None:
        """What it has learned from; None before."""

    def learn(self, lesson: Lesson) -> None:
        """Take the lesson; raises LeserError where it holds too little."""

    def met(self, query: Query) -> bool:
        """Whether the lesson held judgments of a query of this text: what it says of such a one is not an unseen opinion."""


@runtime_checkable
class SuggestsWords(Protocol):
    """A reward that can say which words of documents are worth most for a query."""

    def suggested(self, query: Query, count: int) -> list[str]:
        """At most so many words, best first."""


def teach(rewards: Iterable[object], lesson: Lesson | None) -> None:
    """Give the lesson to the rewards that learn; raises LeserError where there is none."""
    for reward in leaves(rewards):
        if isinstance(reward, LearnsFromTrain):
            if lesson is None:
                raise LeserError(
                    f"'{named(reward)}' learns from the train judgments of a task, and no task is given. Name one, or take "
                    "a reward that needs none, such as encoder@10."
                )
            reward.learn(lesson)


def lessons_of(rewards: Iterable[object]) -> list[tuple[str, str, list[tuple[str, int]]]]:
    """The texts and judgments that these rewards have learned from, as plain values; empty where none learns."""
    lessons = [r.lesson for r in leaves(rewards) if isinstance(r, LearnsFromTrain) and r.lesson is not None]
    return [(q.id, q.text, sorted(x.train.qrels.get(q.id, {}).items())) for x in lessons for q in x.train.queries]


def learned_from(rewards: Iterable[object], query: Query) -> bool:
    """Whether one of these rewards has learned from this query's own judgments."""
    return any(isinstance(reward, LearnsFromTrain) and reward.met(query) for reward in leaves(rewards))


def suggesting(rewards: Iterable[object]) -> SuggestsWords | None:
    """The first of these rewards that suggests words, or None."""
    return next((reward for reward in leaves(rewards) if isinstance(reward, SuggestsWords)), None)


def named(reward: object) -> str:
    """A reward's string, for messages."""
    return str(getattr(getattr(reward, "spec", None), "text", type(reward).__name__))
