"""What a Solr that is missing, closed, slow, cut off or wrong gets: a message that says what to do, or a SearchError."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from leser_solr import SolrBackend
from servers import Proxy, Server
from solr_answers import SOFA, Open, failure, trouble
from solr_indexes import indexed, options_for, remove, template_file

from leser.backend import ExpandedQuery, Ranking, SearchError, Term
from leser.engine import SearchClient, SearchOptions
from leser.errors import IndexMissing, LeserError
from leser.testing import DOCUMENTS


@pytest.fixture(scope="module")
def shop(solr: Server) -> Iterator[Open]:
    with indexed(solr, DOCUMENTS) as open_:
        yield open_


@pytest.fixture
def proxy(solr: Server) -> Iterator[Proxy]:
    with Proxy(solr) as proxy:
        yield proxy


def test_nobody_answers() -> None:
    backend = SolrBackend(SolrBackend.Options(url="http://127.0.0.1:9/solr"))
    assert "No Solr answers at http://127.0.0.1:9/solr" in trouble(backend.check)
    assert "-o url=" in trouble(backend.check)
    assert failure(backend).kind == "transient", "it may be starting"
    assert "not ready" in backend.fingerprint()
    backend.close()


def test_no_such_index(solr: Server, shop: Open) -> None:
    there = shop().options.index
    with pytest.raises(IndexMissing, match="has no core or collection 'nowhere'") as caught:
        SolrBackend(options_for(solr, index="nowhere")).search([SOFA], 1)
    assert there in str(caught.value)
    assert f"leser index --backend solr --task DIR -o url={solr.url} -o index=nowhere" in str(caught.value)


def test_no_such_collection(solr_cloud: Server) -> None:
    with pytest.raises(IndexMissing, match="has no core or collection 'nowhere'"):
        SolrBackend(options_for(solr_cloud, index="nowhere")).check()


@pytest.mark.parametrize("path", ["", "/solr/core", "/search"])
@pytest.mark.filterwarnings("error:solrpy. URL")
def test_an_address_without_solr(solr: Server, path: str) -> None:
    told = trouble(SolrBackend(options_for(solr, url=solr.url.removesuffix("/solr") + path)).check)
    assert "There is no Solr at" in told
    assert "ends in /solr" in told
    assert (f"Did you mean {solr.url}?" in told) == (path == "")


@pytest.mark.filterwarnings("error:solrpy. URL")
def test_something_else_answers() -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>Welcome</html>")

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        backend = SolrBackend(SolrBackend.Options(url=f"http://127.0.0.1:{server.server_port}/solr"))
        assert "is not Solr" in trouble(backend.check)
        server.shutdown()
        thread.join()


@pytest.mark.filterwarnings("error:solrpy. URL")
def test_an_elasticsearch_answers() -> None:
    class Elasticsearch(BaseHTTPRequestHandler):
        """What it says of Solr's paths: 405 below an index, 400 elsewhere."""

        def do_GET(self) -> None:
            status = 405 if "/schema" in self.path else 400
            body = json.dumps({"error": f"Incorrect HTTP method for uri [{self.path}]", "status": status}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Elasticsearch) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        backend = SolrBackend(SolrBackend.Options(url=f"http://127.0.0.1:{server.server_port}"))
        told = trouble(backend.check), trouble(lambda: backend.index(DOCUMENTS))
        server.shutdown()
        thread.join()
    for message, status in zip(told, (405, 400), strict=True):
        assert f"{server.server_port} answered {status} (" in message
        assert "is it Solr? Its address ends in /solr as a rule" in message
        assert "Its log" not in message


def test_documents_of_a_server_that_is_loading(shop: Open, proxy: Proxy) -> None:
    """The first thing a run asks of it: worth asking again, and no reason to end."""
    client = SearchClient(shop(url=proxy.url), SearchOptions(backoff=0.01, retries=3))
    loading = json.dumps({"error": {"msg": "SolrCore is loading", "code": 503}}).encode()
    proxy.status(503, loading, times=2)
    assert client.fetch(["d01"], ["title"])["d01"].fields == {"title": "Leather sofa"}
    proxy.status(503, loading)
    with pytest.raises(Exception, match="SolrCore is loading") as caught:
        shop(url=proxy.url).fetch(["d01"], ["title"])
    assert not isinstance(caught.value, LeserError), "a search client asks again after all but those"


def test_a_core_that_is_loading_or_broken(shop: Open, proxy: Proxy) -> None:
    told = json.dumps({"error": {"msg": "SolrCore is loading", "code": 503}}).encode()
    proxy.status(503, told)
    backend = shop(url=proxy.url)
    assert "is not ready (503: SolrCore is loading)" in trouble(backend.check)
    assert failure(backend).kind == "transient"
    proxy.clear()
    proxy.status(
        500, json.dumps({"error": {"msg": "SolrCore 'x' is not available due to init failure: no class"}}).encode()
    )
    assert "(500: SolrCore 'x' is not available due to init failure: no class)" in trouble(backend.check)
    proxy.clear()
    assert isinstance(backend.search([SOFA], 1)[0], Ranking), "it opens once the server is there"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "query"),
        *((code, "engine") for code in (401, 403, 404, 500)),
        *((code, "transient") for code in (429, 502, 503, 504)),
    ],
)
def test_what_a_status_means(shop: Open, proxy: Proxy, status: int, kind: str) -> None:
    backend = shop(url=proxy.url)
    backend.check()
    proxy.status(status, b'{"error": {"msg": "why not"}}', times=1)
    assert failure(backend) == SearchError(f"Solr answered {status}: why not", kind)  # type: ignore[arg-type]
    assert isinstance(backend.search([SOFA], 1)[0], Ranking)


