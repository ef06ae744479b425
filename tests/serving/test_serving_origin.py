"""Who may decide, and from where, with API keys and without them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from served import entry, write_store

from leser.serving.app import build_app
from leser.serving.options import ServingOptions
from leser.serving.origin import is_loopback
from leser.serving.service import Service
from leser.stores import open_store

Ask = Callable[..., httpx.Response]
GIVEN = {"query": "tv", "state": "approved", "expansions": [{"text": "television", "weight": 0.5}]}


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """Send a request to the application of a service that listens on `at`."""
    store = open_store(str(write_store(tmp_path / "head.db", entry("a", "b"))))
    service = Service(store, ServingOptions(names=("shop.example",), events=tmp_path / "events.jsonl"))

    def asked(
        method: str, path: str, at: str = "127.0.0.1", host: str = "127.0.0.1:8080", **more: object
    ) -> httpx.Response:
        async def answer() -> httpx.Response:
            transport = httpx.ASGITransport(build_app(service, at))
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
                return await client.request(method, path, **more)  # type: ignore[arg-type]

        return asyncio.run(answer())

    yield asked
    service.close()


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]:8080", "127.1.2.3", "shop.example"]
)
def test_a_service_on_this_machine_answers_under_its_own_names(ask: Ask, host: str) -> None:
    assert ask("GET", "/v1/expand?q=a", host=host).json()["source"] == "store"
    assert ask("POST", "/v1/decisions", host=host, json=GIVEN).status_code == 200
    assert ask("GET", "/", host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "shop.example.evil", "10.0.0.7", "[::2]"],
)
def test_a_name_that_leads_here_by_rebinding_is_refused(ask: Ask, host: str) -> None:
    for method, path in (("GET", "/v1/expand?q=a"), ("POST", "/v1/decisions"), ("GET", "/"), ("GET", "/metrics")):
        answer = ask(method, path, host=host)
        assert (answer.status_code, "does not answer under this name" in answer.text) == (421, True)
    assert ask("GET", "/healthz", host=host).status_code == 200


@pytest.mark.parametrize("sender", ["http://evil.example", "http://127.0.0.1:9999", "null", "http://127.0.0.1"])
@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/events"])
def test_a_page_of_another_site_posts_nothing(ask: Ask, sender: str, path: str) -> None:
    event = '{"action_name": "click", "timestamp": "2026-01-02T03:04:05Z"}'
    plain = {"origin": sender, "content-type": "text/plain"}  # what a form may send without asking first
    assert ask("POST", path, content=event, headers=plain).status_code == 403
    own = {"origin": "http://127.0.0.1:8080"}
    body = GIVEN if path == "/v1/decisions" else [{"action_name": "click", "timestamp": "2026-01-02T03:04:05Z"}]
    assert ask("POST", path, json=body, headers=own).status_code in (200, 201)


@pytest.mark.parametrize("at", ["0.0.0.0", "::", "10.0.0.7", "shop.example"])
def test_where_others_reach_the_service_a_decision_needs_a_key(
    ask: Ask, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = ask("POST", "/v1/decisions", at=at, host="shop.example", json=GIVEN)
    assert (answer.status_code, "LESER_API_KEYS" in answer.text) == (403, True)
    assert ask("GET", "/v1/expand?q=a", at=at, host="shop.example").status_code == 200
    monkeypatch.setenv("LESER_API_KEYS", "one")
    key = {"x-api-key": "one", "origin": "http://elsewhere.example"}
    assert ask("POST", "/v1/decisions", at=at, host="any.example", json=GIVEN).status_code == 401
    assert ask("POST", "/v1/decisions", at=at, host="any.example", json=GIVEN, headers=key).status_code == 200


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True), ("localhost.", True), ("::1", True), ("[::1]", True),
        ("0.0.0.0", False), ("localhost.evil", False), ("", False),
    ],
)  # fmt: skip
def test_which_hosts_are_this_machine_alone(host: str, own: bool) -> None:
    assert is_loopback(host) is own
