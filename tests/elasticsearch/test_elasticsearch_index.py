"""Elasticsearch: indices it writes, extends, replaces and refuses, and what becomes of documents that it is given."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from elastic import made, opened
from elastic_ranked import SOFA, ranking
from elasticsearch import Elasticsearch
from servers.proxy import Proxy
from servers.server import Server

from leser.backend import Document, ExpandedQuery, Filter, Term
from leser.errors import LeserError
from leser.testing import DOCUMENTS


def test_an_index_is_never_overwritten_unasked(elasticsearch_8: Server) -> None:
    name = made(elasticsearch_8, DOCUMENTS[:1])
    first = opened(elasticsearch_8, name, analysis="standard")
    before = first.fingerprint()
    with pytest.raises(LeserError, match=r"There is an index .* -o existing=recreate .* existing=append"):
        first.index(DOCUMENTS[1:3])
    appending = opened(elasticsearch_8, name, analysis="standard", existing="append")
    assert appending.index(DOCUMENTS[1:3]) == 2
    assert appending.check()["documents"] == 3
    assert appending.fingerprint().split()[-1] != before.split()[-1]
    recreating = opened(elasticsearch_8, name, analysis="standard", existing="recreate")
    assert recreating.index(DOCUMENTS[1:3]) == 2
    assert recreating.check()["documents"] == 2


def test_a_merge_that_the_server_holds_back_is_told_and_not_waited_for(
    elasticsearch_8: Server, cluster: Elasticsearch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Elasticsearch 8.19 merges nothing while its disk is nearly full: here, while less than 1000 TB are free."""
    held = {"indices.merge.disk.check_interval": "1s", "indices.merge.disk.watermark.high": "1000tb"}
    monkeypatch.setattr("leser_elasticsearch.writer.CHUNK", 1)
    monkeypatch.setattr("leser_elasticsearch.writer.PEEKED", 1)
    monkeypatch.setattr("leser_elasticsearch.writer.MERGE_PATIENCE", 2.0)
    name = made(elasticsearch_8, DOCUMENTS[:1])
    backend = opened(elasticsearch_8, name, analysis="standard", existing="recreate")
    cluster.cluster.put_settings(transient=held)

    def in_segments() -> Iterator[Document]:
        for document in DOCUMENTS[:4]:
            yield document
            cluster.indices.refresh(index=name)

    try:
        time.sleep(2)
        with caplog.at_level(logging.WARNING):
            assert backend.index(in_segments()) == 4
    finally:
        # what was last seen of the disk stays in force where nobody looks any more: it must be seen to be roomy first
        cluster.cluster.put_settings(transient={**held, "indices.merge.disk.watermark.high": "0b"})
        time.sleep(2)
        cluster.cluster.put_settings(transient=dict.fromkeys(held))
    assert f"The index '{name}' is whole, but not merged to one segment after 2 seconds" in caplog.text
    assert backend.check()["documents"] == 4


def test_appending_keeps_what_others_noted_in_the_mapping(elasticsearch_8: Server, cluster: Elasticsearch) -> None:
    name = made(elasticsearch_8, DOCUMENTS[:1])
    cluster.indices.put_mapping(index=name, meta={"owner": "us"})
    opened(elasticsearch_8, name, existing="append").index(DOCUMENTS[1:2])
    meta = cluster.indices.get(index=name)[name]["mappings"]["_meta"]
    assert meta == {"owner": "us"}