def test_slow_cut_and_garbled_answers_are_worth_a_retry(shop: Open, proxy: Proxy) -> None:
    backend = shop(url=proxy.url, timeout=1.0)
    backend.check()
    for fault in (proxy.hold, proxy.cut, proxy.garble, proxy.throttle):
        fault(times=1)
        answer = failure(backend)
        assert answer.kind == "transient", (fault, answer)
        assert isinstance(backend.search([SOFA], 1)[0], Ranking)
    proxy.hold(times=1)
    assert failure(backend).message == "Solr gave no answer within 1 s (timeout)"


def test_partial_results_are_no_ranking(shop: Open, proxy: Proxy) -> None:
    backend = shop(url=proxy.url)
    backend.check()
    part = {
        "responseHeader": {"partialResults": True, "QTime": 1},
        "response": {"numFound": 1, "docs": [{"id": "d05"}]},
    }
    proxy.status(200, json.dumps(part).encode(), times=1)
    assert failure(backend).kind == "transient"


def test_solrs_own_partial_results(shop: Open, tmp_path: Path) -> None:
    """A time allowance that is used up before the first document."""
    hurried = template_file(tmp_path, defType="edismax", qf="contents", timeAllowed=0)
    answers = shop(template=hurried).search([ExpandedQuery(str(n), f"sofa lamp {n}") for n in range(20)], 5)
    assert all(isinstance(answer, Ranking) or answer.kind == "transient" for answer in answers)


def test_one_failure_among_many(shop: Open, proxy: Proxy) -> None:
    backend = shop(url=proxy.url, threads=4)
    backend.check()
    proxy.throttle(times=3)
    answers = backend.search([ExpandedQuery(str(n), "sofa") for n in range(12)], 5)
    failed = [answer for answer in answers if isinstance(answer, SearchError)]
    assert len(failed) == 3
    client = SearchClient(backend, SearchOptions(backoff=0.01, cache_size=0))
    proxy.throttle(times=2)
    proxy.cut(times=2)
    assert [answer.ids for answer in client.search([SOFA, ExpandedQuery("r", "lamp")], 5)] == [("d01",), ("d08", "d07")]  # type: ignore[union-attr]


def test_a_batch_that_raises_is_not_asked_to_its_end(shop: Open, proxy: Proxy) -> None:
    """As after Ctrl-C: what is under way ends, the rest is left."""
    backend = shop(url=proxy.url, threads=2)
    backend.check()
    before = proxy.counts["requests"]
    wrong = ExpandedQuery("w", "sofa", (Term("lamp", "heavy"),))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        backend.search([wrong, *(ExpandedQuery(str(n), f"sofa {n}") for n in range(300))], 5)
    backend.close()
    assert proxy.counts["requests"] - before < 100


def test_an_index_deleted_during_a_run(solr: Server) -> None:
    with indexed(solr, DOCUMENTS) as open_:
        backend = open_()
        backend.check()
        known = backend.fingerprint()
        remove(solr, backend.options.index, cloud=False)
        assert failure(backend).kind == "engine"
        with pytest.raises(LeserError, match="404"):
            backend.fetch(["d01"], ["title"])
        assert backend.fingerprint() == known, "what was known goes on: searches say what is wrong"


def test_documents_that_do_not_come(shop: Open, proxy: Proxy) -> None:
    backend = shop(url=proxy.url)
    client = SearchClient(backend, SearchOptions(backoff=0.01))
    backend.check()
    proxy.throttle(times=2)
    assert client.fetch(["d01"], ["title"])["d01"].fields == {"title": "Leather sofa"}


def test_a_long_query_is_the_querys_own_fault(shop: Open) -> None:
    words = " ".join(f"word{n}" for n in range(3000))
    assert failure(shop(), ExpandedQuery("q", words)).kind == "query"
    assert failure(shop(), ExpandedQuery("q", "sofa", (Term(words),))).kind == "query"


def test_listing_loads_no_client() -> None:
    code = "import sys, leser_solr; print(sorted({'solr', 'httpx', 'httpcore'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_backends_in_many_threads_share_no_connection(shop: Open) -> None:
    """Each request holds its connection alone; a batch needs no more of them than it has threads."""
    backend = shop(threads=3)
    backend.search([ExpandedQuery(str(n), f"lamp {n}") for n in range(50)], 5)
    engine: Any = backend._engine
    assert 1 <= len(engine._pool._idle) <= 3
