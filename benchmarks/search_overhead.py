"""What a search costs, beside the engine's own bulk call: `python -m benchmarks.search_overhead --backend NAME [--json]`.

A row for each k of 10 and 100, SearchClient's cache off. `ratio` is the throughput of SearchClient and adapter beside that of
the engine's own bulk call, on the same documents and queries, each with three words as typed and five weighted terms:
  elasticsearch   msearch of elasticsearch-py, with bodies built beforehand (benchmarks/raw_search.py)
  solr            select of solrpy on as many threads as the adapter has (benchmarks/solr_requests.py)
  memory          MemoryBackend.search itself: the engine is LESER's own, so that the ratio is what SearchClient costs
  pyserini        LuceneSearcher.batch_search on as many threads. It takes plain strings only, so both sides get the plain
                  queries; its hits are not even read (ids and scores are still Java's), ours are Python's
Beside it, where it applies:
  times_one_by_one   the client with the whole batch beside one query a call
  ratio_cpu          in process: as ratio, in processor time, which other work on the machine disturbs least
  times_cached       a batch that is all in the cache beside one that is searched
  ratio_bm25s        memory: the client beside bm25s' retrieve, both from text, with plain queries that were never asked before
  ratio_read         pyserini: as ratio, with the ids and scores of batch_search read
  ratio_weighted     pyserini: the weighted queries, beside Lucene's query objects through LuceneSearcher.search one by one (the
                     one way Pyserini has for weights), built beforehand
All are medians over the rounds of what two ways of the same round make of each other: one round runs every way once, the next
in the opposite order, so that a busy machine slows all alike. The two are neighbours in time, except those of times_cached
and ratio_read, between which one other way runs. Garbage is collected before each way, so that none pays for another's.
`--evidence` writes docs/evidence/search-overhead-NAME.json.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from benchmarks.evidence import ROOT, commit, machine, write
from benchmarks.raw_in_process import Peer, Way, client_ways, few, open_memory, open_pyserini, plain
from benchmarks.raw_search import SERVERS
from leser.backend import Backend, Document, ExpandedQuery, Term
from leser.cli.console import replace_what_cannot_be_shown

K = 10
DEPTHS = (K, 100)
WARM_UP = 2
VOCABULARY, LENGTH = 8000, 30
RATIOS = {
    "ratio": ("raw", "client"),
    "times_one_by_one": ("one_by_one", "client"),
    "times_cached": ("client", "cached"),
    "ratio_read": ("raw_read", "client"),
    "ratio_weighted": ("weighted_objects", "weighted"),
    "ratio_bm25s": ("bm25s", "plain_unknown"),
}
"""Each ratio is the time of the first way over that of the second."""
SINGLE = ("one_by_one", "weighted_objects")
"""Ways that ask a few of the queries, each in a call of its own."""


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
def open_server(name: str, documents: Sequence[Document]) -> Iterator[tuple[Backend, Peer]]:
    """A server with the documents in it; both sides ask it for the weighted queries."""
    with SERVERS[name](documents) as (backend, prepare):

        def ways(
            queries: Sequence[ExpandedQuery],
            unknown: Sequence[Sequence[ExpandedQuery]],  # noqa: ARG001 - a server's caches are its own
            k: int,
        ) -> dict[str, Way]:
            search = prepare(queries, k)
            return {"raw": lambda _: search(), **client_ways(backend, queries, k)}

        yield backend, ways


def measure(backend: Backend, peer: Peer, queries: Sequence[ExpandedQuery], rounds: int) -> list[dict[str, Any]]:
    """A row for each k; every way is run in each round, after rounds of warming up."""
    rows = []
    for k in DEPTHS:
        draw = random.Random(k)
        unknown = [plain(make_queries(draw, len(queries), VOCABULARY)) for _ in range(WARM_UP + rounds)]
        ways = peer(queries, unknown, k)
        times: dict[str, list[float]] = {name: [] for name in ways}
        cpu: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(WARM_UP + rounds):
            for name in ways if number % 2 else reversed(ways):
                seconds, of_processors = timed(ways[name], number)
                times[name].append(seconds / (few(queries) if name in SINGLE else len(queries)))
                cpu[name].append(of_processors)
        counted = {name: values[WARM_UP:] for name, values in times.items()}
        row = {"backend": backend.name, "k": k, **facts(counted)}
        if backend.name not in SERVERS:
            row["ratio_cpu"] = ratio(cpu["raw"][WARM_UP:], cpu["client"][WARM_UP:])
        rows.append(row)
    return rows


def timed(way: Way, number: int) -> tuple[float, float]:
    """Microseconds of one call, and of this process's processors; the answer is let go of when the clocks have stopped."""
    gc.collect()
    started, worked = time.perf_counter(), time.process_time()
    answer = way(number)
    took = 1e6 * (time.perf_counter() - started), 1e6 * (time.process_time() - worked)
    del answer
    return took


def ratio(one: Sequence[float], other: Sequence[float]) -> float:
    """The median of what each makes of its neighbour in time."""
    return round(statistics.median(a / b for a, b in zip(one, other, strict=True)), 3)


def facts(times: dict[str, list[float]]) -> dict[str, Any]:
    """The ratios of a row, from the microseconds a query of each way in each round, and the medians of those."""
    ratios = {
        name: ratio(times[one], times[other])
        for name, (one, other) in RATIOS.items()
        if one in times and other in times
    }
    return {**ratios, "microseconds_per_query": {name: round(statistics.median(t), 1) for name, t in times.items()}}


def opened(name: str, documents: Sequence[Document], threads: int) -> AbstractContextManager[tuple[Backend, Peer]]:
    """The engine by its name, with the documents in it."""
    if name in SERVERS:
        return open_server(name, documents)
    return open_memory(documents) if name == "memory" else open_pyserini(documents, threads)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Cost of a search, beside the engine's own bulk call.")
    parser.add_argument("--backend", choices=["memory", "pyserini", *SERVERS], default="memory")
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--queries", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=15, help="rounds that count, after two of warming up")
    parser.add_argument("--threads", type=int, default=min(os.cpu_count() or 1, 16), help="of Lucene's, on both sides")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--evidence", action="store_true", help="write docs/evidence/search-overhead-NAME.json")
    parser.add_argument("--note", help="a sentence the reader of the evidence must know")
    given = parser.parse_args()
    if given.rounds < (5 if given.evidence else 1):
        parser.error("evidence needs at least --rounds 5, a look at least --rounds 1")
    around = {"commit": commit(), **({"note": given.note} if given.note else {}), "machine": machine()}
    draw = random.Random(1)
    documents = make_documents(draw, given.documents, VOCABULARY, LENGTH)
    queries = make_queries(draw, given.queries, VOCABULARY)
    with opened(given.backend, documents, given.threads) as (backend, peer):
        rows = measure(backend, peer, queries, given.rounds)
    how = {name: getattr(given, name) for name in ("documents", "queries", "rounds")}
    how |= {"threads": given.threads} if given.backend == "pyserini" else {}
    content = {"name": f"search-overhead-{given.backend}", **around, **how, "rows": rows}
    if given.evidence:
        path = ROOT / "docs" / "evidence" / f"{content['name']}.json"
        write(path, content)
    print(json.dumps(content) if given.json else "\n".join(map(str, rows)))


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
