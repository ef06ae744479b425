"""Connections to Solr through solrpy: a pool that lends each to one thread at a time, and what is sent over them."""

from __future__ import annotations

import ssl
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache, partial
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx
import solr
from solr.transport import SolrTransport

from leser.errors import LeserError
from leser.options import secret
from leser_solr.failures import Moved, answer_of

if TYPE_CHECKING:
    from leser_solr.options import SolrOptions

Params = Mapping[str, str | Sequence[str]]

ASSUMED_VERSION = (8, 0, 0)
"""The version that solrpy is given, so that it neither asks for it nor takes a server that keeps it back for Solr 1.2."""
COMMON = {"wt": "json", "echoParams": "none", "expandMacros": "false", "defType": "lucene"}
"""Sent with every request. Without expandMacros=false Solr replaces ${...} in every parameter, the user's text included; and
only where defType is lucene does it read `{!...}` in q, so a handler's default (edismax) would take our query for words."""
_COMMON = urlencode(COMMON)

TURNING = (301, 302, 303)
"""Redirections that make a GET without a body of every request; 307 and 308 leave it as it is."""

_filters = Lock()  # those of warnings are the whole process's


def connect(
    options: SolrOptions, path: str, timeout: float, retries: int, verification: ssl.SSLContext | bool
) -> solr.Solr:
    """A connection to `path` below the server's address; nothing is sent yet. Raises LeserError for a missing secret."""
    password, token = secret(options.password_env, "password_env"), secret(options.token_env, "token_env")
    with _unwarned(options.url):
        connection = solr.Solr(
            options.url + path,
            timeout=timeout,
            http_user=options.user,
            http_pass=password,
            auth_token=token,
            max_retries=retries,
        )
    connection.server_version = ASSUMED_VERSION
    # solrpy 2.0.8 has no arguments for them
    connection._client_kwargs["verify"] = verification
    connection._client_kwargs["event_hooks"] = {"response": [partial(_refuse_turning, options.url)]}
    return connection


def _refuse_turning(url: str, answer: httpx.Response) -> None:
    """Raises Moved for a redirection that httpx, as browsers do, follows with a GET, whatever was sent before.

    Reading is refused as well, so that the address is found wrong when the index is opened and not by its first search.
    """
    if answer.has_redirect_location and answer.status_code in TURNING:
        asked = answer.request.url
        raise Moved(url, answer.status_code, asked, asked.join(answer.headers["Location"]))


@contextmanager
def _unwarned(url: str) -> Iterator[None]:
    """Without solrpy's warning of an address that lacks /solr, given for every connection: our own messages say it."""
    if "solr" in urlsplit(url).path.split("/"):
        yield
        return
    with _filters, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "solrpy: URL .* does not contain '/solr'", UserWarning)
        yield


def certificates(options: SolrOptions) -> ssl.SSLContext | bool:
    """What to check certificates with; read once, since reading them takes longer than many a search.

    For an address of http: too: where it redirects to one of https:, httpx takes the credentials along.
    """
    if not options.verify:
        return False
    if options.ca_file is None:
        return _system_certificates()
    try:
        return ssl.create_default_context(cafile=options.ca_file)
    except OSError as error:
        raise LeserError(f"Option ca_file: no certificates can be read from {options.ca_file} ({error}).") from None


@cache
def _system_certificates() -> ssl.SSLContext:
    """The authorities that the system trusts: a tenth of a second to read, and the same for every engine that is opened."""
    return ssl.create_default_context()


