"""Solr for search_overhead: a real server with documents in it, and solrpy's own search as an engineer writes it by hand."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import local

from leser.backend import Backend, Document, ExpandedQuery

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

INDEX = "leser-search-overhead"


@contextmanager
def open_solr(documents: Sequence[Document]) -> Iterator[tuple[Backend, Callable[..., Callable[[], object]]]]:
    """Solr 9, and select of solrpy with queries built beforehand, one connection a thread and as many threads as the backend.

    Both ask for the same ranking: equal scores by id, which costs the server a second look at every hit.

    LESER_TEST_SOLR_URL names a server to take instead of one started here; it needs the configset `_default`.
    """
    import solr
    from leser_solr import SolrBackend
    from servers.solr import CONFIGSET, start_solr

    with ExitStack() as stack:
        url, configset = os.environ.get("LESER_TEST_SOLR_URL"), "_default"
        if url is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
            url, configset = stack.enter_context(start_solr(folder, quick=False)).url, CONFIGSET
        backend = SolrBackend(SolrBackend.Options(url=url, index=INDEX, configset=configset, existing="recreate"))
        backend.index(documents)
        stack.callback(backend.close)
        threads = backend.options.threads
        workers = stack.enter_context(ThreadPoolExecutor(threads))
        own = local()

        def select(query: str, k: int) -> list[tuple[str, float]]:
            if not hasattr(own, "connection"):
                own.connection = solr.Solr(f"{url}/{INDEX}", timeout=10)
                own.connection.server_version = (9, 0, 0)
            answer = own.connection.select(query, fields=["id"], rows=k, sort="score desc,id asc")
            return [(row["id"], row["score"]) for row in answer.results]

        def prepare(queries: Sequence[ExpandedQuery], k: int) -> Callable[[], object]:
            written = [
                " ".join([f"contents:({query.text})", *(f"contents:({t.text})^{t.weight}" for t in query.terms)])
                for query in queries
            ]
            return lambda: list(workers.map(lambda query: select(query, k), written))

        yield backend, prepare
