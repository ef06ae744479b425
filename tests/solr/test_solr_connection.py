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
from solr_indexes import index_name, indexed, options_for

from leser.backend import ExpandedQuery, Ranking, SearchError, Term
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
    """Passes requests on to a real server: with a cookie for who has none, or as a proxy for any name.

    Or it redirects them with a status, those with one of the methods; or sends who has no cookie to log in (and back).
    """

    daemon_threads = True

    def __init__(
        self, server: Server, *, redirects: int = 0, to: str = "", methods: str = "GET POST", login: bool = False
    ) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.server_url = f"http://127.0.0.1:{server.port}"
        self.redirects, self.to, self.methods, self.login = redirects, to or self.server_url, methods.split(), login
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
        if self.server.redirects and self.command in self.server.methods:
            self._answer(self.server.redirects, b"", {"Location": self.server.to + path})
            return
        if self.server.login and path.startswith("/login"):
            self._answer(307, b"", {"Location": path.removeprefix("/login"), "Set-Cookie": "session=s; Path=/"})
            return
        if self.server.login and not cookie:
            self._answer(307, b"", {"Location": f"/login{path}"})
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


def test_a_cookie_from_a_redirections_target_comes_back(shop: Open, solr: Server) -> None:
    """Who was sent to log in once is let through from then on."""
    with standing(Front(solr, login=True)) as front:
        backend = shop(url=f"{front.url}/solr", threads=1)
        expected = shop().search([SOFA], 10)[0]
        assert isinstance(expected, Ranking)
        backend.check()
        engine = backend._engine
        assert engine is not None
        with engine._pool.lend() as line:
            line._client.cookies.clear()
            line._heads.clear()
        front.seen.clear()
        for answer in backend.search([SOFA] * 4, 10):
            assert isinstance(answer, Ranking), answer
            assert answer.hits == expected.hits
        asked = f"/solr/{backend.options.index}/select"
        once = [(asked, None), (f"/login{asked}", None), (asked, "session=s")]
        assert front.seen == [*once, *[(asked, "session=s")] * 3]


@pytest.mark.parametrize("status", [307, 308])
def test_redirections_that_keep_the_form_are_followed(shop: Open, solr: Server, status: int) -> None:
    with standing(Front(solr, redirects=status)) as front:
        backend = shop(url=f"{front.url}/solr")
        assert [hit.hits for hit in rankings(backend)] == [hit.hits for hit in rankings(shop())]
        assert len([path for path, _ in front.seen if path.endswith("/select")]) == 2, "each search asks it once"


@pytest.mark.parametrize("status", [301, 302, 303])
def test_redirections_that_lose_the_form_are_named(shop: Open, solr: Server, status: int) -> None:
    """Followed as browsers do, they make a search that finds nothing, or the handler's own default."""
    with standing(Front(solr, redirects=status)) as front:
        backend = shop(url=f"{front.url}/solr")
        for call in (backend.check, lambda: backend.search([SOFA], 10), lambda: backend.index(DOCUMENTS)):
            with pytest.raises(LeserError) as caught:
                call()
            assert f"Solr at {front.url}/solr answered {status}: it redirects to {solr.url}/" in str(caught.value)
            assert str(caught.value).endswith(f"-o url={solr.url}")
    gateway = Front(solr, redirects=status, to="http://127.0.0.1:9/login?from=")
    told = r"redirects to http://127\.0\.0\.1:9/login, .*-o url=\.\.\.$"
    with standing(gateway), pytest.raises(LeserError, match=told):
        shop(url=f"{gateway.url}/solr").check()


@pytest.mark.parametrize("through", [False, True])
def test_forms_that_alone_are_redirected_are_not_lost(shop: Open, solr: Server, through: bool) -> None:
    """At once, or behind a redirection that keeps them."""
    losing = Front(solr, redirects=301, methods="POST")
    keeping = Front(solr, redirects=307, to=losing.url)
    with standing(losing), standing(keeping):
        backend = shop(url=f"{keeping.url if through else losing.url}/solr")
        for answer in backend.search([SOFA] * 2, 10):
            assert isinstance(answer, SearchError), answer
            assert answer.kind == "engine"
            assert f"Solr answered 301: it redirects to {solr.url}/{backend.options.index}/select" in answer.message
            assert answer.message.endswith(f"-o url={solr.url}")
        with pytest.raises(LeserError, match=r"answered 301: it redirects to "):
            backend.fetch(["d01"], ["title"])


def test_documents_are_not_lost_by_a_redirection(solr: Server) -> None:
    front = Front(solr, redirects=301, methods="POST")
    with index_name(solr) as names, standing(front), pytest.raises(LeserError, match=r"301: it redirects to .*-o url="):
        SolrBackend(options_for(solr, **names, url=f"{front.url}/solr")).index(DOCUMENTS)


def test_the_environments_proxy_is_asked(shop: Open, solr: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {name for name in os.environ if name.lower().endswith("_proxy")}:
        monkeypatch.delenv(name)
    expected = [hit.hits for hit in rankings(shop())]
    with standing(Front(solr)) as front:
        monkeypatch.setenv("HTTP_PROXY", front.url)
        assert [hit.hits for hit in rankings(shop(url="http://solr.invalid/solr"))] == expected
        assert all(urlsplit(path).netloc == "solr.invalid" for path, _ in front.seen)
        assert any(path.endswith("/select") for path, _ in front.seen)


@pytest.fixture
def authorities(tmp_path: Path) -> dict[str, Path]:
    """Certificates of two authorities; the first one's key is beside it, in a file for servers."""
    paths = {name: tmp_path / f"{name}.pem" for name in ("ours", "other")}
    for path in paths.values():
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(path))
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(path.with_suffix(".key")))
    return paths


@contextmanager
def standing_https(front: Front, authority: Path) -> Iterator[str]:
    """The address of a front that has a certificate of this authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.with_suffix(".key"))
    front.socket = context.wrap_socket(front.socket, server_side=True)
    with standing(front):
        yield f"https://127.0.0.1:{front.server_port}"


def test_https_wants_a_certificate_of_the_authority(shop: Open, solr: Server, authorities: dict[str, Path]) -> None:
    with standing_https(Front(solr), authorities["ours"]) as url:
        accepted_only_with_its_authority(shop, f"{url}/solr", authorities)


def test_https_behind_a_redirection_does_too(shop: Open, solr: Server, authorities: dict[str, Path]) -> None:
    """The credentials go there as well."""
    with standing_https(Front(solr), authorities["ours"]) as url, standing(Front(solr, redirects=308, to=url)) as front:
        accepted_only_with_its_authority(shop, f"{front.url}/solr", authorities)


def accepted_only_with_its_authority(shop: Open, url: str, authorities: dict[str, Path]) -> None:
    expected = [hit.hits for hit in rankings(shop())]
    assert [hit.hits for hit in rankings(shop(url=url, ca_file=authorities["ours"]))] == expected
    assert [hit.hits for hit in rankings(shop(url=url, verify=False))] == expected
    for wrong in ({}, {"ca_file": authorities["other"]}):
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
