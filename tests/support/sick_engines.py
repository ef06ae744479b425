"""Engines with one fault each, as a plugin: what the doctor must find. All of them are the memory backend otherwise."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from leser_memory import MemoryBackend

from leser.backend import Backend, ExpandedQuery, Hit, Ranking, SearchError
from leser.errors import EngineDown
from leser.hooks import hookimpl

Answers = list[Ranking | SearchError]


class Parsing(MemoryBackend):
    """Reads queries as syntax: a star finds everything."""

    name = "parsing"

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> Answers:
        texts = [query.text + " ".join(term.text for term in query.terms) for query in queries]
        everything = Ranking(tuple(Hit(id, 1.0) for id in self._open()[0].ids[:k]))
        answers = super().search(queries, k, total=total)
        return [everything if "*:*" in text else answer for text, answer in zip(texts, answers, strict=True)]


class Unweighted(MemoryBackend):
    """Sorts by id, whatever the score."""

    name = "unweighted"

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> Answers:
        plain = [replace(query, terms=()) if query.text != "zzqxjv" else query for query in queries]
        return super().search(plain, k, total=total)


class Fickle(MemoryBackend):
    """Answers in another order each time."""

    name = "fickle"

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> Answers:
        shuffled: Answers = []
        for answer in super().search(queries, k, total=total):
            assert isinstance(answer, Ranking)
            ids = random.sample(answer.ids, len(answer.ids))
            shuffled.append(Ranking(tuple(Hit(id, hit.score) for id, hit in zip(ids, answer.hits, strict=True))))
        return shuffled


class Drifting(MemoryBackend):
    """Keeps the order, but not the scores."""

    name = "drifting"

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> Answers:
        factor = random.uniform(1, 1.00001)
        answers = super().search(queries, k, total=total)
        return [
            replace(a, hits=tuple(Hit(h.id, h.score * factor) for h in a.hits)) if isinstance(a, Ranking) else a
            for a in answers
        ]


class Stubborn(MemoryBackend):
    """Keeps to the original's matches although the option says widen."""

    name = "stubborn"

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> Answers:
        nothing = Ranking(())
        answers = super().search(queries, k, total=total)
        return [nothing if q.text == "zzqxjv" else answer for q, answer in zip(queries, answers, strict=True)]


class Plain(MemoryBackend):
    """Has no term weights, and something to say about how it is set up."""

    name = "plain"
    capabilities: ClassVar = frozenset()

    def check(self) -> dict[str, Any]:
        return {**super().check(), "warnings": ["The template sorts by price."]}


class Empty(MemoryBackend):
    """Holds nothing."""

    name = "empty"

    def load(self, documents: Any) -> None:
        super().load(())


class Down(MemoryBackend):
    """Does not answer."""

    name = "down"

    def check(self) -> dict[str, Any]:
        raise EngineDown("No answer from the engine. Start it.")


class Busy(MemoryBackend):
    """Connects, but answers no search in time."""

    name = "busy"

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> Answers:
        return [SearchError("timed out", "transient")] * len(queries)


class Overfed(MemoryBackend):
    """Answers few queries at a time, and no large batch."""

    name = "overfed"

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> Answers:
        if len(queries) > 100:
            return [SearchError("request too large", "engine")] * len(queries)
        return super().search(queries, k, total=total)


class Throttled(MemoryBackend):
    """Finds a document by the word "to", but is never in time for that word alone."""

    name = "throttled"

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> Answers:
        answers = super().search(queries, k, total=total)
        one = Ranking((Hit("d01", 1.0),))
        late = SearchError("429", "transient")
        return [
            late if q.text == "TO" else one if q.text == "[* TO *]" else answer
            for q, answer in zip(queries, answers, strict=True)
        ]


@hookimpl
def leser_backends() -> list[type[Backend]]:
    """All of them."""
    return [Parsing, Unweighted, Fickle, Drifting, Stubborn, Plain, Empty, Down, Busy, Overfed, Throttled]
