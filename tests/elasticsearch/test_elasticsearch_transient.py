"""Elasticsearch: what may pass, what is only a part of an answer, and what the server refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from elastic import opened
from elastic_failures import SOFA, failure
from elasticsearch import Elasticsearch
from servers.proxy import Proxy
from servers.server import Server

from leser.backend import ExpandedQuery, Ranking, SearchError
from leser.engine import SearchClient, SearchOptions
from leser.errors import IndexMissing, LeserError


def test_trouble_for_the_moment_is_transient(elasticsearch_8: Server, index: str) -> None:
    trouble: list[Callable[[Proxy], None]] = [
        lambda proxy: proxy.throttle(),
        lambda proxy: proxy.status(503, b'{"error": {"type": "unavailable", "reason": "starting"}, "status": 503}'),
        lambda proxy: proxy.status(502, b'"<html>"'),
        lambda proxy: proxy.cut(),
        lambda proxy: proxy.garble(),
        lambda proxy: proxy.delay(3),
    ]
    for start in trouble:
        with Proxy(elasticsearch_8) as proxy:
            backend = opened(proxy.url, index, timeout=1)
            assert isinstance(backend.search(SOFA, 1)[0], Ranking)
            start(proxy)
            assert failure(backend).kind == "transient"
            with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, SearchClient tries again
                backend.fetch(["d01"], ["title"])
            assert not isinstance(caught.value, LeserError)
            proxy.clear()
            assert isinstance(backend.search(SOFA, 1)[0], Ranking)
            backend.close()


def test_trouble_at_the_first_search_is_transient_too(elasticsearch_8: Server, index: str) -> None:
    with Proxy(elasticsearch_8) as proxy:
        backend = opened(proxy.url, index)
        proxy.status(503, times=1)
        assert failure(backend).kind == "transient"
        assert isinstance(backend.search(SOFA, 1)[0], Ranking)
        backend.close()


def test_a_server_that_is_down_is_an_answer_from_the_first_call_on(elasticsearch_8: Server, index: str) -> None:
    down = opened("http://127.0.0.1:9")
    assert down.fingerprint().endswith(" not ready")
    with SearchClient(down, SearchOptions(retries=0)) as client:
        (error,) = client.search(SOFA, 1)
    assert isinstance(error, SearchError)
    assert error.kind == "transient"
    with Proxy(elasticsearch_8) as proxy:
        backend = opened(proxy.url, index)
        with SearchClient(backend, SearchOptions(retries=0)) as client:
            proxy.status(503)
            (error,) = client.search(SOFA, 1)
            assert isinstance(error, SearchError)
            assert error.kind == "transient"
            proxy.clear()
            assert isinstance(client.search(SOFA, 1)[0], Ranking)
            assert "not ready" not in backend.fingerprint()
    with pytest.raises(IndexMissing):
        opened(elasticsearch_8, "no-such-index").fingerprint()


def test_a_batch_that_is_too_large_goes_in_halves(elasticsearch_8: Server, index: str) -> None:
    queries = [ExpandedQuery(str(n), text) for n, text in enumerate(["sofa", "jacket", "yoga", "bottle", "chair"])]
    with Proxy(elasticsearch_8) as proxy:
        backend = opened(proxy.url, index)
        backend.check()
        proxy.status(413, b"{}", times=2, path="_msearch")
        answers = backend.search(queries, 1)
        assert [answer.ids for answer in answers if isinstance(answer, Ranking)] == [
            ("d01",),
            ("d05",),
            ("d11",),
            ("d10",),
            ("d06",),
        ]
        proxy.status(413, b"{}", path="_msearch")
        assert {answer.kind for answer in backend.search(queries, 1) if isinstance(answer, SearchError)} == {"query"}
        backend.close()


def test_part_of_the_shards_is_no_answer(elasticsearch_8: Server, cluster: Elasticsearch, index: str) -> None:
    """Two indices behind one name, one of which cannot sort: half a ranking would look like a whole one."""
    cluster.indices.create(index=f"{index}-bare", mappings={"properties": {"contents": {"type": "text"}}})
    cluster.index(index=f"{index}-bare", id="x", document={"contents": "sofa"}, refresh=True)
    error = failure(opened(elasticsearch_8, f"{index}*", ties="brand.keyword"))
    assert error.kind == "transient"
    assert error.message.startswith("1 of 2 shards did not answer: No mapping found for [brand.keyword]")
    (answer,) = opened(elasticsearch_8, f"{index}*").search(SOFA, 5)
    assert isinstance(answer, Ranking)
    assert set(answer.ids) == {"d01", "x"}


def test_an_unfinished_answer_is_no_answer(elasticsearch_8: Server, index: str) -> None:
    whole = {"took": 1, "timed_out": False, "_shards": {"total": 1, "failed": 0}, "hits": {"hits": []}, "status": 200}
    damaged: list[Any] = [
        {**whole, "timed_out": True},
        {**whole, "status": None},
        {key: value for key, value in whole.items() if key != "_shards"},
        {key: value for key, value in whole.items() if key != "took"},
        {**whole, "hits": {"hits": [{"_id": "a"}]}},
        {**whole, "_clusters": {"total": 2, "successful": 1, "skipped": 1}},
        {**whole, "_clusters": {"total": 2, "successful": 1, "skipped": 0, "partial": 1, "failed": 0}},
        "?",
    ]
    with Proxy(elasticsearch_8) as proxy:
        backend = opened(proxy.url, index)
        backend.check()
        for response in damaged:
            proxy.status(200, json.dumps({"responses": [response]}).encode(), times=1, path="_msearch")
            assert failure(backend).kind == "transient", response
        for body in (b'{"responses": []}', b"[]", b'"text"'):
            proxy.status(200, body, times=1, path="_msearch")
            assert failure(backend).kind == "transient", body
        backend.close()


def test_parts_that_tell_of_a_cut_answer_are_asked_for(
    elasticsearch_8: Server, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `filter_path` leaves out cannot be noticed: a real server's terminated_early has to arrive, and is an error."""
    backend = opened(elasticsearch_8, index)
    engine = backend._open()
    whole = engine.builder.body
    monkeypatch.setattr(engine.builder, "body", lambda *given: {**whole(*given), "terminate_after": 1})
    (error,) = backend.search([ExpandedQuery("q", "couch lamp")], 5)
    assert isinstance(error, SearchError)
    assert error.kind == "engine"
    assert "terminated_early" in error.message
    from leser_elasticsearch.engine import ANSWERED

    assert "responses._clusters" in ANSWERED.split(",")


