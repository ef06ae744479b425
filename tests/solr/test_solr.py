"""The Solr backend on real servers: the contract, the same scores as Lucene's, texts as data, filters, one's own template."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from leser_memory import MemoryBackend
from leser_solr import SolrBackend
from servers import Server
from solr_answers import Open, search
from solr_indexes import indexed

from leser.backend import Backend, Document, ExpandedQuery, Ranking, Term
from leser.testing import DOCUMENTS, BackendContract


class TestSolr(BackendContract):
    backend = SolrBackend

    @pytest.fixture
    def open_backend(self, shop: Open) -> Callable[..., Backend]:
        return shop

    @pytest.fixture
    def open_unreachable(self) -> Callable[..., Backend]:
        return lambda **options: SolrBackend(SolrBackend.Options(url="http://127.0.0.1:9/solr", **options))


class TestSolrTwoFields(BackendContract):
    """Two weighted fields, without stems and stop words."""

    backend = SolrBackend

    @pytest.fixture(scope="class")
    @classmethod
    def standard(cls, solr: Server) -> Iterator[Open]:
        with indexed(solr, DOCUMENTS, analysis="standard", fields="title^2,text", k1=1.2, b=0.75) as open_:
            yield open_

    @pytest.fixture
    def open_backend(self, standard: Open) -> Callable[..., Backend]:
        return standard


class TestSolrTemplate(BackendContract):
    """The user's own edismax query, into which texts go escaped."""

    backend = SolrBackend

    @pytest.fixture
    def open_backend(self, shop: Open, own_query: Path) -> Callable[..., Backend]:
        return lambda **options: shop(template=own_query, **options)


class TestSolrCloud(BackendContract):
    """A collection of two shards."""

    backend = SolrBackend

    @pytest.fixture(scope="class")
    @classmethod
    def collection(cls, solr_cloud: Server) -> Iterator[Open]:
        with indexed(solr_cloud, DOCUMENTS, shards=2) as open_:
            yield open_

    @pytest.fixture
    def open_backend(self, collection: Open) -> Callable[..., Backend]:
        return collection


def test_scores_are_lucenes(shop: Open) -> None:
    """Against the in-process engine, whose scores are checked against Lucene's."""
    memory = MemoryBackend.of(DOCUMENTS)
    batch = [
        ExpandedQuery("1", "reading lamps"),
        ExpandedQuery(
            "2", "sofa", (Term("couch", 0.5), Term("seats chair", 0.3), Term("brown couch", 2.0, match="phrase"))
        ),
        ExpandedQuery(
            "3", "water water bottle", (Term("steel bottles", 1.5, match="all"), Term("acacia", negate=True))
        ),
    ]
    for ours, theirs in zip(shop().search(batch, 10), memory.search(batch, 10), strict=True):
        assert isinstance(ours, Ranking)
        assert isinstance(theirs, Ranking)
        assert {hit.id: hit.score for hit in ours.hits} == pytest.approx(
            {hit.id: hit.score for hit in theirs.hits}, rel=1e-5
        )


def test_ties_are_broken_by_id(solr: Server) -> None:
    twins = tuple(Document(id, {"title": "same words", "text": ""}) for id in ("c", "a", "d", "b"))
    with indexed(solr, twins) as open_:
        assert search(open_(), "same") == ("a", "b", "c", "d")
