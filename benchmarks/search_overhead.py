"""What a search costs, next to the peer it stands on: `python -m benchmarks.search_overhead --backend NAME [--json]`.

One run measures on the same documents and queries, in turns, so that a busy machine slows all alike.

Servers (elasticsearch, ...): a row for each k of 10 and 100, all with the same weighted queries and no cache,
  raw         the engine's own client, its bulk search, with requests built beforehand (benchmarks/raw_search.py)
  client      SearchClient over the backend, the whole batch
  one_by_one  the same, one query a call
`ratio` is client's throughput beside raw's, `times_one_by_one` its throughput beside one_by_one's; both are medians over the
rounds of what two neighbours in time make of each other.

In-process engines (memory, pyserini):
  expanded   the backend, queries with five weighted terms
  plain      the backend, the same queries without terms
  client     SearchClient with its cache off, over the backend, the expanded queries
  cached     SearchClient, all of them in its cache
  peer       plain queries through Pyserini's batch_search (pyserini) or bm25s' retrieve (memory)
Times are microseconds a query, the least of several rounds; every engine is warmed up first.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.raw_search import SERVERS, Prepare
from leser.backend import Backend, Document, ExpandedQuery, Term
from leser.search import SearchClient, SearchOptions

K = 10
Peer = Callable[[list[str]], object]


def make_documents(draw: random.Random, count: int, vocabulary: int, length: int) -> list[Document]:
    """Documents whose words follow Zipf's law, as titles and descriptions of products do."""
    words = [f"w{number}" for number in range(vocabulary)]
    weights = [1 / rank for rank in range(1, vocabulary + 1)]
    return [
        Document(str(number), {"title": " ".join(draw.choices(words, weights, k=5)), "text": text})
        for number, text in enumerate(" ".join(draw.choices(words, weights, k=length)) for _ in range(count))
    ]


def make_queries(draw: random.Random, count: int, vocabulary: int) -> list[ExpandedQuery]:
    """Queries of three words with five weighted terms, none of the twenty most frequent words among them."""

    def word() -> str:
        return f"w{min(int(20 * (vocabulary / 20) ** draw.random()), vocabulary - 1)}"

    return [
        ExpandedQuery(
            str(number),
            f"{word()} {word()} {word()}",
            tuple(Term(word(), draw.choice([0.3, 0.5, 1.0])) for _ in range(5)),
        )
        for number in range(count)
    ]


@contextmanager
def open_memory(documents: list[Document]) -> Iterator[tuple[Backend, Peer]]:
    """The in-process engine, and bm25s on the same terms."""
    import bm25s
    from leser_memory import MemoryBackend

    backend = MemoryBackend.of(documents)
    peer = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    terms = backend.analyze([f"{document.fields['title']} {document.fields['text']}" for document in documents])
    peer.index(terms, show_progress=False)
    yield backend, lambda texts: peer.retrieve(backend.analyze(texts), k=K, show_progress=False)


@contextmanager
def open_pyserini(documents: list[Document], threads: int) -> Iterator[tuple[Backend, Peer]]:
    """Lucene through LESER, and through Pyserini's own searcher on the same index."""
    from leser_pyserini import PyseriniBackend

    with tempfile.TemporaryDirectory() as folder:
        backend = PyseriniBackend(PyseriniBackend.Options(index=Path(folder, "index"), threads=threads))
        backend.index(documents)
        backend.check()  # starts Java before Pyserini does
        os.environ.setdefault("OPENAI_API_KEY", "unused: Pyserini imports a client that asks for one")
        from pyserini.search.lucene import LuceneSearcher

        searcher = LuceneSearcher(str(Path(folder, "index")))

        def peer(texts: list[str]) -> object:
            return searcher.batch_search(texts, [str(n) for n in range(len(texts))], k=K, threads=threads)

        yield backend, peer
        searcher.close()
        backend.close()


