"""All documents of an Elasticsearch index, on real servers: pages, aliases, fields that `_source` lacks, an index without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import leser_elasticsearch.reading as reading
import pytest
from elastic import made, opened
from elasticsearch import Elasticsearch
from leser_elasticsearch import ElasticsearchBackend
from servers.server import Server

from leser.errors import LeserError

TEXT = {"type": "text"}
SHELF: dict[str, dict[str, Any]] = {
    f"p{n}": {
        "name": f"table {n}",
        "maker": {"name": "Nordhem"},
        "tags": ["oak", 2],
        "price": 120 + n,
        "sold": False,
        "vector": [1.0, 2.0],
    }
    for n in range(25)
}
PROPERTIES: dict[str, Any] = {
    "name": TEXT,
    "note": {"type": "text", "store": True},
    "price": {"type": "integer"},
    "tags": {"type": "keyword"},
    "vector": {"type": "dense_vector", "dims": 2},
}
Make = Callable[..., str]


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Elasticsearch]:
    with Elasticsearch(server.url) as client:
        yield client


@pytest.fixture(scope="module")
def make(client: Elasticsearch) -> Make:
    """Makes an index of the shelf with this `_source`; every document has a note beside its own fields."""

    def one(source: dict[str, Any] | None = None, documents: Any = SHELF, shards: int = 1, **other: Any) -> str:
        name = f"test-{uuid4().hex}"
        mappings = {"properties": {**PROPERTIES, **other}, **({"_source": source} if source else {})}
        client.indices.create(index=name, mappings=mappings, settings={"number_of_shards": shards})
        lines = [
            line for id, one in documents.items() for line in ({"index": {"_id": id}}, {**one, "note": f"kept {id}"})
        ]
        assert not client.bulk(index=name, operations=lines, refresh=True).body["errors"]
        return name

    return one


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAGE", 10)


def shelf(server: Server, index: str) -> ElasticsearchBackend:
    return opened(server, index, fields="name")


def contexts(client: Elasticsearch) -> int:
    """Points in time and scrolls that the server keeps open."""
    nodes = client.nodes.stats(metric="indices", index_metric="search").body["nodes"]
    return sum(node["indices"]["search"]["open_contexts"] for node in nodes.values())


def test_all_pages_of_all_shards_and_nothing_stays_open(server: Server, client: Elasticsearch, make: Make) -> None:
    before = contexts(client)
    backend = shelf(server, make(shards=3))
    read = {document.id: dict(document.fields) for document in backend.documents()}
    assert read == {
        id: {
            "name": one["name"],
            "maker.name": "Nordhem",
            "tags": "oak 2",
            "price": str(one["price"]),
            "sold": "false",
            "note": f"kept {id}",
        }
        for id, one in SHELF.items()
    }
    names = sorted({name for fields in read.values() for name in fields})
    assert {id: dict(d.fields) for id, d in backend.fetch(list(read), names).items()} == read
    left = backend.documents()
    next(left)
    assert contexts(client) > before
    left.close()  # type: ignore[attr-defined]
    backend.close()
    assert contexts(client) == before


def test_the_index_is_read_as_it_was(server: Server, client: Elasticsearch, make: Make) -> None:
    name = make()
    rows = shelf(server, name).documents()
    first = next(rows).id
    client.bulk(index=name, operations=[{"delete": {"_id": id}} for id in SHELF], refresh=True)
    assert {first, *(document.id for document in rows)} == set(SHELF)


def test_a_point_in_time_that_is_gone_is_said(server: Server, client: Elasticsearch, make: Make) -> None:
    backend = shelf(server, make())
    documents = reading.ElasticsearchDocuments(backend._open(), backend.options)
    _, start = documents.page(None)
    assert start is not None
    client.close_point_in_time(id=start.point)
    with pytest.raises(LeserError, match=r"has given up the point in time .* Give the command again\."):
        documents.page(start)


def test_an_alias_and_its_filter_and_a_pattern(server: Server, client: Elasticsearch, make: Make) -> None:
    name, other = make(), make(documents={"q1": {"name": "chair"}})
    alias = f"alias-{uuid4().hex}"
    client.indices.put_alias(index=name, name=alias, filter={"range": {"price": {"gte": 140}}})
    backend = shelf(server, alias)
    assert {d.id for d in backend.documents()} == {f"p{n}" for n in range(20, 25)}
    assert backend.check()["documents"] == 5
    assert {d.id for d in shelf(server, f"{name},{other}").documents()} == {*SHELF, "q1"}


def test_what_source_leaves_out_is_read_where_it_is_kept(server: Server, make: Make) -> None:
    backend = shelf(server, make({"excludes": ["note", "price"]}))
    document = next(iter(backend.documents()))
    assert document.fields["note"] == f"kept {document.id}"
    assert document.fields["price"] == str(SHELF[document.id]["price"])


def test_without_source_it_is_said(server: Server, make: Make) -> None:
    backend = shelf(server, make({"enabled": False}))
    with pytest.raises(LeserError, match=r"does not give its documents: its mapping switches _source off, and .* name"):
        backend.documents()


def test_an_index_that_is_not_there_is_said(server: Server) -> None:
    with pytest.raises(LeserError, match="has no index 'nowhere'"):
        shelf(server, "nowhere").documents()


def test_what_leser_joined_when_it_indexed_is_left_out(server: Server) -> None:
    documents = list(opened(server, made(server)).documents())
    assert {name for document in documents for name in document.fields} == {"title", "text", "brand", "price"}