def test_a_cluster_that_was_skipped_is_named(elasticsearch_8: Server, index: str) -> None:
    clusters = {
        "total": 2,
        "successful": 1,
        "skipped": 1,
        "details": {"(local)": {"status": "successful"}, "far": {"status": "skipped"}},
    }
    answer = {"took": 1, "timed_out": False, "_shards": {"failed": 0}, "_clusters": clusters, "hits": {}, "status": 200}
    with Proxy(elasticsearch_8) as proxy:
        backend = opened(proxy.url, index)
        backend.check()
        proxy.status(200, json.dumps({"responses": [answer]}).encode(), times=1, path="_msearch")
        assert failure(backend).message == "Not all of 2 clusters answered in full: 1 skipped (far)"
        assert isinstance(backend.search(SOFA, 1)[0], Ranking)
        backend.close()


def test_what_the_engine_refuses_is_the_querys_fault(elasticsearch_8: Server, index: str) -> None:
    backend = opened(elasticsearch_8, index, max_clauses=1_000_000, fields="title,text,contents,brand")
    ok, too_long, bad = backend.search(
        [SOFA[0], ExpandedQuery("q", " ".join(f"w{n}" for n in range(100_000))), SOFA[0]], 10_001
    )
    assert all(isinstance(answer, SearchError) and answer.kind == "query" for answer in (ok, too_long, bad))
    assert isinstance(ok, SearchError)
    assert "Result window is too large" in ok.message
    ok, too_long = backend.search([SOFA[0], ExpandedQuery("q", " ".join(f"w{n}" for n in range(100_000)))], 10)
    assert isinstance(ok, Ranking)
    assert isinstance(too_long, SearchError)
    assert too_long.kind == "query"
    assert "Shorten the query, expand it less" in too_long.message
    refused = opened(elasticsearch_8, index, max_clauses=8, fields="title,text").search(
        [ExpandedQuery("q", "a b c d e")], 1
    )[0]
    assert isinstance(refused, SearchError)
    assert "about 5 words in 2 field(s), over max_clauses=8" in refused.message


def test_listing_imports_no_client() -> None:
    code = "import sys, leser_elasticsearch; print(sorted({'elasticsearch', 'elastic_transport', 'urllib3'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_without_the_client_package(tmp_path: Path) -> None:
    (tmp_path / "elasticsearch.py").write_text("raise ImportError('not installed')")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from leser_elasticsearch import ElasticsearchBackend as B\n"
        "from leser.errors import LeserError\n"
        "try: B(B.Options()).check()\n"
        "except LeserError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'leser[elasticsearch]'" in run.stdout, run.stderr
    shutil.rmtree(tmp_path)
