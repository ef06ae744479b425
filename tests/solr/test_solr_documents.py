"""All documents of a Solr index, on real servers: pages by cursor, doc values as stored fields, a handler's own filter."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import leser_solr.engine
import pytest
from servers import Server
from solr_answers import Open
from solr_indexes import indexed

from leser.backend import Document
from leser.errors import LeserError

MANY = tuple(Document(f"m {n}", {"title": f"item {n}", "text": "settee", "a.b": "x"}) for n in range(45))


def post(server: Server, path: str, body: Any) -> None:
    request = urllib.request.Request(
        f"{server.url}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request).read()


def test_every_page_and_every_field(solr: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leser_solr.engine, "IDS_AT_ONCE", 10)
    with indexed(solr, MANY) as open_:
        backend = open_()
        read = list(backend.documents())
        assert len(read) == len(MANY)
        assert {d.id: dict(d.fields) for d in read} == {d.id: dict(d.fields) for d in MANY}
        name = backend.options.index
        field = {"name": "stock", "type": "pint", "stored": False, "docValues": True, "useDocValuesAsStored": True}
        post(solr, f"/{name}/schema", {"add-field": [field, {"name": "tags", "type": "string", "multiValued": True}]})
        post(solr, f"/{name}/update?commit=true", [{"id": "new", "title": "chair", "stock": 3, "tags": ["a", "b"]}])
        again = open_()
        (new,) = [d for d in again.documents() if d.id == "new"]
        assert dict(new.fields) == {"title": "chair", "stock": "3", "tags": "a b"}
        assert dict(again.fetch(["new"], list(new.fields))["new"].fields) == dict(new.fields)


def test_a_handler_that_does_not_page_is_said(shop: Open) -> None:
    with pytest.raises(LeserError, match=r"handler /get of .* does not page.*-o handler=/select"):
        list(shop(handler="/get").documents())
