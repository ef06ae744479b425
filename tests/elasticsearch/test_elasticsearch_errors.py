"""What goes wrong between LESER and Elasticsearch, and what the user is told: each its own words, none with a secret."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from elastic import made, opened
from elasticsearch import Elasticsearch
from leser_elasticsearch import ElasticsearchBackend
from servers.proxy import Proxy
from servers.server import Server

from leser.backend import Document, ExpandedQuery, Ranking, SearchError
from leser.engine import SearchClient, SearchOptions
from leser.errors import IndexMissing, LeserError
from leser.options import validate_options

SOFA = [ExpandedQuery("q", "sofa")]
SECRET = "hunter2-do-not-print"


@pytest.fixture(scope="module")
def index(elasticsearch_8: Server) -> str:
    return made(elasticsearch_8)


@pytest.fixture(scope="module")
def cluster(elasticsearch_8: Server) -> Iterator[Elasticsearch]:
    with Elasticsearch(elasticsearch_8.url) as client:
        yield client


@contextmanager
def answering(
    status: int, body: Any, *, headers: dict[str, str] | None = None
) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that answers everything with the same; yields its URL and the headers it has got."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_PUT = do_GET

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()


def refused(**options: object) -> str:
    """What is said of options that don't fit together."""
    with pytest.raises(LeserError) as caught:
        opened("http://localhost:1", **options)
    return str(caught.value)


def complaint(backend: ElasticsearchBackend) -> str:
    """What `check` says."""
    with pytest.raises(LeserError) as caught:
        backend.check()
    backend.close()
    return str(caught.value)


def failure(backend: ElasticsearchBackend) -> SearchError:
    (answer,) = backend.search(SOFA, 1)
    assert isinstance(answer, SearchError)
    return answer


def test_options_that_do_not_fit_together() -> None:
    assert "give one way to log in, not api_key_env and user" in refused(api_key_env="A", user="u", password_env="P")
    assert "user and password_env belong together" in refused(user="u")
    assert "vector_field and vector_function belong together" in refused(vector_field="v")
    assert "client_key needs client_cert" in refused(client_key="k.pem")
    assert "give cloud_id or url, not both" in refused(cloud_id="a:b")
    assert "weights of 1 or more" in refused(type="combined_fields", fields="title^0.5,text")
    assert "Did you mean 'api_key_env'" in refused(api_key="A")
    with pytest.raises(LeserError, match="expected http://host:port"):
        opened("localhost:9200")


@pytest.mark.parametrize(
    "url",
    [
        f"https://elastic:{SECRET}@search.example:9200",
        f"leser:{SECRET}@search:9200",
        f"http://leser:p[{SECRET}@search:9200",
        f"http://leser:{SECRET}/2@search:9200",
        f"http://leser:{SECRET}?2#@search:9200",
        f"http://leser:a,{SECRET} b@search:9200",
        f"http://localhost:9200,http://leser:{SECRET}@search:9200",
        ["http://localhost:9200", f"leser:{SECRET}@search:9200"],
        (f"http://{SECRET}@search:9200",),
    ],
)
def test_an_url_with_a_password_is_refused_and_not_repeated(url: object) -> None:
    with pytest.raises(LeserError) as caught:
        validate_options(ElasticsearchBackend.Options, {"url": url}, "backend 'elasticsearch'")
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert "-o user=NAME and -o password_env=VARIABLE" in str(caught.value)


def test_no_server() -> None:
    said = complaint(opened("http://127.0.0.1:9"))
    assert said.startswith("No Elasticsearch answers at http://127.0.0.1:9 (")
    error = failure(opened("http://127.0.0.1:9"))
    assert error.kind == "transient"


def test_several_addresses_one_of_them_down(elasticsearch_8: Server, index: str) -> None:
    backend = opened(f"{elasticsearch_8.url},{elasticsearch_8.url.replace('127.0.0.1', 'localhost')}", index)
    for _ in range(4):
        assert isinstance(backend.search(SOFA, 1)[0], Ranking)
    backend.close()


def test_a_missing_index_names_the_command_that_makes_it(elasticsearch_8: Server) -> None:
    backend = opened(elasticsearch_8, "no-such-index", user="me", password_env="PATH")
    with pytest.raises(IndexMissing) as caught:
        backend.check()
    said = caught.value.told("demo")
    assert said.startswith(f"Elasticsearch at {elasticsearch_8.url} has no index 'no-such-index'.")
    assert ". Build it with: leser index --backend" in said
    assert said.endswith(
        f"--backend elasticsearch --task demo -o url={elasticsearch_8.url} -o user=me -o password_env=PATH -o index=no-such-index"
    )
    assert "has no index 'no-such-*'" in complaint(opened(elasticsearch_8, "no-such-*"))


