"""Task: queries, their judgments, and the documents they were judged on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Self

import numpy as np

from leser.backend import Document
from leser.characters import well_formed


@dataclass(frozen=True, slots=True)
class Query:
    """A query as its user typed it.

    `subtopics` are the information needs behind it, for coverage: each maps document ids that serve it (a vague query has
    several). `kind` groups queries in reports ("vague", "brand", ...). Lone surrogates become U+FFFD.
    """

    id: str
    text: str
    kind: str | None = None
    subtopics: Mapping[str, frozenset[str]] = field(default_factory=dict, compare=False, hash=False)

    @property
    def needs(self) -> NoReturn:
        """The former name of `subtopics`; raises AttributeError that says so."""
        raise AttributeError("Query.needs has a new name. Write Query.subtopics.")

    def __new__(cls, *_: Any, **named: Any) -> Self:
        if "needs" in named:
            raise TypeError("Query(needs=...) has a new name. Write Query(subtopics=...).")
        return object.__new__(cls)

    def __post_init__(self) -> None:
        for name in ("id", "text", "kind", "subtopics"):
            object.__setattr__(self, name, well_formed(getattr(self, name)))


def drawn(queries: Sequence[Query], count: int, seed: int) -> list[Query]:
    """`count` of the queries by chance, in their own order; all of them where there are no more.

    The first of a file would be one sort of queries where the file is sorted by kind or topic.
    """
    if len(queries) <= count:
        return list(queries)
    order = np.random.Generator(np.random.Philox(key=seed)).permutation(len(queries))[:count]
    return [queries[i] for i in sorted(order)]


Qrels = Mapping[str, Mapping[str, int]]
"""Judgments: query id to document id to grade."""


def has_relevant(qrels: Qrels, query: Query) -> bool:
    """Whether a document was judged relevant to the query: a grade above 0."""
    return any(grade > 0 for grade in qrels.get(query.id, {}).values())


@dataclass(frozen=True, slots=True)
class Split:
    """One part of a task: queries that have a relevant document, their judgments, and apart from them those that have none.

    `withheld` are documents of a query that people judged, but whose grade is kept for a confirmation: measures of judgments
    leave them out of every ranking. As unjudged documents they would count as not relevant, and who chooses by such a
    measure is taught to push them down.
    """

    name: str
    queries: tuple[Query, ...]
    qrels: Qrels
    no_result: tuple[Query, ...] = ()
    withheld: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def part(self, queries: Sequence[Query]) -> Split:
        """What the split says of these queries; a query without a judgment has none there either."""
        ids = [query.id for query in queries]
        return Split(
            self.name,
            tuple(queries),
            {id: self.qrels[id] for id in ids if self.qrels.get(id)},
            withheld={id: self.withheld[id] for id in ids if id in self.withheld},
        )


@dataclass(frozen=True, slots=True)
class Task:
    """Train, dev and test splits, and the documents where the task carries them (None: the engine already holds them)."""

    name: str
    train: Split
    dev: Split
    test: Split
    documents: Callable[[], Iterable[Document]] | None = None
    title_field: str = "title"
    ideal: Callable[[str], tuple[str, ...]] | None = None
    """Where the task knows them: the expansions that would be ideal for a query id. A reference row, never a system."""
    notes: tuple[str, ...] = ()
    """Facts for the user: how many queries have no relevant document, how a split was made."""
    warnings: tuple[str, ...] = ()
    """What a user must not overlook: queries that stand in two splits."""

    @property
    def splits(self) -> tuple[Split, Split, Split]:
        """The three splits, in the order they are used."""
        return self.train, self.dev, self.test
