"""A fake engine that answers with the faults a test names: a real one does not fail on demand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from leser.backend import Backend, BackendOptions, Document, ExpandedQuery, Hit, Ranking, SearchError

Answers = list[Ranking | SearchError]


class Faulty(Backend):
    """An engine that answers as a test tells it to."""

    name = "faulty"
    capabilities: ClassVar = frozenset({"term_weights", "fields", "phrases", "filters"})

    def __init__(self, answer: Callable[[Sequence[ExpandedQuery], int], Answers]) -> None:
        super().__init__(BackendOptions())
        self._answer = answer
        self.calls: list[list[ExpandedQuery]] = []

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> Answers:
        self.calls.append(list(queries))
        return self._answer(queries, len(self.calls))

    def fetch(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
        raise ConnectionError("connection refused")


def found(*ids: str) -> Ranking:
    return Ranking(tuple(Hit(id, 1.0 / place) for place, id in enumerate(ids, 1)))


def queries(*texts: str) -> list[ExpandedQuery]:
    return [ExpandedQuery(str(n), text) for n, text in enumerate(texts)]