def test_a_failed_append_leaves_the_index_as_usable_as_it_was(elasticsearch_8: Server, cluster: Elasticsearch) -> None:
    """The index is hers: no mark that shuts it, and no advice that deletes what it held."""

    def broken() -> Iterator[Document]:
        yield DOCUMENTS[2]
        raise RuntimeError("disk on fire")

    theirs = f"theirs-{uuid4().hex}"
    cluster.indices.create(index=theirs, mappings={"_meta": {"owner": "us"}})
    cluster.index(index=theirs, id="own", document={"contents": "sofa"}, refresh=True)
    ours = made(elasticsearch_8, DOCUMENTS[:1])
    for name, meta in ((theirs, {"owner": "us"}), (ours, {"leser": {"complete": True}})):
        appending = opened(elasticsearch_8, name, existing="append")
        with pytest.raises(LeserError) as caught:
            appending.index([DOCUMENTS[1], Document("meta", {"_id": "a reserved name"})])
        said = str(caught.value)
        assert f"refused 1 of 2 documents; the other 1 are in the index '{name}'" in said
        assert "recreate" not in said
        with pytest.raises(RuntimeError, match="disk on fire"):
            appending.index(broken())
        assert cluster.indices.get(index=name)[name]["mappings"]["_meta"] == meta
        cluster.indices.refresh(index=name)
        assert appending.check()["documents"] == 2
        assert appending.index(DOCUMENTS[1:3]) == 2
        assert cluster.indices.get(index=name)[name]["mappings"]["_meta"] == meta
    cluster.indices.delete(index=theirs)


def test_an_unfinished_index_is_not_added_to(elasticsearch_8: Server, cluster: Elasticsearch) -> None:
    name = made(elasticsearch_8, DOCUMENTS[:1])
    cluster.indices.put_mapping(index=name, meta={"leser": {"complete": False}})
    with pytest.raises(LeserError, match=r"not filled to the end .* nothing is added to it") as caught:
        opened(elasticsearch_8, name, existing="append").index(DOCUMENTS[1:3])
    assert "recreate" not in str(caught.value)
    cluster.indices.refresh(index=name)
    assert cluster.count(index=name)["count"] == 1


@pytest.mark.parametrize("existing", ["append", "recreate", "refuse"])
def test_only_one_index_is_written_to(elasticsearch_8: Server, cluster: Elasticsearch, existing: str) -> None:
    """A name that stands for several indices is refused before anything is written, in whatever mode."""
    first, second = made(elasticsearch_8, DOCUMENTS[:1]), made(elasticsearch_8, DOCUMENTS[1:2])
    alias = f"{first}-both"
    for name in (first, second):
        cluster.indices.put_alias(index=name, name=alias)
    before = cluster.indices.get(index=alias).body
    with pytest.raises(LeserError, match=f"'{alias}' at .* stands for 2 indices"):
        opened(elasticsearch_8, alias, existing=existing).index(DOCUMENTS)
    for pattern in ("_all", f"{first}*", f"{first},{second}", f"<{first}>", f"-{first}"):
        with pytest.raises(LeserError, match=r"is the pattern .* needs the name of one index"):
            opened(elasticsearch_8, pattern, existing=existing).index(DOCUMENTS)
    assert cluster.indices.get(index=alias).body == before
    cluster.indices.refresh(index=alias)
    assert cluster.count(index=alias)["count"] == 2
    cluster.indices.delete_alias(index=second, name=alias)
    if existing == "append":
        assert opened(elasticsearch_8, alias, existing=existing).index(DOCUMENTS[1:2]) == 1


def test_an_alias_or_a_pattern_is_not_replaced(elasticsearch_8: Server, cluster: Elasticsearch) -> None:
    name = made(elasticsearch_8)
    cluster.indices.put_alias(index=name, name=f"{name}-alias")
    with pytest.raises(LeserError, match=f"is an alias of {name}: name the index itself"):
        opened(elasticsearch_8, f"{name}-alias", existing="recreate").index(DOCUMENTS)
    with pytest.raises(LeserError, match="is the pattern 'test-\\*'"):
        opened(elasticsearch_8, "test-*").index(DOCUMENTS)


