"""`leser serve` without a policy: the head, decisions, generations that come and go, keys and limits."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import Served, entry, serving, write_store

from leser.expansion_store import EntryState
from leser.stores import open_store

QUICK = ("-o", "refresh_s=0.1")
HOSTILE = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\x00\x07\x1b[31m", "a" * 5_000, "' OR 1=1 --", "%00%0a",
    "\u202eevil", "{{7*7}}", "../../etc/passwd", "\ud7ff\U0010ffff", "💥" * 300, "\r\nX-Evil: 1", "*:* OR _query_:", " ",
]  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> object:
    folder = tmp_path_factory.mktemp("served")
    store = write_store(
        folder / "head.db",
        entry("red sofa", "couch", "loveseat"),
        entry("tv", "television", state=EntryState.PROPOSED),
        entry("gone", "away", state=EntryState.WITHDRAWN),
        entry("lamp"),
        entry("red sofa", "divan", platform="de"),
    )
    with serving(folder, store, *QUICK, "--events", str(folder / "events.jsonl")) as running:
        yield running


def test_what_the_store_holds_is_served(served: Served) -> None:
    found = served.expand("  Red SOFA ")
    assert found["expansions"] == [{"text": "couch", "weight": 0.5}, {"text": "loveseat", "weight": 0.5}]
    assert (found["source"], found["state"], found["query"]) == ("store", "live", "  Red SOFA ")
    assert served.expand("red sofa", platform="de")["expansions"] == [{"text": "divan", "weight": 0.5}]


@pytest.mark.parametrize(
    ("query", "reason"),
    [("tv", "proposed"), ("gone", "withdrawn"), ("lamp", "nothing_to_add"), ("sofa", "unknown"), ("", "empty")],
)
def test_everything_else_is_searched_as_it_was_typed(served: Served, query: str, reason: str) -> None:
    found = served.expand(query)
    assert (found["expansions"], found["reason"], found["query"]) == ([], reason, query)


@pytest.mark.parametrize("query", HOSTILE)
def test_hostile_queries_come_back_as_data(served: Served, query: str) -> None:
    found = served.expand(query)
    assert (found["query"], found["expansions"]) == (query, [])


def test_a_megabyte_is_refused_and_the_service_goes_on(served: Served) -> None:
    assert _status_of_long_address(served, 1_000_000) in (400, 413, 414, 431)
    answer = served.client.post("/v1/events", content=b"[" + b" " * 1_100_000 + b"]")
    assert (answer.status_code, "larger than 1000000" in answer.text) == (413, True)
    chunks = (b" " * 100_000 for _ in range(20))  # no content-length
    assert served.client.post("/v1/events", content=chunks).status_code == 413
    assert served.expand("red sofa")["source"] == "store"


def _status_of_long_address(served: Served, length: int) -> int:
    address = (served.client.base_url.host, served.client.base_url.port or 80)
    with socket.create_connection(address, timeout=20) as link:
        with contextlib.suppress(ConnectionError):  # it may answer before it has read all of it
            link.sendall(b"GET /v1/expand?q=" + b"a" * length + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        return int(link.recv(100).split()[1])


def test_events_are_validated(served: Served) -> None:
    good = {"action_name": "click", "query_id": "q1", "client_id": "c1", "timestamp": "2026-01-02T03:04:05Z",
            "event_attributes": {"object": {"object_id": "d1", "colour": "red"}, "position": {"ordinal": 3}}}  # fmt: skip
    query = {
        "query_id": "q1",
        "user_query": "red sofa",
        "timestamp": "2026-01-02T03:04:05Z",
        "query_response_hit_ids": ["d1"],
    }
    assert served.client.post("/v1/events", json=[query, good]).json() == {"stored": 2, "query_ids": ["q1"]}
    stored = (served.log.parent / "events.jsonl").read_text().splitlines()
    assert [json.loads(line).get("action_name") for line in stored[-2:]] == [None, "click"]
    assert json.loads(stored[-1])["event_attributes"]["object"]["colour"] == "red"
    for wrong in ({}, [], "x", {**good, "timestamp": "yesterday"}, {**good, "action_name": ""}, [good, {"a": 1}],
                  {**good, "event_attributes": {"position": {"ordinal": -1}}}):  # fmt: skip
        answer = served.client.post("/v1/events", json=wrong)
        assert (answer.status_code, "not events of UBI 1.3" in answer.text) == (422, True)
    assert len((served.log.parent / "events.jsonl").read_text().splitlines()) == len(stored)


def test_a_refused_body_says_what_is_wrong_with_what_was_meant(served: Served) -> None:
    def said(path: str, body: bytes, **headers: str) -> str:
        answer = served.client.post(path, content=body, headers=headers)
        assert answer.status_code == 422
        return json.dumps(answer.json()["detail"])

    click = said("/v1/events", b'[{"user_query": "lamp"}, {"action_name": "click"}]')
    assert "1 event: timestamp: Field required" in click
    assert "user_query: " not in click, "it is not a query, and nothing is said of one"
    form = said("/v1/decisions", b'{"query": "tv", "state": "approved"}')
    assert "with the header Content-Type: application/json" in form


def test_decisions_are_served_at_once_and_stored(served: Served) -> None:
    def decide(**said: object) -> int:
        return served.client.post("/v1/decisions", json=said).status_code

    assert decide(query="decided", state="approved") == 409
    given = [{"text": "<b>chosen</b>", "weight": 0.7}]
    assert decide(query="decided", state="approved", expansions=given) == 200
    assert served.expand("Decided")["expansions"] == given
    assert decide(query="decided", state="withdrawn") == 200
    assert served.expand("decided")["reason"] == "withdrawn"
    assert decide(query="decided", state="maybe") == 422
    form = served.client.post(
        "/v1/decisions", content='{"query":"tv","state":"approved"}', headers={"content-type": "text/plain"}
    )
    assert form.status_code == 422  # a page of another site can send no more than that
    with open_store(str(served.log.parent / "head.db")) as store:
        kept = store.get("decided")
        assert kept is not None
        assert kept.state == EntryState.WITHDRAWN


TEXTS = st.text(max_size=60)


@given(query=TEXTS, platform=TEXTS, hits=st.one_of(st.integers(), TEXTS), both=TEXTS, body=st.binary(max_size=300))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_that_is_sent_is_a_server_error(
    served: Served, query: str, platform: str, hits: object, both: str, body: bytes
) -> None:
    expand = served.client.get("/v1/expand", params={"q": query, "platform": platform})
    search = served.client.get("/v1/search", params={"q": query, "platform": platform, "k": str(hits), "both": both})
    posted = [served.client.post(path, content=body) for path in ("/v1/events", "/v1/decisions")]
    assert expand.status_code in (200, 422)
    assert max(answer.status_code for answer in (search, *posted)) < 500


def test_the_openapi_page_names_every_route(served: Served) -> None:
    routes = served.client.get("/openapi.json").json()["paths"]
    assert sorted(routes) == [
        "/healthz",
        "/metrics",
        "/readyz",
        "/v1/decisions",
        "/v1/events",
        "/v1/expand",
        "/v1/search",
    ]


def test_metrics_and_log_hold_no_query(served: Served) -> None:
    served.expand("secretword")
    metrics = served.client.get("/metrics").text
    assert 'leser_expansions_total{reason="unknown",source="original"}' in metrics
    assert "leser_store_ok 1.0" in metrics
    assert 'leser_request_seconds_bucket{le="0.01",route="/v1/expand"}' in metrics
    log = served.log.read_text()
    assert "secretword" not in metrics + log
    assert '"route": "/v1/expand", "status": 200' in log


def test_generations_are_swapped_rolled_back_and_kept_when_the_store_is_damaged(tmp_path: Path) -> None:
    store = write_store(tmp_path / "head.db", entry("a", "first"))
    with serving(tmp_path, store, *QUICK) as served:
        write_store(store, entry("a", "second"))
        served.until("/readyz generation", 2)
        assert served.expand("a")["expansions"] == [{"text": "second", "weight": 0.5}]
        with open_store(str(store)) as opened:
            opened.rollback()
        served.until("/readyz generation", 1)
        assert served.expand("a")["expansions"] == [{"text": "first", "weight": 0.5}]
        os.truncate(store, 100)  # SQLite may still answer from its log
        time.sleep(0.4)
        assert served.expand("a")["expansions"] == [{"text": "first", "weight": 0.5}]
        for damage in (lambda: store.write_bytes(b"not a database" * 999), store.unlink):
            damage()
            for rest in tmp_path.glob("head.db-*"):
                rest.unlink()
            time.sleep(0.4)
            assert served.client.get("/readyz").json()["store"] != "ok"
            assert served.expand("a")["expansions"] == [{"text": "first", "weight": 0.5}]
        for rest in tmp_path.glob("head.db-*"):
            rest.unlink()
        write_store(store, entry("a", "third"), entry("b"))
        served.until("/readyz entries", 2)
        assert served.expand("a")["expansions"] == [{"text": "third", "weight": 0.5}]
        assert served.client.get("/readyz").json()["store"] == "ok"


def test_keys_and_rates(tmp_path: Path) -> None:
    store = write_store(tmp_path / "head.db", entry("a", "b"))
    with serving(tmp_path, store, "-o", "rate=5", LESER_API_KEYS="one, two") as served:
        assert served.client.get("/healthz").status_code == 200
        for headers in (
            {},
            {"X-API-Key": "three"},
            {"Authorization": "Bearer on"},
            {b"X-API-Key": "é".encode()},
        ):
            assert served.client.get("/v1/expand", params={"q": "a"}, headers=headers).status_code == 401
        codes = [
            served.client.get("/v1/expand", params={"q": "a"}, headers={"Authorization": "Bearer two"}).status_code
            for _ in range(40)
        ]
        assert codes[:5] == [200] * 5
        assert 429 in codes
        assert served.client.get("/v1/expand", params={"q": "a"}, headers={"X-API-Key": "one"}).status_code == 200
