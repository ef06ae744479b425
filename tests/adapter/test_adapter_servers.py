"""Options that servers share, on the servers: `ties` orders hits of one score, `verify` decides whether a certificate counts."""

from __future__ import annotations

import pytest
from elastic import made, opened
from leser_elasticsearch import ElasticsearchBackend
from servers import Server
from solr_indexes import indexed

from leser.backend import Backend, Document, ExpandedQuery, Ranking
from leser.errors import LeserError
from leser.options import validate_options

TWINS = tuple(
    Document(id, {"title": "same words", "text": "", "sku": sku}) for id, sku in (("c", "2"), ("a", "3"), ("b", "1"))
)


def order(backend: Backend) -> tuple[str, ...]:
    (answer,) = backend.search([ExpandedQuery("q", "same")], 10)
    assert isinstance(answer, Ranking), answer
    return answer.ids


def test_ties_on_solr(solr: Server) -> None:
    with indexed(solr, TWINS) as open_:
        assert order(open_()) == ("a", "b", "c"), "by the unique key"
        assert order(open_(ties="sku__keyword")) == ("b", "c", "a")
        assert order(open_(ties="index")) == ("c", "a", "b"), "as they were written"
        with pytest.raises(
            LeserError, match=r"Unknown field 'skuu' of the index .* \(option ties\)\. Did you mean 'sku'\?"
        ):
            open_(ties="skuu").check()


def test_ties_on_elasticsearch(elasticsearch_8: Server) -> None:
    name = made(elasticsearch_8, TWINS)
    assert order(opened(elasticsearch_8, name)) == order(opened(elasticsearch_8, name, ties="index")) == ("c", "a", "b")
    assert order(opened(elasticsearch_8, name, ties="sku.keyword")) == ("b", "c", "a")
    with pytest.raises(LeserError, match="Unknown field 'skuu'"):
        opened(elasticsearch_8, name, ties="skuu").check()


def test_a_certificate_that_nobody_signed(elasticsearch_secure: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ES_PASSWORD", str(elasticsearch_secure.password))
    login = {"user": elasticsearch_secure.user, "password_env": "ES_PASSWORD", "url": elasticsearch_secure.url}

    def facts(**options: object) -> str:
        values = {"index": "nowhere", **login, **options}
        backend = ElasticsearchBackend(
            validate_options(ElasticsearchBackend.Options, values, "backend 'elasticsearch'")
        )
        with pytest.raises(LeserError) as caught:
            backend.check()
        backend.close()
        return str(caught.value)

    assert facts().startswith("No secure connection to")
    told = facts(verify="false")
    assert "has no index 'nowhere'" in told
    assert "-o verify=false" in told
