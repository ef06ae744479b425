"""Events and queries against the fields of User Behavior Insights 1.3.0, as its JSON schemas name and bound them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from leser.serving.ubi import UbiEvent, UbiQuery, read_events

AT = "2018-11-13T20:20:39Z"
LONG = {100: "n" * 100, 256: "n" * 256, 1_024: "n" * 1_024, 5_000: "n" * 5_000}
EVENT = {"action_name": "click", "timestamp": AT}
QUERY = {"user_query": "red sofa"}
EVENT_FIELDS = {
    "action_name": 100, "application": 100, "query_id": 100, "session_id": 100, "client_id": 100, "user_id": 100,
    "message_type": 100, "message": 1_024,
}  # fmt: skip
"""The published names of an event's texts and their greatest lengths."""
QUERY_FIELDS = {"application": 100, "query_id": 100, "client_id": 100, "object_id_field": 100}
OBJECT_FIELDS = {"object_id": 256, "object_id_type": 100, "object_id_field": 100, "internal_id": 256}


def only(given: dict[str, Any]) -> UbiEvent | UbiQuery:
    (found,) = read_events(json.dumps(given).encode())
    return found


def refused(given: dict[str, Any]) -> bool:
    with pytest.raises(ValidationError):
        read_events(json.dumps(given).encode())
    return True


@pytest.mark.parametrize(("name", "most"), EVENT_FIELDS.items())
def test_texts_of_an_event(name: str, most: int) -> None:
    assert getattr(only({**EVENT, name: LONG[most]}), name) == LONG[most]
    assert refused({**EVENT, name: LONG[most] + "n"})
    assert refused({**EVENT, name: 7})


@pytest.mark.parametrize(("name", "most"), QUERY_FIELDS.items())
def test_texts_of_a_query(name: str, most: int) -> None:
    assert getattr(only({**QUERY, name: LONG[most]}), name) == LONG[most]
    assert refused({**QUERY, name: LONG[most] + "n"})


@pytest.mark.parametrize(("name", "most"), OBJECT_FIELDS.items())
def test_texts_of_an_object(name: str, most: int) -> None:
    def of(value: object) -> dict[str, Any]:
        return {**EVENT, "event_attributes": {"object": {name: value}, "position": {"ordinal": 1}}}

    assert only(of(LONG[most])).model_dump()["event_attributes"]["object"][name] == LONG[most]
    assert refused(of(LONG[most] + "n"))
    if name in ("object_id", "internal_id"):  # a number too
        assert only(of(12345)).model_dump()["event_attributes"]["object"][name] == 12345


def test_a_position_is_in_the_list_or_on_the_screen() -> None:
    def at(position: dict[str, Any]) -> dict[str, Any]:
        return {**EVENT, "event_attributes": {"position": position}}

    for good in ({"ordinal": 24}, {"xy": {"x": 1.5, "y": -3}}, {"ordinal": 1, "page": 2}):
        attributes = only(at(good)).model_dump(exclude_none=True)["event_attributes"]
        assert attributes["position"] == good
    for wrong in ({"ordinal": 1.5}, {"ordinal": -1}, {"xy": {"x": 1}}, {"ordinal": "first"}):
        assert refused(at(wrong))


@pytest.mark.parametrize("time", [AT, "2018-11-13T20:20:39+00:00", "2018-11-13T20:20:39", "2018-11-13T21:20:39+01:00"])
def test_a_time_without_a_zone_is_utc(time: str) -> None:
    assert only({**EVENT, "timestamp": time}).timestamp.timestamp() == 1542140439


@pytest.mark.parametrize(
    "time", ["yesterday", "", "1542140439", 1542140439, "2018-11-13", None, "2018-13-13T20:20:39Z"]
)
def test_anything_else_is_not_a_time(time: object) -> None:
    assert refused({**EVENT, "timestamp": time})


def test_a_query_without_an_id_or_a_time_gets_them() -> None:
    first, second = only(QUERY), only({**QUERY, "query_response_hit_ids": [], "query_response_id": LONG[5_000]})
    assert first.query_id != second.query_id
    assert first.query_id
    assert first.timestamp.tzinfo is not None
    assert getattr(only({"user_query": LONG[5_000]}), "user_query") == LONG[5_000]  # noqa: B009 (either model)
    assert refused({"query_id": "q1"})


def test_what_the_standard_does_not_name_is_kept() -> None:
    given = {**EVENT, "colour": "red", "event_attributes": {"object": {"object_id": "d1", "details": {"size": [1, 2]}}}}
    kept = json.loads(only(given).model_dump_json(exclude_none=True))
    assert kept == given
