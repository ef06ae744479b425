"""The service against its own OpenAPI document: requests that it allows and that it does not, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)
from served import Served, entry, serving, write_store

from leser.expansion_store import EntryState

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    negative_data_rejection,
]  # fmt: skip
ROUTES = ["get /v1/expand", "get /v1/search", "post /v1/events", "post /v1/decisions"]
BARE = ["get /healthz", "get /readyz", "get /metrics"]
"""Routes that take nothing, so that nothing is not allowed."""


@pytest.fixture(scope="module")
def served(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service with everything: a store, a policy and its engine, events."""
    folder = tmp_path_factory.mktemp("schema")
    entries = [entry("red sofa", "couch"), entry("tv", "television", state=EntryState.PROPOSED), entry("lamp")]
    store = write_store(folder / "head.db", *entries)
    flags = (
        "-o",
        "nice=0",
        "--policy",
        str(made),
        "--events",
        str(folder / "events.jsonl"),
        "-o",
        "search_ms=20000",
        "-o",
        "hung_s=120",
    )
    with serving(folder, store, *flags) as running:
        running.until("/readyz policy", "ready", 300)
        running.search_until_ready()
        yield running


@pytest.fixture(scope="module")
def described(served: Served) -> schemathesis.BaseSchema:
    """Its document."""
    return schemathesis.openapi.from_url(f"{served.client.base_url}/openapi.json")


@pytest.mark.parametrize(
    ("route", "mode"),
    [
        *((route, GenerationMode.POSITIVE) for route in (*ROUTES, *BARE)),
        *((route, GenerationMode.NEGATIVE) for route in ROUTES),
    ],
)
def test_answers_are_those_of_the_document(
    described: schemathesis.BaseSchema, route: str, mode: GenerationMode
) -> None:
    method, path = route.split()

    @seed(20)
    @settings(
        max_examples=30,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(described[path][method].as_strategy(generation_mode=mode))
    def answered(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS, timeout=30)

    answered()


def test_every_route_is_tried(described: schemathesis.BaseSchema) -> None:
    there = {f"{one.ok().method} {one.ok().path}" for one in described.get_all_operations()}
    assert {route.upper() for route in (*ROUTES, *BARE)} == {route.upper() for route in there}
