"""Proxy: stands between a client and a server, passes on what it gets, and makes trouble when told to.

It reads HTTP only as far as it must, to know where a request and a reply end. To the client it speaks plain HTTP, to the
server what the server speaks.

    with Proxy(server) as proxy:
        proxy.throttle(times=2)                   # the next two requests get a 429
        proxy.cut(probability=0.01)               # from then on one in a hundred replies ends in the middle
        client = Elasticsearch(proxy.url)
"""

from __future__ import annotations

import http.client
import random
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from servers.server import Server

Kind = Literal["delay", "cut", "throttle", "status", "garble", "hold", "before"]
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "proxy-connection"}
"""Headers that concern one connection only."""


@dataclass
class Fault:
    """One kind of trouble; `times` counts down to none, None is without end."""

    kind: Kind
    probability: float
    times: int | None
    path: str
    seconds: float = 0.0
    status: int = 0
    body: bytes = b""
    action: Callable[[], object] | None = None


class Proxy:
    """A server's stand-in at `url`; all replies are the server's own until trouble is asked for.

    Each call below adds a fault: it befalls a request whose path contains `path` with `probability`, at most `times` times;
    a request meets one fault at most. `counts` says how often each befell, and how many "requests" came, were "passed" on
    whole, or found the server "unreachable".
    """

    def __init__(self, server: Server | str, *, seed: int = 0) -> None:
        self.server = server if isinstance(server, Server) else Server(server, version="")
        self.counts: Counter[str] = Counter()
        self._faults: list[Fault] = []
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._listener = _Listener(("127.0.0.1", 0), Handler)
        self.host, self.port = "127.0.0.1", self._listener.server_port
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._listener.shutdown()
        self._listener.server_close()

    @property
    def url(self) -> str:
        """The server's URL with the proxy in its place."""
        return self.url_for(self.server)

    def url_for(self, server: Server) -> str:
        """A server's URL, path and all, with the proxy's address and plain HTTP."""
        return urlsplit(server.url)._replace(scheme="http", netloc=f"{self.host}:{self.port}").geturl()

    def delay(self, seconds: float, *, probability: float = 1.0, times: int | None = None, path: str = "") -> None:
        """Pass the request on only after some seconds."""
        self._add(Fault("delay", probability, times, path, seconds=seconds))

    def cut(self, *, probability: float = 1.0, times: int | None = None, path: str = "") -> None:
        """Close the connection in the middle of the reply's body."""
        self._add(Fault("cut", probability, times, path))

    def garble(self, *, probability: float = 1.0, times: int | None = None, path: str = "") -> None:
        """Flip bits in every eighth byte of the reply's body."""
        self._add(Fault("garble", probability, times, path))

    def throttle(
        self, retry_after: int = 1, *, probability: float = 1.0, times: int | None = None, path: str = ""
    ) -> None:
        """Answer 429 with Retry-After, without asking the server."""
        self._add(Fault("throttle", probability, times, path, seconds=retry_after, status=429))

    def status(
        self, status: int, body: bytes = b"{}", *, probability: float = 1.0, times: int | None = None, path: str = ""
    ) -> None:
        """Answer with this status and JSON body, without asking the server."""
        self._add(Fault("status", probability, times, path, status=status, body=body))

    def hold(self, *, probability: float = 1.0, times: int | None = None, path: str = "") -> None:
        """Take the request and never answer."""
        self._add(Fault("hold", probability, times, path))

    def before(self, action: Callable[[], object], *, times: int | None = 1, path: str = "") -> None:
        """Do something while the request is on its way, then pass it on."""
        self._add(Fault("before", 1.0, times, path, action=action))

    def clear(self) -> None:
        """No more trouble."""
        with self._lock:
            self._faults.clear()

    def _add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def count(self, what: str) -> None:
        """Note that something happened."""
        with self._lock:
            self.counts[what] += 1

    def draw(self, path: str) -> Fault | None:
        """What befalls this request."""
        with self._lock:
            self.counts["requests"] += 1
            for fault in self._faults:
                if fault.times == 0 or fault.path not in path or self._chance.random() >= fault.probability:
                    continue
                if fault.times is not None:
                    fault.times -= 1
                self.counts[fault.kind] += 1
                return fault
        return None

    def wait_for_end(self, seconds: float | None = None) -> None:
        """Return after some seconds (None: never), or when the proxy ends."""
        self._ended.wait(seconds)

    def connect(self) -> http.client.HTTPConnection:
        """A new connection to the server."""
        parts = urlsplit(self.server.url)
        assert parts.hostname is not None
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=str(self.server.ca_file))
            return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=120, context=context)
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=120)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is nothing to print."""


class _Handler(BaseHTTPRequestHandler):
    """One client connection."""

    owner: Proxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    _upstream: http.client.HTTPConnection | None = None

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing to the terminal."""

    def finish(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
        super().finish()

    def _relay(self) -> None:
        body = self._body()
        fault = self.owner.draw(self.path)
        kind = fault.kind if fault else None
        if fault and kind in ("throttle", "status"):
            extra = [("Retry-After", f"{fault.seconds:.0f}")] if kind == "throttle" else []
            self._reply(fault.status, [("Content-Type", "application/json"), *extra], fault.body)
            return
        if fault and kind in ("hold", "delay"):
            self.owner.wait_for_end(fault.seconds if kind == "delay" else None)
            if kind == "hold":
                self._hang_up()
                return
        if fault and fault.action:
            fault.action()
        try:
            answer = self._ask(body)
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.owner.count("unreachable")
            self._hang_up()
            return
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP]
        if kind == "garble":
            text = bytes(byte ^ 0x55 if place % 8 == 0 else byte for place, byte in enumerate(text))
        if kind in (None, "delay", "before"):
            self.owner.count("passed")  # first, so that who has the reply also finds it counted
        self._reply(answer.status, headers, text, cut=kind == "cut")

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _relay

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(parts)

    def _ask(self, body: bytes) -> http.client.HTTPResponse:
        """The server's answer; a kept connection that the server has closed meanwhile is replaced once."""
        headers = {name: value for name, value in self.headers.items() if name.lower() not in {*HOP, "host"}}
        kept = self._upstream is not None
        self._upstream = self._upstream or self.owner.connect()
        try:
            self._upstream.request(self.command, self.path, body or None, headers)
            return self._upstream.getresponse()
        except (OSError, http.client.HTTPException):
            self._upstream.close()
            if not kept:
                raise
            self._upstream = self.owner.connect()
            self._upstream.request(self.command, self.path, body or None, headers)
            return self._upstream.getresponse()

    def _reply(self, status: int, headers: list[tuple[str, str]], body: bytes, *, cut: bool = False) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