def measure(ways: dict[str, Callable[[], object]], queries: int, rounds: int) -> dict[str, float]:
    """Least microseconds a query of each way; the ways take turns."""
    best = dict.fromkeys(ways, float("inf"))
    for number in range(rounds + 2):
        for name, run in ways.items():
            started = time.perf_counter()
            run()
            if number >= 2:  # two rounds of warming up
                best[name] = min(best[name], 1e6 * (time.perf_counter() - started) / queries)
    return {name: round(value, 1) for name, value in best.items()}


def measure_server(
    backend: Backend, prepare: Prepare, queries: list[ExpandedQuery], rounds: int
) -> list[dict[str, Any]]:
    """A row for each k; every round times all ways, and ratios are taken within it."""
    client = SearchClient(backend, SearchOptions(cache_size=0))
    rows = []
    for k in (10, 100):
        single = queries[: max(1, len(queries) // 8)]
        ways: dict[str, tuple[Callable[[], object], int]] = {
            "raw": (prepare(queries, k), len(queries)),
            "client": (lambda k=k: client.search(queries, k), len(queries)),  # type: ignore[misc]
            "one_by_one": (lambda k=k, few=single: [client.search([query], k) for query in few], len(single)),  # type: ignore[misc]
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds + 2):
            for name, (run, count) in ways.items():
                started = time.perf_counter()
                run()
                if number >= 2:  # two rounds of warming up
                    times[name].append(1e6 * (time.perf_counter() - started) / count)
        beside = {name: [t / c for t, c in zip(times[name], times["client"], strict=True)] for name in ways}
        rows.append(
            {
                "backend": backend.name,
                "k": k,
                "ratio": round(statistics.median(beside["raw"]), 3),
                "times_one_by_one": round(statistics.median(beside["one_by_one"]), 2),
                "microseconds_per_query": {name: round(statistics.median(values), 1) for name, values in times.items()},
            }
        )
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Cost of a search, next to its peer.")
    parser.add_argument("--backend", choices=["memory", "pyserini", *SERVERS], default="memory")
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--queries", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=min(os.cpu_count() or 1, 16))
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args()
    draw = random.Random(1)
    documents = make_documents(draw, chosen.documents, vocabulary=8000, length=30)
    queries = make_queries(draw, chosen.queries, vocabulary=8000)
    plain = [ExpandedQuery(query.id, query.text) for query in queries]
    texts = [query.text for query in queries]
    if chosen.backend in SERVERS:
        with SERVERS[chosen.backend](documents) as (backend, prepare):
            rows = measure_server(backend, prepare, queries, chosen.rounds)
        print(json.dumps({"rows": rows}) if chosen.json else "\n".join(map(str, rows)))
        return
    memory = chosen.backend == "memory"
    with open_memory(documents) if memory else open_pyserini(documents, chosen.threads) as (backend, peer):
        bare = SearchClient(backend, SearchOptions(cache_size=0))
        caching = SearchClient(backend)
        ways: dict[str, Callable[[], object]] = {
            "expanded": lambda: backend.search(queries, K),
            "plain": lambda: backend.search(plain, K),
            "client": lambda: bare.search(queries, K),
            "cached": lambda: caching.search(queries, K),
            "peer": lambda: peer(texts),
        }
        micros = measure(ways, len(queries), chosen.rounds)
    result: dict[str, Any] = {
        "backend": chosen.backend,
        "documents": chosen.documents,
        "queries": chosen.queries,
        "k": K,
        "microseconds_per_query": micros,
        "peer": "bm25s.retrieve" if memory else f"pyserini batch_search, {chosen.threads} threads",
        "times_faster_than_peer_on_plain_queries": round(micros["peer"] / micros["plain"], 2),
        "client_overhead_microseconds": round(micros["client"] - micros["expanded"], 1),
    }
    if chosen.json:
        print(json.dumps(result))
    else:
        print("\n".join(f"{name}: {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
