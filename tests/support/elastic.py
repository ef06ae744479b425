"""Elasticsearch in tests: a backend at a test server, and indices of its own."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from leser_elasticsearch import ElasticsearchBackend
from servers.server import Server

from leser.backend import Document
from leser.options import validate_options
from leser.testing import DOCUMENTS


def opened(server: Server | str, index: str = "leser-demo", **options: object) -> ElasticsearchBackend:
    """A backend for an index on a server."""
    values = {"url": server if isinstance(server, str) else server.url, "index": index, **options}
    return ElasticsearchBackend(validate_options(ElasticsearchBackend.Options, values, "backend 'elasticsearch'"))


def made(server: Server, documents: Sequence[Document] = DOCUMENTS, **options: object) -> str:
    """A new index with these documents; the test servers have the analyzer `standard` and no stemmer."""
    name = f"test-{uuid4().hex}"
    writer = opened(server, name, **{"analysis": "standard", **options})
    assert writer.index(documents) == len(documents)
    return name
