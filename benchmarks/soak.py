"""A long haul: many expanded queries through SearchClient to a real server, with faults on the wire.

    python -m benchmarks.soak --backend elasticsearch [--count 100000] [--faults 0.01] [--json]

Each query is searched twice, cache off: once without faults, and once through a proxy that spoils one request in a hundred (cut
replies, 429, 503, late ones, in turn). Every answer must be the fault-free one: `swapped` counts those that are another's or
differ, `lost` those still without an answer after the retries. Memory is the process's own, at every tenth of the way; the
rankings of the first pass are kept as digests.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import time
from collections.abc import Iterator

import psutil

from benchmarks.evidence import commit, machine
from benchmarks.raw_search import SERVERS
from benchmarks.search_overhead import make_documents, make_queries
from leser.backend import Backend, ExpandedQuery, Ranking, SearchError
from leser.cli.console import replace_what_cannot_be_shown
from leser.engine import SearchClient, SearchOptions

DOCUMENTS, VOCABULARY, LENGTH = 5_000, 5_000, 30
K = 10
BATCH = 16
"""Queries in one call: small, so that many requests meet the faults."""
RETRIES = 6


def chunks(queries: list[ExpandedQuery], size: int) -> Iterator[list[ExpandedQuery]]:
    """The queries in lists of `size`."""
    for start in range(0, len(queries), size):
        yield queries[start : start + size]


def digest(answer: Ranking | SearchError) -> bytes:
    """A ranking's ids and scores in few bytes; empty for an error."""
    if isinstance(answer, SearchError):
        return b""
    said = ",".join(f"{hit.id}:{hit.score:.5g}" for hit in answer.hits)
    return hashlib.blake2b(said.encode(), digest_size=8).digest()


def search_all(backend: Backend, queries: list[ExpandedQuery]) -> tuple[list[bytes], list[float], SearchClient]:
    """A digest of each answer, the memory in MiB at every tenth of the way, and the client with its counts."""
    options = SearchOptions(cache_size=0, batch_size=BATCH, concurrency=2, retries=RETRIES, backoff=0.05)
    client = SearchClient(backend, options)
    process = psutil.Process()
    found: list[bytes] = []
    memory: list[float] = []
    for asked in chunks(queries, 8 * BATCH):
        found += map(digest, client.search(asked, K))
        if len(found) * 10 // len(queries) > len(memory):
            memory.append(round(process.memory_info().rss / 2**20, 1))
    return found, memory, client


def soak(name: str, count: int, faults: float) -> dict[str, object]:
    """Both passes on one server, as a row."""
    from servers import Proxy

    draw = random.Random(7)
    queries = make_queries(draw, count, VOCABULARY)
    with SERVERS[name](make_documents(draw, DOCUMENTS, VOCABULARY, LENGTH)) as (backend, _):
        started = time.perf_counter()
        expected, _, client = search_all(backend, queries)
        seconds = time.perf_counter() - started
        unspoilt = client.stats()
        url = backend.options.model_dump()["url"]
        with Proxy(url if isinstance(url, str) else url[0], seed=7) as proxy:
            for spoil in (proxy.cut, proxy.throttle):
                spoil(probability=faults / 4)
            proxy.status(503, probability=faults / 4)
            proxy.delay(0.2, probability=faults / 4)
            through = proxy.url if isinstance(url, str) else (proxy.url,)
            spoilt = type(backend)(backend.options.model_copy(update={"url": through}))
            found, memory, client = search_all(spoilt, queries)
            spoilt.close()
        stats = client.stats()
    return {
        "backend": name,
        "queries": count,
        "different_answers": len(set(expected)),
        "errors_without_faults": unspoilt.errors,
        "lost": sum(not one for one in found),
        "swapped": sum(bool(one) and one != other for one, other in zip(found, expected, strict=True)),
        "faults": dict(proxy.counts),
        "retries": stats.retries,
        "queries_a_second_without_faults": round(count / seconds),
        "memory_mib": memory,
    }


def main() -> None:
    """Print the row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--backend", choices=sorted(SERVERS), required=True)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--faults", type=float, default=0.01, help="share of requests that meet one")
    parser.add_argument("--json", action="store_true", help="print JSON, with the commit and the machine")
    given = parser.parse_args()
    row = soak(given.backend, given.count, given.faults)
    print(json.dumps({"commit": commit(), "machine": machine(), **row}, indent=1) if given.json else row)


if __name__ == "__main__":
    replace_what_cannot_be_shown()
    main()