def test_a_document_that_is_refused_fails_the_whole(elasticsearch_8: Server) -> None:
    bad = [Document("x" * 600, {"title": "an id too long"}), Document("meta", {"_id": "a reserved name"})]
    backend = opened(elasticsearch_8, "refusing", analysis="standard", existing="recreate")
    with pytest.raises(LeserError) as caught:
        backend.index([DOCUMENTS[0], bad[0], DOCUMENTS[1], *[bad[1]] * 9])
    said = str(caught.value)
    assert said.startswith("Elasticsearch refused 10 of 12 documents; the index 'refusing' is not whole")
    assert f"\n  {'x' * 50!r}: an id has 1 to 512 bytes" in said
    assert said.count("\n  meta: ") == 4, "the first five, with their reasons"
    with pytest.raises(LeserError, match=r"was not filled to the end. Build it again with: .* -o existing=recreate$"):
        backend.check()


def test_an_index_that_fails_midway_is_not_taken_for_a_whole_one(elasticsearch_8: Server) -> None:
    def broken() -> Iterator[Document]:
        yield from (Document(str(n), {"title": "x"}) for n in range(1500))
        raise RuntimeError("disk on fire")

    backend = opened(elasticsearch_8, "broken", analysis="standard", existing="recreate")
    with pytest.raises(RuntimeError, match="disk on fire"):
        backend.index(broken())
    with pytest.raises(LeserError, match="was not filled to the end"):
        backend.search(SOFA, 1)
    assert backend.index(DOCUMENTS) == 12
    assert ranking(backend, SOFA[0]).ids == ("d01",)


def test_a_busy_server_is_asked_again_while_indexing(elasticsearch_8: Server) -> None:
    with Proxy(elasticsearch_8) as proxy:
        proxy.throttle(times=2, path="_bulk")
        proxy.status(503, times=1, path="_refresh")
        backend = opened(proxy.url, "busy", analysis="standard", existing="recreate")
        assert backend.index(DOCUMENTS) == 12
        assert backend.check()["documents"] == 12
        assert (proxy.counts["throttle"], proxy.counts["status"]) == (2, 1)
        backend.close()


def test_an_analyzer_that_the_server_lacks(elasticsearch_8: Server) -> None:
    with pytest.raises(LeserError, match=r"does not make the index 'greek'.*-o analysis=NAME \(now klingon\)"):
        opened(elasticsearch_8, "greek", analysis="klingon").index(DOCUMENTS)


def test_fields_that_come_late_are_mapped_alike(elasticsearch_8: Server) -> None:
    documents = [Document(str(n), {"title": "sofa"}) for n in range(1200)]
    documents += [
        Document("late", {"title": "couch", "size.cm": "80", "size": "80 cm", "empty": "", "long": "x" * 300})
    ]
    name = made(elasticsearch_8, documents)
    backend = opened(elasticsearch_8, name)
    for condition in (Filter("size.cm", "gte", 80), Filter("size", "eq", "80 cm"), Filter("size.cm", "eq", "80")):
        assert ranking(backend, ExpandedQuery("q", "couch", filters=(condition,))).ids == ("late",)
    for condition in (Filter("size", "gte", 80), Filter("long", "eq", "x" * 300), Filter("size.cm", "in", ())):
        assert ranking(backend, ExpandedQuery("q", "couch", filters=(condition,))).ids == ()
    fetched = backend.fetch(["late"], ["size.cm", "size", "empty", "contents", "none"])["late"]
    assert fetched.fields == {"size.cm": "80", "size": "80 cm", "empty": "", "contents": "couch"}


def test_contents_joins_what_is_named(elasticsearch_8: Server) -> None:
    documents = (
        Document("a", {"title": "one", "brand": "two", "text": "x"}),
        Document("b", {"contents": "own", "title": "one"}),
    )
    backend = opened(elasticsearch_8, made(elasticsearch_8, documents, contents=("title", "brand")))
    assert ranking(backend, ExpandedQuery("q", "", (Term("one two", match="phrase"),))).ids == ("a",)
    assert ranking(backend, ExpandedQuery("q", "own")).ids == ("b",)
    assert ranking(backend, ExpandedQuery("q", "x")).ids == ()
