"""What an index of Elasticsearch's does not keep, and what a template does not name: read otherwise, or said with what to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from elastic import opened
from elasticsearch import Elasticsearch
from leser_elasticsearch import ElasticsearchBackend
from servers.server import Server

from leser.backend import ExpandedQuery, Ranking, Term
from leser.errors import LeserError

TITLE = {"type": "text"}
SHELF = {
    "t": {"title": "oak table", "text": "for the kitchen", "brand": "Nordhem", "price": 120},
    "b": {"title": "lamp", "text": "stands on a table", "brand": "Lumo", "price": 3},
    "m": {"title": "chair", "text": "of beech", "brand": "table works", "price": 40},
}
PROPERTIES: dict[str, Any] = {
    "title": TITLE,
    "text": {"type": "text", "store": True},
    "brand": {"type": "keyword"},
    "price": {"type": "integer"},
}
Make = Callable[..., str]


@pytest.fixture(scope="module")
def make(server: Server) -> Iterator[Make]:
    """Makes an index with these mappings and settings."""
    with Elasticsearch(server.url) as client:

        def made(source: dict[str, Any] | None = None, settings: dict[str, Any] | None = None, **other: Any) -> str:
            name = f"test-{uuid4().hex}"
            mappings = {"properties": {**PROPERTIES, **other}, **({"_source": source} if source else {})}
            client.indices.create(index=name, mappings=mappings, settings=settings)
            for id, document in SHELF.items():
                client.index(index=name, id=id, document=document)
            client.indices.refresh(index=name)
            return name

        yield made


@pytest.fixture(scope="module")
def whole(make: Make) -> str:
    return make()


@pytest.fixture
def template(tmp_path: Path) -> Callable[..., Path]:
    def written(query: dict[str, Any], **body: Any) -> Path:
        path = tmp_path / "query.json"
        path.write_text(json.dumps({"query": query, **body}))
        return path

    return written


def scores(backend: ElasticsearchBackend, text: str, *terms: Term) -> dict[str, float]:
    (answer,) = backend.search([ExpandedQuery("q", text, terms)], 10)
    assert isinstance(answer, Ranking), answer
    return {hit.id: hit.score for hit in answer.hits}


OFF = ({"source": {"enabled": False}}, {"settings": {"index.mapping.source.mode": "disabled"}})


@pytest.mark.parametrize("how", [*OFF, {"source": {"excludes": ["ti*"]}}, {"source": {"includes": ["text", "brand"]}}])
def test_texts_that_source_does_not_hold(server: Server, make: Make, how: dict[str, Any]) -> None:
    """Stored fields and doc values stand in for `_source`; what nothing is kept of is said, with what to do."""
    backend = opened(server, make(**how), fields="title")
    assert set(scores(backend, "table")) == {"t"}
    found = backend.fetch(["t", "b", "none"], ["title", "text", "brand", "price", "colour"])
    assert found["t"].fields == {"text": "for the kitchen", "brand": "Nordhem", "price": "120"}
    assert found.keys() == {"t", "b"}
    assert backend.fetch(["t"], ["brand"])["t"].fields == {"brand": "Nordhem"}
    assert backend.fetch(["t"], [])["t"].fields == {}
    (warning,) = backend.check()["warnings"]
    assert "the text of title cannot be read" in warning
    assert ("switches _source off" if how in OFF else "leaves title out of _source") in warning
    with pytest.raises(LeserError, match=r'keeps no text of title to read.*"store": true.*task\.title_field=NAME') as e:
        backend.fetch(["t"], ["title"])
    assert "(brand, text)" in str(e.value)


@pytest.mark.parametrize("how", OFF)
def test_a_texts_sub_field_of_strings_stands_in_for_it(server: Server, make: Make, how: dict[str, Any]) -> None:
    index = make(**how, title={**TITLE, "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}})
    backend = opened(server, index, fields="title")
    assert backend.fetch(["t"], ["title"])["t"].fields == {"title": "oak table"}
    assert "warnings" not in backend.check()


def test_a_synthetic_source_is_read_as_any(server: Server, make: Make) -> None:
    index = make(settings={"index.mapping.source.mode": "synthetic"}, title={**TITLE, "store": True})
    backend = opened(server, index, fields="title")
    assert backend.fetch(["t"], ["title", "text"])["t"].fields == {"title": "oak table", "text": "for the kitchen"}
    assert "warnings" not in backend.check()


def test_one_index_of_two_behind_a_name_has_no_source(server: Server, make: Make, whole: str) -> None:
    backend = opened(server, f"{whole},{make(source={'enabled': False})}", fields="title")
    assert backend.fetch(["t"], ["text"])["t"].fields == {"text": "for the kitchen"}


ASKS = ("multi_match", "query_string", "simple_query_string")


@pytest.mark.parametrize("clause", ASKS)
def test_a_template_without_fields_searches_the_indexs_own(
    server: Server, whole: str, make: Make, template: Callable[..., Path], clause: str
) -> None:
    path = template({clause: {"query": "$query"}})
    everywhere = opened(server, whole, template=path)
    assert everywhere.check()["searched"] == "*^1"
    assert set(scores(everywhere, "zebra", Term("table"))) == {"t", "b"}, "in brand the whole string would have to fit"
    assert set(scores(everywhere, "zebra", Term("3"))) == {"b"}, "a number is found in a field of numbers"
    assert set(scores(everywhere, "zebra", Term("a table", match="phrase"))) == {"b"}
    assert everywhere.analyze(["oak table"]) == [["oak", "table"]]
    assert everywhere.doc_freq(["table"]) == [1]
    own = make(settings={"index.query.default_field": ["title^2", "brand"]})
    backend = opened(server, own, template=path)
    assert backend.check()["searched"].startswith("title^2 brand^1")
    assert set(scores(backend, "zebra", Term("table"))) == {"t"}
    if clause == "multi_match":
        assert scores(backend, "zebra", Term("table")) == pytest.approx(scores(backend, "table"))


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({"query_string": {"query": "$query", "default_field": "title^2"}}, "title^2"),
        ({"match_phrase": {"title": "$query"}}, "title^1"),
        ({"multi_match": {"query": "$query", "type": "phrase", "fields": ["text^3"]}}, "text^3"),
        ({"bool": {"filter": [{"match": {"text": "$query"}}], "should": [{"term": {"brand": "Lumo"}}]}}, "text^1"),
        ({"term": {"brand": {"value": "$query", "boost": 2}}}, "brand^2"),
    ],
)
def test_fields_of_other_clauses(
    server: Server, whole: str, template: Callable[..., Path], query: dict[str, Any], fields: str
) -> None:
    assert opened(server, whole, template=template(query)).check()["searched"] == fields


def test_a_field_that_nobody_named_is_not_said_to_be_unknown(
    server: Server, whole: str, template: Callable[..., Path]
) -> None:
    nowhere = template({"more_like_this": {"fields": ["title"], "like": "$query", "min_term_freq": 1}})
    with pytest.raises(
        LeserError, match=r"none of its clauses names a field.*-o fields=.*Available: brand, text, title"
    ):
        opened(server, whole, template=nowhere).check()
    assert opened(server, whole, template=nowhere, fields="title").check()["searched"] == "title^1"
    with pytest.raises(
        LeserError, match=r"fields of backend 'elasticsearch' is not given.*no field 'contents'.*Available: brand, text"
    ):
        opened(server, whole).check()
    with pytest.raises(LeserError, match=r"Unknown field 'titel' of the index .*. Did you mean 'title'"):
        opened(server, whole, fields="titel").check()


def test_ties_beside_a_rescore_names_the_option(server: Server, whole: str, template: Callable[..., Path]) -> None:
    rescore = {"window_size": 10, "query": {"rescore_query": {"match": {"text": "kitchen"}}}}
    path = template({"match": {"title": "$query"}}, rescore=rescore)
    with pytest.raises(LeserError, match=r'ties .* no sort together with "rescore".*Leave out -o ties \(now brand'):
        opened(server, whole, template=path, ties="brand").check()
    assert set(scores(opened(server, whole, template=path), "table")) == {"t"}


@pytest.mark.parametrize(
    ("below", "hint"),
    [("/shop", "-o url=URL -o index=shop ?"), ("/shop/_search", "-o url=URL -o index=shop ?"), ("/_search", "-o url=URL ?")],
)  # fmt: skip
def test_the_address_of_an_index(server: Server, below: str, hint: str) -> None:
    with pytest.raises(LeserError, match="knows no indices") as caught:
        opened(server.url + below, "demo").check()
    assert str(caught.value).endswith(f" Did you mean {hint.replace('URL', server.url)}")