def test_a_missing_index_tells_which_ones_are_near(elasticsearch_8: Server, cluster: Elasticsearch) -> None:
    name = made(elasticsearch_8)
    cluster.indices.put_alias(index=name, name=f"{name}-alias")
    for there, asked in ((name, f"{name[:-1]}"), (f"{name}-alias", f"{name}-alia")):
        said = complaint(opened(elasticsearch_8, asked))
        assert f"has no index '{asked}'. Did you mean '{there}'? There are: {there}, " in said
        assert "There are: ." not in said
    cluster.indices.delete(index=name)


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_of_another_kind_is_asked_about(status: int) -> None:
    """Solr answers what it does not know with a page of HTML, proxies with words of their own."""
    for body in ("<html><h2>HTTP ERROR 404 Can not find: /solr/leser-demo</h2></html>", {"error": "Incorrect method"}):
        with answering(status, body) as (url, _):
            said = complaint(opened(f"{url}/solr"))
            assert f"The server at {url}/solr ({status}, without a reason)" in said
            assert "Is it Elasticsearch?" in said
            assert "NotFoundError" not in said
            with pytest.raises(LeserError, match=r"Is it Elasticsearch\?"):
                opened(f"{url}/solr").index([Document("a", {"title": "sofa"})])


def test_a_closed_index(elasticsearch_8: Server, cluster: Elasticsearch) -> None:
    name = made(elasticsearch_8)
    open_before = opened(elasticsearch_8, name)
    assert isinstance(open_before.search(SOFA, 1)[0], Ranking)
    cluster.indices.close(index=name)
    assert f"The index '{name}' at {elasticsearch_8.url} is closed. Open it with: POST /{name}/_open" in complaint(
        opened(elasticsearch_8, name)
    )
    error = failure(open_before)
    assert error.kind == "engine"
    assert "closed" in error.message


def test_a_red_index_and_a_red_neighbour(elasticsearch_8: Server, cluster: Elasticsearch, index: str) -> None:
    nowhere = {"index.routing.allocation.require._name": "no-such-node"}
    cluster.indices.create(index="red-one", settings=nowhere, wait_for_active_shards=0)
    try:
        assert "The index 'red-one'" in (said := complaint(opened(elasticsearch_8, "red-one")))
        assert "is red: primary shards are missing" in said
        (warning,) = opened(elasticsearch_8, index).check()["warnings"]
        assert warning.startswith("the cluster is red, though not this index")
    finally:
        cluster.indices.delete(index="red-one")


def test_an_index_deleted_during_the_run(elasticsearch_8: Server, cluster: Elasticsearch) -> None:
    name = made(elasticsearch_8)
    backend = opened(elasticsearch_8, name)
    assert isinstance(backend.search(SOFA, 1)[0], Ranking)
    cluster.indices.delete(index=name)
    error = failure(backend)
    assert error.kind == "engine"
    assert f"no such index [{name}]" in error.message
    with pytest.raises(IndexMissing):
        backend.fetch(["d01"], ["title"])


def test_fields_that_are_not_there(elasticsearch_8: Server, index: str) -> None:
    said = complaint(opened(elasticsearch_8, index, fields="titel^3,text"))
    assert said == (
        f"Unknown field 'titel' of the index '{index}'. Did you mean 'title'? Available: brand, contents, price, text, title."
    )
    assert "Unknown field" in complaint(opened(elasticsearch_8, index, ties="sku"))
    assert opened(elasticsearch_8, index, fields="ti*,text").check()["documents"] == 12