class Line:
    """One connection of solrpy's, for one thread at a time, and the heads of its requests, which are all alike.

    Forms go straight to the transport of the connection's httpx client. What its `send` does besides is seen to here where
    an answer asks for it: cookies (balancers keep a client with one replica by them) and redirections.
    """

    def __init__(self, connection: solr.Solr) -> None:
        self._connection = connection
        self._client: httpx.Client = connection._client
        self._heads: dict[str, tuple[httpx.Request, httpx.BaseTransport]] = {}

    def ask(self, handler: str, params: Params) -> dict[str, Any]:
        """Send parameters to a request handler as a form; raises what `failures.FAILURES` names."""
        head, transport = self._heads.get(handler) or self._head(handler)
        request = httpx.Request(
            "POST", head.url, headers=head.headers, content=_form(params), extensions=head.extensions
        )
        answer = transport.handle_request(request)
        told = answer.read()
        answer.request = request
        if "set-cookie" in answer.headers:
            self._client.cookies.extract_cookies(answer)
            self._heads.clear()  # the next ones have it
        if answer.has_redirect_location:
            for hook in self._client.event_hooks["response"]:
                hook(answer)
            self._heads.clear()  # whoever is asked on the way may give a cookie
            answer = self._client.send(self._client._build_redirect_request(request, answer))
            told = answer.content
        if answer.status_code != 200:
            raise solr.SolrException(answer.status_code, answer.reason_phrase, answer.text)
        return answer_of(told.decode("utf-8", "replace"))

    def _head(self, handler: str) -> tuple[httpx.Request, httpx.BaseTransport]:
        """Address and headers of requests to a handler, and the way there (a proxy's, where the environment names one)."""
        connection = self._connection
        headers = {**connection._get_auth_headers(), **connection.form_headers}
        # a GET, since a POST would come with the length of its body
        head = self._client.build_request("GET", connection.path + handler, headers=headers)
        self._heads[handler] = head, self._client._transport_for_url(head.url)
        return self._heads[handler]

    def read(self, path: str) -> dict[str, Any]:
        """Read a resource of the core, such as /schema."""
        return as_object(SolrTransport(self._connection).get_json(path))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Pool:
    """Lines to one core or collection, as many as threads ask for at once; never two threads on one."""

    def __init__(self, options: SolrOptions) -> None:
        self._options = options
        self._certificates = certificates(options)
        self._idle: deque[Line] = deque()  # append and pop are atomic

    @contextmanager
    def lend(self) -> Iterator[Line]:
        """A line that nobody else uses until it is given back."""
        try:
            line = self._idle.pop()
        except IndexError:
            path = f"/{self._options.index}"
            line = Line(connect(self._options, path, self._options.timeout, 0, self._certificates))
        try:
            yield line
        finally:
            self._idle.append(line)

    def ask(self, handler: str, params: Params) -> dict[str, Any]:
        """Ask once, over any line."""
        with self.lend() as line:
            return line.ask(handler, params)

    def read(self, path: str) -> dict[str, Any]:
        """Read a resource of the core, such as /schema."""
        with self.lend() as line:
            return line.read(path)

    def close(self) -> None:
        """Close every line that nobody holds."""
        while self._idle:
            self._idle.pop().close()


def _form(params: Params) -> bytes:
    """The parameters as the body of a form, with those that every request has; of two values Solr would take the first."""
    pairs = [_COMMON if "echoParams" not in params else urlencode({k: v for k, v in COMMON.items() if k not in params})]
    for name, value in params.items():
        quoted = _quoted if name == "q" else quote_plus
        for one in [value] if isinstance(value, str) else value:
            pairs.append(f"{_quoted(name)}={quoted(one)}")
    return "&".join(pairs).encode()


@lru_cache(maxsize=1024)
def _quoted(syntax: str) -> str:
    """Names and clauses as a form has them; they hold no text, so that the same few come again and again."""
    return quote_plus(syntax)


class Admin:
    """The server's own interface, beside its cores."""

    def __init__(self, options: SolrOptions, timeout: float | None = None) -> None:
        self._connection = connect(options, "", timeout or options.timeout, 0, certificates(options))
        self._told: dict[str, Any] | None = None

    def call(self, path: str, **params: str | int) -> dict[str, Any]:
        """Call an administrative handler, e.g. /admin/cores with action=STATUS; raises what `failures.FAILURES` names."""
        query = f"?{urlencode(params)}" if params else ""
        return as_object(SolrTransport(self._connection).get_json(path + query))

    def names(self, *, cloud: bool) -> list[str]:
        """Cores, or collections and their aliases."""
        if not cloud:
            return sorted(self.call("/admin/cores", action="STATUS", indexInfo="false")["status"])
        aliases = self.call("/admin/collections", action="LISTALIASES").get("aliases") or {}
        return sorted({*self.call("/admin/collections", action="LIST")["collections"], *aliases})

    def version(self) -> str:
        """Solr's version, e.g. 9.10.0."""
        return str(self._system()["lucene"]["solr-spec-version"])

    def cloud(self) -> bool:
        """Whether this is a SolrCloud; False on a server that stands alone."""
        return self._system().get("mode") == "solrcloud"

    def _system(self) -> dict[str, Any]:
        if self._told is None:
            self._told = self.call("/admin/info/system")
        return self._told

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def as_object(answer: Any) -> dict[str, Any]:
    """The answer, if it is a JSON object as all of Solr's are."""
    return answer if isinstance(answer, dict) else answer_of(str(answer))
