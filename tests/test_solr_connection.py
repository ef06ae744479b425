"""What stands between LESER and Solr is heeded: a balancer's cookies and certificate, redirections, the environment's proxy."""

from __future__ import annotations

import os
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import pytest
import trustme
from leser_solr import SolrBackend
from servers import Server
from solr_indexes import indexed

from leser.backend import ExpandedQuery, Ranking, Term
from leser.errors import LeserError
from leser.testing import DOCUMENTS
from leser.testing.documents import HOSTILE

Open = Callable[..., SolrBackend]
SOFA = ExpandedQuery("q", "sofa", (Term("lamp", 0.5),))


@pytest.fixture(scope="module")
def shop(solr: Server) -> Iterator[Open]:
    with indexed(solr, DOCUMENTS) as open_:
        yield open_


class Front(ThreadingHTTPServer):
    """Passes requests on to a real server: with a cookie for who has none, as a redirection, or as a proxy for any name."""

    daemon_threads = True

    def __init__(self, server: Server, *, redirects: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.server_url = f"http://127.0.0.1:{server.port}"
        self.redirects = redirects
        self.seen: list[tuple[str, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Passing(BaseHTTPRequestHandler):
    """One connection to it."""

    server: Front
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.removeprefix("http://solr.invalid")  # what a proxy is asked for has its host before it
        cookie = self.headers.get("Cookie")
        self.server.seen.append((self.path, cookie))
        if self.server.redirects:
            self._answer(307, b"", {"Location": self.server.server_url + path})
            return
        headers = {"Content-Type": self.headers["Content-Type"]} if body else {}
        request = urllib.request.Request(self.server.server_url + path, body or None, headers, method=self.command)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            told = answer.read()
        self._answer(200, told, {} if cookie else {"Set-Cookie": f"replica=r{len(self.server.seen)}; Path=/"})

    do_POST = do_GET

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def standing(front: Front) -> Iterator[Front]:
    thread = threading.Thread(target=front.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield front
    finally:
        front.shutdown()
        thread.join()
        front.server_close()


def test_a_balancers_cookie_comes_back(shop: Open, solr: Server) -> None:
    """By it a balancer keeps a client with one replica, so that its scores stay comparable."""
    with standing(Front(solr)) as front:
        backend = shop(url=f"{front.url}/solr", threads=1)
        expected = shop().search([SOFA], 10)[0]
        assert isinstance(expected, Ranking)
        for _ in range(3):
            (answer,) = backend.search([SOFA], 10)
            assert isinstance(answer, Ranking)
            assert answer.hits == expected.hits
        cookies = [cookie for path, cookie in front.seen if path.endswith("/select")]
        assert cookies == ["replica=r1"] * 3, "given with the schema, which is read first"
        engine = backend._engine
        assert engine is not None
        with engine._pool.lend() as line:
            line._client.cookies.clear()
            line._heads.clear()
        backend.search([SOFA] * 3, 10)
        cookies = [cookie for path, cookie in front.seen if path.endswith("/select")]
        assert cookies[3:] == [None, "replica=r5", "replica=r5"], "given with a search's answer"


def test_redirections_are_followed(shop: Open, solr: Server) -> None:
    with standing(Front(solr, redirects=True)) as front:
        backend = shop(url=f"{front.url}/solr")
        assert [hit.hits for hit in rankings(backend)] == [hit.hits for hit in rankings(shop())]
        assert any(path.endswith("/select") for path, _ in front.seen)


def test_the_environments_proxy_is_asked(shop: Open, solr: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {name for name in os.environ if name.lower().endswith("_proxy")}:
        monkeypatch.delenv(name)
    expected = [hit.hits for hit in rankings(shop())]
    with standing(Front(solr)) as front:
        monkeypatch.setenv("HTTP_PROXY", front.url)
        assert [hit.hits for hit in rankings(shop(url="http://solr.invalid/solr"))] == expected
        assert all(urlsplit(path).netloc == "solr.invalid" for path, _ in front.seen)
        assert any(path.endswith("/select") for path, _ in front.seen)


def test_https_wants_a_certificate_of_the_authority(shop: Open, solr: Server, tmp_path: Path) -> None:
    ours, other = trustme.CA(), trustme.CA()
    paths = {name: tmp_path / f"{name}.pem" for name in ("ours", "other")}
    for authority, path in zip((ours, other), paths.values(), strict=True):
        authority.cert_pem.write_to_path(str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.issue_cert("127.0.0.1").configure_cert(context)
    front = Front(solr)
    front.socket = context.wrap_socket(front.socket, server_side=True)
    with standing(front):
        url = f"https://127.0.0.1:{front.server_port}/solr"
        expected = [hit.hits for hit in rankings(shop())]
        assert [hit.hits for hit in rankings(shop(url=url, ca_file=paths["ours"]))] == expected
        assert [hit.hits for hit in rankings(shop(url=url, verify=False))] == expected
        for wrong in ({}, {"ca_file": paths["other"]}):
            with pytest.raises(LeserError, match=r"is not trusted .*Name its authority: -o ca_file=FILE"):
                shop(url=url, **wrong).check()


def rankings(backend: SolrBackend) -> list[Ranking]:
    answers = backend.search([SOFA, ExpandedQuery("r", "lamp")], 10)
    found = [answer for answer in answers if isinstance(answer, Ranking)]
    assert len(found) == len(answers), answers
    return found


def test_forms_say_what_urlencode_says() -> None:
    from leser_solr.connection import COMMON, _form

    params = {"q": "{!simple v=$leser.q} é+&=%", "fq": ["a b", "", "c&d"], "empty": [], "leser.q": "", "é &=": "x"}
    for number, text in enumerate(HOSTILE):
        params[f"leser.t{number}"] = text
    assert _form(params).decode() == f"{urlencode(COMMON)}&{urlencode(params, doseq=True)}"
    again = {name: value for name, (value,) in parse_qs(_form({"q": "*", "v": "a+b c"}).decode()).items()}
    assert again == {**COMMON, "q": "*", "v": "a+b c"}
    assert quote_plus("\x00*\x1f") in _form({"v": "\x00*\x1f"}).decode()
