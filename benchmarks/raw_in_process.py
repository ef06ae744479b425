"""The engines in process with documents in them, and what each is compared with as an engineer calls it by hand.

Each opener yields the backend with a function that makes the ways of measuring it at one k, and of its peer; each way is
told the number of the round and does the same work in every round.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from leser.backend import Backend, Document, ExpandedQuery
from leser.engine import SearchClient, SearchOptions

Way = Callable[[int], object]
Peer = Callable[[Sequence[ExpandedQuery], Sequence[Sequence[ExpandedQuery]], int], dict[str, Way]]
"""The ways for these weighted queries, for batches of plain ones never asked before (one a round), and for k."""


def plain(queries: Sequence[ExpandedQuery]) -> list[ExpandedQuery]:
    """The queries as they were typed, without terms."""
    return [ExpandedQuery(query.id, query.text) for query in queries]


def client_ways(backend: Backend, queries: Sequence[ExpandedQuery], k: int) -> dict[str, Way]:
    """SearchClient over the backend, the whole batch; next to it (as little between them as can be) one query a call."""
    client = SearchClient(backend, SearchOptions(cache_size=0))
    return {
        "client": lambda _: client.search(queries, k),
        "one_by_one": lambda _: [client.search([query], k) for query in queries[: few(queries)]],
    }


def cached_way(backend: Backend, queries: Sequence[ExpandedQuery], k: int) -> dict[str, Way]:
    """SearchClient with all of the answers in its cache, once a first round has put them there."""
    caching = SearchClient(backend)
    return {"cached": lambda _: caching.search(queries, k)}


def few(queries: Sequence[ExpandedQuery]) -> int:
    """How many of the queries are asked where each is a call of its own."""
    return max(1, len(queries) // 8)


@contextmanager
def open_memory(documents: Sequence[Document]) -> Iterator[tuple[Backend, Peer]]:
    """The in-process engine, whose own bulk call is its search(), and bm25s on the same terms."""
    import bm25s
    from leser_memory import MemoryBackend

    backend = MemoryBackend.of(documents)
    peer = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    terms = backend.analyze([f"{document.fields['title']} {document.fields['text']}" for document in documents])
    peer.index(terms, show_progress=False)

    def ways(queries: Sequence[ExpandedQuery], unknown: Sequence[Sequence[ExpandedQuery]], k: int) -> dict[str, Way]:
        client = SearchClient(backend, SearchOptions(cache_size=0))

        def retrieve(number: int) -> object:
            words = backend.analyze([query.text for query in unknown[number]])
            return peer.retrieve(words, k=k, show_progress=False)

        return {
            "raw": lambda _: backend.search(queries, k),
            **client_ways(backend, queries, k),
            **cached_way(backend, queries, k),
            "bm25s": retrieve,
            "plain_unknown": lambda number: client.search(unknown[number], k),
        }

    yield backend, ways


@contextmanager
def open_pyserini(documents: Sequence[Document], threads: int) -> Iterator[tuple[Backend, Peer]]:
    """Lucene through LESER, and through Pyserini's own searcher on the same index."""
    from leser_pyserini import PyseriniBackend

    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder, "index")
        backend = PyseriniBackend(PyseriniBackend.Options(index=index, threads=threads))
        backend.index(documents)
        backend.check()  # starts Java before Pyserini does

        def ways(
            queries: Sequence[ExpandedQuery],
            unknown: Sequence[Sequence[ExpandedQuery]],  # noqa: ARG001 - neither side keeps anything
            k: int,
        ) -> dict[str, Way]:
            return _pyserini_ways(backend, index, threads, queries, k)

        yield backend, ways
        backend.close()


def _pyserini_ways(
    backend: Backend, index: Path, threads: int, queries: Sequence[ExpandedQuery], k: int
) -> dict[str, Way]:
    os.environ.setdefault("OPENAI_API_KEY", "unused: Pyserini imports a client that asks for one")
    from pyserini.search.lucene import LuceneSearcher

    searcher = LuceneSearcher(str(index))
    typed = plain(queries)
    texts, ids = [query.text for query in queries], [query.id for query in queries]
    built = [lucene_query(query) for query in queries]
    client = SearchClient(backend, SearchOptions(cache_size=0))

    def batch() -> dict[str, Any]:
        found: dict[str, Any] = searcher.batch_search(texts, ids, k=k, threads=threads)
        return found

    return {
        "raw_read": lambda _: {id: [(hit.docid, hit.score) for hit in hits] for id, hits in batch().items()},
        "raw": lambda _: batch(),
        **client_ways(backend, typed, k),
        **cached_way(backend, typed, k),
        "weighted_objects": lambda _: [searcher.search(query, k) for query in built[: few(queries)]],
        "weighted": lambda _: client.search(queries, k),
    }


def lucene_query(query: ExpandedQuery) -> Any:
    """A weighted query as Pyserini's users build it: a clause for each word, boosted where it is an expansion's."""
    from pyserini.search.lucene import querybuilder

    builder = querybuilder.get_boolean_query_builder()
    should = querybuilder.JBooleanClauseOccur["should"].value
    for word in query.text.split():
        builder.add(querybuilder.get_term_query(word), should)
    for term in query.terms:
        builder.add(querybuilder.get_boost_query(querybuilder.get_term_query(term.text), term.weight), should)
    return builder.build()
