"""What the doctor searches with: a query that finds something, words of the documents it finds, and queries for load."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice
from typing import Any

import regex  # type: ignore[import-untyped]

from leser.backend import Document, ExpandedQuery, Ranking
from leser.doctor.answers import fetched
from leser.doctor.finding import Finding, of_failure
from leser.engine import SearchClient
from leser.task import Task

DEPTH = 10
LOOKED_AT = 50
"""Queries of a task that are tried until one of them finds something."""
LOAD_QUERIES = 1200
COMPARED = 20_000
"""Documents of a task that are compared with what the engine gives."""
COMMON_WORDS = (
    "new black white water home light small study time data use system people health book steel paper model analysis music "
    "wood phone game set type day 1 2 10 100 the a of and de la le der die und en el que e i"
)
"""Words that some document of nearly any index holds, for when nobody names a query."""
COMMON_FIELDS = ("title", "text", "contents", "name", "description", "body")
"""Fields asked for where a backend's facts don't name its own."""

_WORD = regex.compile(r"[^\W\d_]{3,}")  # unlike in `re`, marks are part of a word


@dataclass(frozen=True, slots=True)
class TriedQuery:
    """A query with what it finds (at most 10 hits), the documents found, and other texts to search with."""

    query: str
    ranking: Ranking
    documents: Mapping[str, Document]
    texts: tuple[str, ...]

    def words(self, id: str) -> tuple[str, ...]:
        """Different words of a document's fields, in lower case, as they stand there."""
        document = self.documents.get(id)
        fields = document.fields.values() if document else ()
        return tuple(dict.fromkeys(word for text in fields for word in _WORD.findall(text.lower())))

    def without(self, names: Iterable[str]) -> TriedQuery:
        """The same with documents that lack these fields: names that LESER reads by, and the index does not know."""
        taken = frozenset(names)
        if not taken:
            return self
        left = {
            id: Document(id, {name: text for name, text in document.fields.items() if name not in taken})
            for id, document in self.documents.items()
        }
        return replace(self, documents=left)


def find_sample(
    client: SearchClient, facts: Mapping[str, Any], task: Task | None, query: str | None
) -> tuple[TriedQuery | None, list[Finding]]:
    """Search with the query that was named, or the task's, or common words, and take the first that finds most."""
    candidates = candidates_of(task, query)
    answers = client.search([ExpandedQuery(str(n), text) for n, text in enumerate(candidates)], DEPTH)
    failure = of_failure("example search", answers)
    findings = [failure] if failure else []
    found = [(text, a) for text, a in zip(candidates, answers, strict=True) if isinstance(a, Ranking) and a.hits]
    if not found:
        return None, findings or [_nothing_found(candidates, task, query)]
    text, ranking = max(found, key=lambda pair: len(pair[1].hits))
    fields = (task.title_field if task else "title", *(_named_fields(facts) or COMMON_FIELDS))
    fetched(client.backend, ranking.ids, fields)
    documents = client.fetch(ranking.ids, tuple(dict.fromkeys(fields)), resumable=False)
    sample = TriedQuery(text, ranking, documents, ())
    texts = tuple(islice(dict.fromkeys(_load_texts(sample, task)), LOAD_QUERIES))
    return TriedQuery(text, ranking, documents, texts), [*findings, _timed(client, sample)]


def candidates_of(task: Task | None, query: str | None) -> list[str]:
    """Texts of which one should find something: the query that was named, the task's, or common words."""
    if query is not None:
        return [query]
    if task is None:
        return COMMON_WORDS.split()
    return [q.text for split in task.splits for q in split.queries][:LOOKED_AT]


def _nothing_found(candidates: Sequence[str], task: Task | None, query: str | None) -> Finding:
    if query is not None:
        seen, advice = f"'{query}' finds nothing.", "Name a query that finds something: --query TEXT."
    elif task is None:
        seen = f"None of {len(candidates)} common words finds a document."
        advice = "Name a query that finds something with --query TEXT, or your task with --task."
    else:
        seen = f"None of the first {len(candidates)} queries of the task {task.name} finds a document."
        advice = "Check that the index holds this task's documents, and which fields the backend searches."
    return Finding("example search", seen, "problem", advice)


def _named_fields(facts: Mapping[str, Any]) -> tuple[str, ...]:
    named = facts.get("fields")
    return tuple(str(name) for name in named) if isinstance(named, (list, tuple, set, frozenset, dict)) else ()


def _load_texts(sample: TriedQuery, task: Task | None) -> Iterator[str]:
    """Queries of the task, and pairs of words of the documents found."""
    if task is not None:
        yield from (query.text for split in task.splits for query in split.queries)
    words = dict.fromkeys(word for id in sample.documents for word in sample.words(id)[:40])
    yield from (f"{one} {other}" for one, other in combinations(words, 2))
    yield from (sample.query, *COMMON_WORDS.split())


def as_stored(sample: TriedQuery, task: Task) -> Iterator[Finding]:
    """A warning where fetched texts are the task's own, but cut off or rewritten; looks at its first documents only."""
    if task.documents is None:
        return
    for document in islice(task.documents(), COMPARED):
        fetched = sample.documents.get(document.id)
        for name, text in fetched.fields.items() if fetched else ():
            whole = document.fields.get(name)
            if whole is None or text == whole:
                continue
            cut = bool(text) and whole.startswith(text)
            if cut or "".join(text.split()).lower() == "".join(whole.split()).lower():
                how = (
                    f"cut off after {len(text)} of {len(whole)} characters"
                    if cut
                    else "given with other spaces or letters"
                )
                seen = f"'{name}' of {document.id} is {how}"
                advice = "Let fetch() give each text as it was indexed: prompts, rewards and baselines read it."
                yield Finding("texts", seen, "warning", advice)
                return


def _timed(client: SearchClient, sample: TriedQuery) -> Finding:
    started = time.perf_counter()
    client.search([ExpandedQuery("again", sample.query)], DEPTH)
    took = 1000 * (time.perf_counter() - started)
    best = sample.ranking.hits[0]
    fields = sample.documents[best.id].fields.values() if best.id in sample.documents else ()
    title = next((f' "{" ".join(text.split())[:60]}"' for text in fields if text), "")
    seen = f"'{sample.query}' finds {len(sample.ranking.hits)} of {DEPTH} requested, first {best.id}{title} "
    return Finding("example search", f"{seen}(score {best.score:.3g}), in {took:.1f} ms")
