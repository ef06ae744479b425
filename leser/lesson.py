"""Lesson: what a reward may learn from before it judges, and how it is given to those that learn.

    class Mine(Reward):
        def learn(self, lesson): ...          # once, before anything is scored
        def prepare(self, tell): ...          # if that takes long: before the first score, with progress

A class that holds to these protocols comes as a plugin (leser_judges.learned); whoever uses one depends on this file alone.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from leser.backend import Document, Ranking
from leser.composition import leaves
from leser.errors import LeserError
from leser.progress import Reporter
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
class Prepares(Protocol):
    """A reward with work to do before its first score, such as searches that it learns from."""

    @property
    def prepared(self) -> bool:
        """Whether that is done."""

    def prepare(self, tell: Callable[[int, int], None]) -> None:
        """Do it; `tell` is called with the searches done so far and their number."""


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


def prepare(rewards: Iterable[object], reporter: Reporter) -> None:
    """Have these rewards do what they must before their first score, with a line of progress and one of the time it took."""
    for reward in leaves(rewards):
        if isinstance(reward, Prepares) and not reward.prepared:
            begun, shown = time.monotonic(), _Shown(reporter, f"{named(reward)} learns, searches")
            reward.prepare(shown)
            reporter.say(f"{named(reward)} has learned ({shown.total} searches, {time.monotonic() - begun:.1f} s).")


class _Shown:
    """Progress as a reporter shows it: a phase that begins with the first news."""

    def __init__(self, reporter: Reporter, name: str) -> None:
        self._reporter, self._name, self.total = reporter, name, 0

    def __call__(self, done: int, total: int) -> None:
        if not self.total:
            self._reporter.phase(self._name, total, done)
        self.total = total
        self._reporter.step(done, {})


def lessons_of(rewards: Iterable[object]) -> list[Split]:
    """The train splits that these rewards have learned from."""
    learners = (reward for reward in leaves(rewards) if isinstance(reward, LearnsFromTrain))
    return [reward.lesson.train for reward in learners if reward.lesson is not None]


def digest_of(lessons: Iterable[Split]) -> str | None:
    """A digest of these splits' texts and judgments, which changes with any of them; None where there is no query."""
    taught = [(q.id, q.text, sorted(x.qrels.get(q.id, {}).items())) for x in lessons for q in x.queries]
    if not taught:
        return None
    return hashlib.blake2b(repr(taught).encode("utf-8", "backslashreplace"), digest_size=12).hexdigest()


def learned_from(rewards: Iterable[object], query: Query) -> bool:
    """Whether one of these rewards has learned from this query's own judgments."""
    return any(isinstance(reward, LearnsFromTrain) and reward.met(query) for reward in leaves(rewards))


def suggesting(rewards: Iterable[object]) -> SuggestsWords | None:
    """The first of these rewards that suggests words, or None."""
    return next((reward for reward in leaves(rewards) if isinstance(reward, SuggestsWords)), None)


def named(reward: object) -> str:
    """A reward's string, for messages."""
    return str(getattr(getattr(reward, "spec", None), "text", type(reward).__name__))
