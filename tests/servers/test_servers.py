"""The tests' own servers: they are the real ones, end when they must, and the proxy does what it is told."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import psutil
import pytest
from servers import Proxy, Server, ServerFailed, create_core
from servers.server import free_port

TEXT = b'{"hits": [' + b"0, " * 200 + b"0]}"


class Small(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if body == b"question" else 400)
        self.send_header("Content-Length", str(len(TEXT)))
        self.end_headers()
        self.wfile.write(TEXT)


@pytest.fixture
def small() -> Iterator[str]:
    """A plain HTTP server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Small)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/base"
    server.shutdown()
    server.server_close()


def ask(proxy: Proxy, path: str = "/x", timeout: float = 10) -> tuple[int, bytes, str | None]:
    request = urllib.request.Request(proxy.url + path, b"question")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read(), None
    except HTTPError as error:
        return error.code, error.read(), error.headers["Retry-After"]


def test_the_proxy_passes_on(small: str) -> None:
    with Proxy(small) as proxy:
        assert proxy.url == f"http://127.0.0.1:{proxy.port}/base"
        assert [ask(proxy) for _ in range(3)] == [(200, TEXT, None)] * 3
        kept = http.client.HTTPConnection("127.0.0.1", proxy.port)
        for _ in range(2):  # one connection, and a body in chunks
            kept.request("POST", "/x", iter([b"ques", b"tion"]), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
            answer = kept.getresponse()
            assert (answer.status, answer.read()) == (200, TEXT)
        kept.close()
        assert proxy.counts == {"requests": 5, "passed": 5}


def test_the_proxy_answers_itself(small: str) -> None:
    with Proxy(small) as proxy:
        proxy.throttle(7, times=2)
        assert [ask(proxy) for _ in range(3)] == [(429, b"", "7"), (429, b"", "7"), (200, TEXT, None)]
        proxy.status(503, b"busy", path="/_msearch")
        assert ask(proxy) == (200, TEXT, None)
        assert ask(proxy, "/_msearch") == (503, b"busy", None)
        proxy.clear()
        assert ask(proxy, "/_msearch") == (200, TEXT, None)
        assert proxy.counts == {"requests": 6, "throttle": 2, "status": 1, "passed": 3}


def test_the_proxy_cuts_and_garbles(small: str) -> None:
    with Proxy(small) as proxy:
        proxy.cut(times=1)
        proxy.garble(times=1)
        with pytest.raises(http.client.IncompleteRead) as caught:
            ask(proxy)
        assert caught.value.partial == TEXT[: len(TEXT) // 2]
        status, text, _ = ask(proxy)
        assert (status, len(text)) == (200, len(TEXT))
        with pytest.raises(ValueError, match=r"utf-8|Expecting"):
            json.loads(text)
        assert proxy.counts == {"requests": 2, "cut": 1, "garble": 1}


def test_the_proxy_delays_and_holds(small: str) -> None:
    with Proxy(small) as proxy:
        proxy.delay(0.3, times=1)
        proxy.hold()
        with pytest.raises(TimeoutError):
            ask(proxy, timeout=0.1)
        with pytest.raises(TimeoutError):
            ask(proxy, timeout=0.1)
        assert (proxy.counts["delay"], proxy.counts["hold"]) == (1, 1)


def test_the_proxy_lets_something_happen_first(small: str) -> None:
    happened: list[str] = []
    with Proxy(small) as proxy:
        proxy.before(lambda: happened.append("now"))
        assert [ask(proxy), ask(proxy)] == [(200, TEXT, None)] * 2
        assert happened == ["now"]
        assert proxy.counts == {"requests": 2, "before": 1, "passed": 2}


def test_the_proxy_draws_by_its_seed(small: str) -> None:
    def statuses(seed: int) -> list[int]:
        with Proxy(small, seed=seed) as proxy:
            proxy.status(503, probability=0.3)
            return [ask(proxy)[0] for _ in range(40)]

    assert statuses(1) == statuses(1) != statuses(2)
    assert 3 <= statuses(1).count(503) <= 25


def test_the_proxy_of_a_dead_server_hangs_up(small: str) -> None:
    with Proxy(f"http://127.0.0.1:{free_port()}") as proxy:
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            ask(proxy)
        assert proxy.counts == {"requests": 1, "unreachable": 1}


@pytest.fixture
def listing(tmp_path: Path) -> Callable[..., Server]:
    """A server that is Python's own, kept as the big ones are."""

    def made(*command: str) -> Server:
        port = free_port()
        folder = tmp_path / "listing"
        folder.mkdir()
        standard = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path))
        (tmp_path / "facts.json").write_text('{"up": true}')
        return Server(
            f"http://127.0.0.1:{port}", "1", folder=folder, probe="/facts.json", command=[*(command or standard)]
        )

    return made


