"""Servers that answer what a test says, and what an Elasticsearch backend makes of their failures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from elastic import opened
from leser_elasticsearch import ElasticsearchBackend

from leser.backend import ExpandedQuery, SearchError
from leser.errors import LeserError

SOFA = [ExpandedQuery("q", "sofa")]


SECRET = "hunter2-do-not-print"


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