def test_a_newer_client_than_the_server(elasticsearch_8: Server) -> None:
    """The 8 server's own answer to the header that a 9 client sends, passed on to ours."""
    request = urllib.request.Request(
        f"{elasticsearch_8.url}/_cluster/health",
        headers={"Accept": "application/vnd.elasticsearch+json; compatible-with=9"},
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 400
    with Proxy(elasticsearch_8) as proxy:
        proxy.status(400, caught.value.read())
        said = complaint(opened(proxy.url))
    assert "is older than the package elasticsearch" in said
    assert re.search(r"pip install 'elasticsearch<\d+'$", said)


def test_opensearch_is_not_elasticsearch() -> None:
    with answering(200, {"cluster_name": "opensearch", "version": {"distribution": "opensearch"}}) as (url, _):
        said = complaint(opened(url))
    assert f"The server at {url} is not Elasticsearch. OpenSearch needs a backend plugin of its own" in said
    with answering(406, {"error": "Content-Type header [...; compatible-with=8] is not supported", "status": 406}) as (
        url,
        _,
    ):
        assert "OpenSearch needs a backend plugin of its own" in complaint(opened(url))


def test_something_else_answers() -> None:
    with answering(502, "<html>Bad gateway</html>") as (url, _):
        assert "502" in complaint(opened(url))
    with answering(404, {"detail": "Not Found"}) as (url, _):
        assert "404" in complaint(opened(url))


def test_security(elasticsearch_secure: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Basic auth over TLS with the server's own authority, and all the ways to get it wrong."""
    server = elasticsearch_secure
    assert server.password is not None
    monkeypatch.setenv("ES_PASSWORD", server.password)
    login = {"user": server.user, "password_env": "ES_PASSWORD", "ca_file": server.ca_file}
    name = made(server, **login)
    backend = opened(server, name, **login)
    assert backend.check()["documents"] == 12
    for shown in (repr(backend), repr(backend.options), backend.fingerprint(), backend.options.model_dump_json()):
        assert server.password not in shown.replace(str(server.ca_file), "")
    answered_401 = f"Elasticsearch at {server.url} answered 401: "
    assert complaint(opened(server, name, ca_file=server.ca_file)).startswith(f"{answered_401}it requires a login.")
    monkeypatch.setenv("WRONG", SECRET)
    said = complaint(opened(server, name, **{**login, "password_env": "WRONG"}))
    assert said == f"{answered_401}user '{server.user}' and the password in the environment variable WRONG don't fit."
    wrong_key = base64.b64encode(f"id:{SECRET}".encode()).decode()
    monkeypatch.setenv("WRONG", wrong_key)
    said = complaint(opened(server, name, ca_file=server.ca_file, api_key_env="WRONG"))
    assert said.startswith(f"{answered_401}it knows no such API key")
    assert wrong_key not in said
    assert "(api_key_env)" in said
    assert "No secure connection" in (said := complaint(opened(server, name, **{**login, "ca_file": None})))
    assert "-o ca_file=FILE" in said
    assert "no file" in complaint(opened(server, name, **{**login, "ca_file": tmp_path / "none.pem"}))
    monkeypatch.delenv("ES_PASSWORD")
    assert "environment variable named by password_env (now ES_PASSWORD) is not set" in complaint(
        opened(server, name, **login)
    )
    plain = opened(server.url.replace("https", "http"), name)
    assert "https://" in complaint(plain)


@pytest.mark.parametrize(
    ("option", "value", "header"),
    [("api_key_env", "aWQ6a2V5", "ApiKey aWQ6a2V5"), ("token_env", "a.b.c", "Bearer a.b.c")],
)
def test_credentials_on_the_wire(monkeypatch: pytest.MonkeyPatch, option: str, value: str, header: str) -> None:
    monkeypatch.setenv("ES_SECRET", value)
    forbidden = {"error": {"type": "security_exception", "reason": "not allowed"}, "status": 403}
    with answering(403, forbidden) as (url, seen):
        said = complaint(opened(url, **{option: "ES_SECRET"}))
    assert {one["authorization"] for one in seen} == {header}
    assert value not in said
    assert "answered 403: not allowed. Grant the privileges read and view_index_metadata" in said


def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    """A TLS server that wants one: without it no connection, with it an answer."""
    import ssl

    import trustme

    authority = trustme.CA()
    paths = {name: tmp_path / f"{name}.pem" for name in ("ca_file", "client_cert", "client_key")}
    authority.cert_pem.write_to_path(str(paths["ca_file"]))
    client = authority.issue_cert("me@example.org")
    client.cert_chain_pems[0].write_to_path(str(paths["client_cert"]))
    client.private_key_pem.write_to_path(str(paths["client_key"]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(418)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    url = f"https://127.0.0.1:{server.server_port}"
    try:
        assert "answered 418" in complaint(opened(url, **paths))
        assert "418" not in complaint(opened(url, ca_file=paths["ca_file"]))
    finally:
        server.shutdown()
        server.server_close()


def test_a_cloud_id_stands_for_an_address() -> None:
    host = base64.b64encode(b"cloud.example$abc123$kib").decode()
    backend = ElasticsearchBackend(ElasticsearchBackend.Options(cloud_id=f"shop:{host}"))
    from leser_elasticsearch.connection import connect

    with connect(backend.options) as client:
        (node,) = client.transport.node_pool.all()
    assert node.base_url == "https://abc123.cloud.example:443"
    assert backend.options.place == "Elastic Cloud shop"
    assert "no connection to Elastic Cloud x" in complaint(
        ElasticsearchBackend(ElasticsearchBackend.Options(cloud_id="x:y"))
    )


def test_ports_that_go_without_saying() -> None:
    from leser_elasticsearch.connection import connect

    options = ElasticsearchBackend.Options(url="https://es.example/search,http://es.example,http://[::1]:9201")  # type: ignore[arg-type]
    with connect(options) as client:
        nodes = {node.base_url for node in client.transport.node_pool.all()}
    assert nodes == {"https://es.example:443/search", "http://es.example:9200", "http://[::1]:9201"}


def test_trouble_for_the_moment_is_transient(elasticsearch_8: Server, index: str) -> None:
    trouble: list[Callable[[Proxy], None]] = [
        lambda proxy: proxy.throttle(),
        lambda proxy: proxy.status(503, b'{"error": {"type": "unavailable", "reason": "starting"}, "status": 503}'),
        lambda proxy: proxy.status(502, b'"<html>"'),
        lambda proxy: proxy.cut(),
        lambda proxy: proxy.garble(),
        lambda proxy: proxy.delay(3),
    ]
    for start in trouble:
        with Proxy(elasticsearch_8) as proxy:
            backend = opened(proxy.url, index, timeout=1)
            assert isinstance(backend.search(SOFA, 1)[0], Ranking)
            start(proxy)
            assert failure(backend).kind == "transient"
            with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, SearchClient tries again
                backend.fetch(["d01"], ["title"])
            assert not isinstance(caught.value, LeserError)
            proxy.clear()
            assert isinstance(backend.search(SOFA, 1)[0], Ranking)
            backend.close()


def test_trouble_at_the_first_search_is_transient_too(elasticsearch_8: Server, index: str) -> None:
    with Proxy(elasticsearch_8) as proxy:
        backend = opened(proxy.url, index)
        proxy.status(503, times=1)
        assert failure(backend).kind == "transient"
        assert isinstance(backend.search(SOFA, 1)[0], Ranking)
        backend.close()


def test_a_server_that_is_down_is_an_answer_from_the_first_call_on(elasticsearch_8: Server, index: str) -> None:
    down = opened("http://127.0.0.1:9")
    assert down.fingerprint().endswith(" not ready")
    with SearchClient(down, SearchOptions(retries=0)) as client:
        (error,) = client.search(SOFA, 1)
    assert isinstance(error, SearchError)
    assert error.kind == "transient"
    with Proxy(elasticsearch_8) as proxy:
        backend = opened(proxy.url, index)
        with SearchClient(backend, SearchOptions(retries=0)) as client:
            proxy.status(503)
            (error,) = client.search(SOFA, 1)
            assert isinstance(error, SearchError)
            assert error.kind == "transient"
            proxy.clear()
            assert isinstance(client.search(SOFA, 1)[0], Ranking)
            assert "not ready" not in backend.fingerprint()
    with pytest.raises(IndexMissing):
        opened(elasticsearch_8, "no-such-index").fingerprint()


def test_a_batch_that_is_too_large_goes_in_halves(elasticsearch_8: Server, index: str) -> None:
    queries = [ExpandedQuery(str(n), text) for n, text in enumerate(["sofa", "jacket", "yoga", "bottle", "chair"])]
    with Proxy(elasticsearch_8) as proxy:
        backend = opened(proxy.url, index)
        backend.check()
        proxy.status(413, b"{}", times=2, path="_msearch")
        answers = backend.search(queries, 1)
        assert [answer.ids for answer in answers if isinstance(answer, Ranking)] == [
            ("d01",),
            ("d05",),
            ("d11",),
            ("d10",),
            ("d06",),
        ]
        proxy.status(413, b"{}", path="_msearch")
        assert {answer.kind for answer in backend.search(queries, 1) if isinstance(answer, SearchError)} == {"query"}
        backend.close()


def test_part_of_the_shards_is_no_answer(elasticsearch_8: Server, cluster: Elasticsearch, index: str) -> None:
    """Two indices behind one name, one of which cannot sort: half a ranking would look like a whole one."""
    cluster.indices.create(index=f"{index}-bare", mappings={"properties": {"contents": {"type": "text"}}})
    cluster.index(index=f"{index}-bare", id="x", document={"contents": "sofa"}, refresh=True)
    error = failure(opened(elasticsearch_8, f"{index}*", ties="brand.keyword"))
    assert error.kind == "transient"
    assert error.message.startswith("1 of 2 shards did not answer: No mapping found for [brand.keyword]")
    (answer,) = opened(elasticsearch_8, f"{index}*").search(SOFA, 5)
    assert isinstance(answer, Ranking)
    assert set(answer.ids) == {"d01", "x"}


def test_an_unfinished_answer_is_no_answer(elasticsearch_8: Server, index: str) -> None:
    whole = {"took": 1, "timed_out": False, "_shards": {"total": 1, "failed": 0}, "hits": {"hits": []}, "status": 200}
    damaged: list[Any] = [
        {**whole, "timed_out": True},
        {**whole, "status": None},
        {key: value for key, value in whole.items() if key != "_shards"},
        {key: value for key, value in whole.items() if key != "took"},
        {**whole, "hits": {"hits": [{"_id": "a"}]}},
        {**whole, "_clusters": {"total": 2, "successful": 1, "skipped": 1}},
        {**whole, "_clusters": {"total": 2, "successful": 1, "skipped": 0, "partial": 1, "failed": 0}},
        "?",
    ]
    with Proxy(elasticsearch_8) as proxy:
        backend = opened(proxy.url, index)
        backend.check()
        for response in damaged:
            proxy.status(200, json.dumps({"responses": [response]}).encode(), times=1, path="_msearch")
            assert failure(backend).kind == "transient", response
        for body in (b'{"responses": []}', b"[]", b'"text"'):
            proxy.status(200, body, times=1, path="_msearch")
            assert failure(backend).kind == "transient", body
        backend.close()


def test_parts_that_tell_of_a_cut_answer_are_asked_for(
    elasticsearch_8: Server, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `filter_path` leaves out cannot be noticed: a real server's terminated_early has to arrive, and is an error."""
    backend = opened(elasticsearch_8, index)
    engine = backend._open()
    whole = engine.builder.body
    monkeypatch.setattr(engine.builder, "body", lambda *given: {**whole(*given), "terminate_after": 1})
    (error,) = backend.search([ExpandedQuery("q", "couch lamp")], 5)
    assert isinstance(error, SearchError)
    assert error.kind == "engine"
    assert "terminated_early" in error.message
    from leser_elasticsearch.engine import ANSWERED

    assert "responses._clusters" in ANSWERED.split(",")


def test_a_cluster_that_was_skipped_is_named(elasticsearch_8: Server, index: str) -> None:
    clusters = {
        "total": 2,
        "successful": 1,
        "skipped": 1,
        "details": {"(local)": {"status": "successful"}, "far": {"status": "skipped"}},
    }
    answer = {"took": 1, "timed_out": False, "_shards": {"failed": 0}, "_clusters": clusters, "hits": {}, "status": 200}
    with Proxy(elasticsearch_8) as proxy:
        backend = opened(proxy.url, index)
        backend.check()
        proxy.status(200, json.dumps({"responses": [answer]}).encode(), times=1, path="_msearch")
        assert failure(backend).message == "Not all of 2 clusters answered in full: 1 skipped (far)"
        assert isinstance(backend.search(SOFA, 1)[0], Ranking)
        backend.close()


def test_what_the_engine_refuses_is_the_querys_fault(elasticsearch_8: Server, index: str) -> None:
    backend = opened(elasticsearch_8, index, max_clauses=1_000_000, fields="title,text,contents,brand")
    ok, too_long, bad = backend.search(
        [SOFA[0], ExpandedQuery("q", " ".join(f"w{n}" for n in range(100_000))), SOFA[0]], 10_001
    )
    assert all(isinstance(answer, SearchError) and answer.kind == "query" for answer in (ok, too_long, bad))
    assert isinstance(ok, SearchError)
    assert "Result window is too large" in ok.message
    ok, too_long = backend.search([SOFA[0], ExpandedQuery("q", " ".join(f"w{n}" for n in range(100_000)))], 10)
    assert isinstance(ok, Ranking)
    assert isinstance(too_long, SearchError)
    assert too_long.kind == "query"
    assert "Shorten the query, expand it less" in too_long.message
    refused = opened(elasticsearch_8, index, max_clauses=8, fields="title,text").search(
        [ExpandedQuery("q", "a b c d e")], 1
    )[0]
    assert isinstance(refused, SearchError)
    assert "about 5 words in 2 field(s), over max_clauses=8" in refused.message


def test_listing_imports_no_client() -> None:
    code = "import sys, leser_elasticsearch; print(sorted({'elasticsearch', 'elastic_transport', 'urllib3'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_without_the_client_package(tmp_path: Path) -> None:
    (tmp_path / "elasticsearch.py").write_text("raise ImportError('not installed')")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from leser_elasticsearch import ElasticsearchBackend as B\n"
        "from leser.errors import LeserError\n"
        "try: B(B.Options()).check()\n"
        "except LeserError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'leser[elasticsearch]'" in run.stdout, run.stderr
    shutil.rmtree(tmp_path)
