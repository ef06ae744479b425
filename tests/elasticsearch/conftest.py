"""Fixtures that several tests of elasticsearch share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from elastic import made
from elasticsearch import Elasticsearch
from servers.server import Server


@pytest.fixture(scope="module", params=["8", "9"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the supported major versions in turn."""
    found: Server = request.getfixturevalue(f"elasticsearch_{request.param}")
    return found


@pytest.fixture(scope="module")
def index(elasticsearch_8: Server) -> str:
    return made(elasticsearch_8)


@pytest.fixture(scope="module")
def cluster(elasticsearch_8: Server) -> Iterator[Elasticsearch]:
    with Elasticsearch(elasticsearch_8.url) as client:
        yield client