def test_a_server_is_killed_stopped_and_started_again(listing: Callable[..., Server]) -> None:
    server = listing()
    with server.start():
        first = server.pid
        server.save()
        assert server.folder is not None
        assert Server.load(server.folder).get("/facts.json") == {"up": True}
        server.kill()
        assert server.pid is None
        with pytest.raises(OSError, match="refused"):
            server.get("/facts.json")
        assert server.start().pid not in (None, first)
        server.stop()
        assert server.pid is None
        server.start()
    assert server.pid is None
    assert not server.folder.exists()


def test_a_server_that_does_not_start_says_why(listing: Callable[..., Server]) -> None:
    server = listing(sys.executable, "-c", "raise SystemExit('no room on this disk')")
    with pytest.raises(ServerFailed, match=r"(?s)ended before it answered.*no room on this disk"):
        server.start()


def test_a_server_ends_with_its_owner_even_when_that_is_killed(listing: Callable[..., Server]) -> None:
    owner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    server = listing().start(owner.pid)
    pid = server.pid
    assert pid is not None
    owner.kill()
    owner.wait()
    for _ in range(600):
        if not psutil.pid_exists(pid) and not server.folder.exists():  # type: ignore[union-attr]
            break
        time.sleep(0.05)
    assert not psutil.pid_exists(pid)
    assert not server.folder.exists()  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["elasticsearch_8", "elasticsearch_9"])
def test_elasticsearch_is_real(name: str, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(name)
    assert server.version.partition(".")[0] == name[-1]
    server.request("PUT", f"/harness-{name[-1]}/_doc/1?refresh=true", {"title": "a lamp"})
    found = server.request("POST", f"/harness-{name[-1]}/_search", {"query": {"match": {"title": "lamp"}}})
    assert [hit["_id"] for hit in found["hits"]["hits"]] == ["1"]
    server.request("DELETE", f"/harness-{name[-1]}")


def test_secured_elasticsearch_wants_its_credentials_and_its_ca(elasticsearch_secure: Server) -> None:
    server = elasticsearch_secure
    assert server.url.startswith("https://")
    assert server.get("/_security/_authenticate")["username"] == "elastic"
    with pytest.raises(HTTPError, match="401"):
        Server(server.url, server.version, ca_file=server.ca_file).get("/_cluster/health")
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        Server(server.url, server.version, user=server.user, password=server.password).get("/_cluster/health")
    with Proxy(server) as proxy:
        assert Server(proxy.url, "", user=server.user, password=server.password).get("/_cluster/health")


def test_solr_is_real_and_its_schema_can_be_changed(solr: Server) -> None:
    create_core(solr, "harness")
    solr.request("POST", "/harness/schema", {"add-field": {"name": "title", "type": "text_en", "stored": True}})
    solr.request("POST", "/harness/update?commit=true", [{"id": "1", "title": "lamps"}])
    assert solr.get("/harness/select?q=title:lamp")["response"]["docs"][0]["id"] == "1"
    solr.get("/admin/cores?action=UNLOAD&core=harness&deleteInstanceDir=true")


def test_secured_solr_wants_its_credentials(solr_secure: Server) -> None:
    assert solr_secure.get("/admin/cores?action=STATUS")["status"] == {}
    with pytest.raises(HTTPError, match="401"):
        Server(solr_secure.url, solr_secure.version).get("/admin/cores?action=STATUS")


def test_solr_cloud_makes_a_collection(solr_cloud: Server) -> None:
    solr_cloud.get("/admin/collections?action=CREATE&name=harness&numShards=2&collection.configName=_default")
    solr_cloud.request("POST", "/harness/update?commit=true", [{"id": "1"}, {"id": "2"}])
    assert solr_cloud.get("/harness/select?q=*:*")["response"]["numFound"] == 2
    solr_cloud.get("/admin/collections?action=DELETE&name=harness")
