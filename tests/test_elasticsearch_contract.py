"""Elasticsearch 8 and 9 hold to the backend contract, on real servers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from uuid import uuid4

import pytest
from leser_elasticsearch import ElasticsearchBackend

from leser.backend import Backend
from leser.options import validate_options
from leser.testing import DOCUMENTS, BackendContract
from servers.server import Server


def opened(server: Server, index: str, **options: object) -> ElasticsearchBackend:
    values = {"url": server.url, "index": index, **options}
    return ElasticsearchBackend(validate_options(ElasticsearchBackend.Options, values, "backend 'elasticsearch'"))


def made(server: Server, **options: object) -> str:
    """An index of its own with the kit's documents; the test servers have the analyzer `standard` alone."""
    name = f"kit-{uuid4().hex}"
    writer = opened(server, name, analyzer="standard", **options)
    assert writer.index(DOCUMENTS) == len(DOCUMENTS)
    return name


@pytest.fixture(scope="module")
def index_8(elasticsearch_8: Server) -> str:
    return made(elasticsearch_8)


class TestElasticsearch8(BackendContract):
    backend = ElasticsearchBackend

    @pytest.fixture
    def open_backend(self, elasticsearch_8: Server, index_8: str) -> Callable[..., Backend]:
        return partial(opened, elasticsearch_8, index_8)


class TestElasticsearch9(BackendContract):
    """The same with stop words and several shards, whose terms are counted together."""

    backend = ElasticsearchBackend

    @pytest.fixture(scope="class")
    def index_9(self, elasticsearch_9: Server) -> str:
        return made(elasticsearch_9, stopwords="_english_", shards=3)

    @pytest.fixture
    def open_backend(self, elasticsearch_9: Server, index_9: str) -> Callable[..., Backend]:
        return partial(opened, elasticsearch_9, index_9, search_type="dfs_query_then_fetch")


class TestFields(BackendContract):
    """Several weighted fields instead of the joined one."""

    backend = ElasticsearchBackend

    @pytest.fixture
    def open_backend(self, elasticsearch_8: Server, index_8: str) -> Callable[..., Backend]:
        return partial(opened, elasticsearch_8, index_8, fields="title^2,text")


class TestCombinedFields(BackendContract):
    """Several fields scored as one."""

    backend = ElasticsearchBackend

    @pytest.fixture
    def open_backend(self, elasticsearch_8: Server, index_8: str) -> Callable[..., Backend]:
        return partial(opened, elasticsearch_8, index_8, fields="title^2,text", type="combined_fields")
