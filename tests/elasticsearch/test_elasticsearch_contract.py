"""Elasticsearch 8 and 9 hold to the backend contract, on real servers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from elastic import made, opened
from leser_elasticsearch import ElasticsearchBackend
from servers.server import Server

from leser.backend import Backend
from leser.testing import BackendContract


@pytest.fixture(scope="module")
def index_8(elasticsearch_8: Server) -> str:
    return made(elasticsearch_8)


class TestElasticsearch8(BackendContract):
    backend = ElasticsearchBackend

    @pytest.fixture
    def open_backend(self, elasticsearch_8: Server, index_8: str) -> Callable[..., Backend]:
        return partial(opened, elasticsearch_8, index_8)

    @pytest.fixture
    def open_unreachable(self) -> Callable[..., Backend]:
        return partial(opened, "http://127.0.0.1:9")


@pytest.fixture(scope="module")
def index_9(elasticsearch_9: Server) -> str:
    return made(elasticsearch_9, stopwords="_english_", shards=3)


class TestElasticsearch9(BackendContract):
    """The same with stop words and several shards, whose terms are counted together."""

    backend = ElasticsearchBackend

    @pytest.fixture
    def open_backend(self, elasticsearch_9: Server, index_9: str) -> Callable[..., Backend]:
        return partial(opened, elasticsearch_9, index_9, search_type="dfs_query_then_fetch")


class TestFields(BackendContract):
    """Several weighted fields instead of the joined one."""

    backend = ElasticsearchBackend

    @pytest.fixture
    def open_backend(self, elasticsearch_8: Server, index_8: str) -> Callable[..., Backend]:
        return partial(opened, elasticsearch_8, index_8, fields="title^2,text", ties="price.number")


class TestCombinedFields(BackendContract):
    """Several fields scored as one."""

    backend = ElasticsearchBackend

    @pytest.fixture
    def open_backend(self, elasticsearch_8: Server, index_8: str) -> Callable[..., Backend]:
        return partial(opened, elasticsearch_8, index_8, fields="title^2,text", type="combined_fields")
