"""The server engines with documents in them, and their own client's bulk search as an engineer writes it by hand.

Each opener starts a real server of the tests (or uses the one named by LESER_TEST_..._URL), indexes the documents through
LESER and yields the backend with a `prepare(queries, k)`: it renders the same weighted queries for the engine's own client and
returns what is timed, the search alone.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from benchmarks.solr_requests import open_solr
from leser.backend import Backend, Document, ExpandedQuery

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

Prepare = Callable[[Sequence[ExpandedQuery], int], Callable[[], object]]


@contextmanager
def open_elasticsearch(documents: Sequence[Document]) -> Iterator[tuple[Backend, Prepare]]:
    """Elasticsearch 8, and msearch of elasticsearch-py with bodies built beforehand."""
    from elasticsearch import Elasticsearch
    from leser_elasticsearch import ElasticsearchBackend
    from servers.elasticsearch import start_elasticsearch

    with ExitStack() as stack:
        url = os.environ.get("LESER_TEST_ELASTICSEARCH_URL")
        if url is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
            url = stack.enter_context(start_elasticsearch(folder, "8", quick=False)).url
        index = "leser-search-overhead"
        options = ElasticsearchBackend.Options(url=(url,), index=index, analysis="standard", existing="recreate")
        backend = ElasticsearchBackend(options)
        backend.index(documents)
        client = stack.enter_context(Elasticsearch(url, request_timeout=120))
        stack.callback(lambda: client.indices.delete(index=index))
        stack.callback(backend.close)

        def prepare(queries: Sequence[ExpandedQuery], k: int) -> Callable[[], object]:
            searches: list[dict[str, object]] = []
            for query in queries:
                clauses = [{"match": {"contents": query.text}}]
                clauses += [{"match": {"contents": {"query": t.text, "boost": t.weight}}} for t in query.terms]
                searches.append({"index": index})
                searches.append(
                    {"query": {"bool": {"should": clauses}}, "size": k, "_source": False, "track_total_hits": False}
                )

            def search() -> object:
                answers = client.msearch(searches=searches)["responses"]
                return [[(hit["_id"], hit["_score"]) for hit in answer["hits"]["hits"]] for answer in answers]

            return search

        yield backend, prepare


SERVERS: dict[str, Callable[[Sequence[Document]], AbstractContextManager[tuple[Backend, Prepare]]]] = {
    "elasticsearch": open_elasticsearch,
    "solr": open_solr,
}
