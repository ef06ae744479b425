"""Events and queries of User Behavior Insights 1.3.0, field by field as its JSON schemas name and bound them.

Source: event.schema.json and query.request.schema.json of version 1.3.0 in the repository o19s/ubi. What those schemas take is
taken here, further fields too, with one exception: a position before the first. A time without a zone, as one of their
examples has it, is UTC. A query without an id or a time is given one, as that standard's plugins of search engines do.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
)

MOST_EVENTS = 1_000
"""Events and queries in one request."""
_DAY_AND_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:")


def _is_text(value: Any) -> Any:
    if not isinstance(value, str) or not _DAY_AND_TIME.match(value):
        raise ValueError("a time is a text like 2026-01-31T12:00:00Z")
    return value


def _with_zone(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)


Name = Annotated[str, Field(max_length=100)]
Id = Annotated[str, Field(max_length=256)] | int
Time = Annotated[datetime, BeforeValidator(_is_text), AfterValidator(_with_zone)]


class _Open(BaseModel):
    """A part that may hold more than the specification names."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class UbiObject(_Open):
    """What was acted on."""

    object_id: Id | None = None
    object_id_type: Name | None = None
    object_id_field: Name | None = None
    internal_id: Id | None = None


class UbiPlace(_Open):
    """A place on the screen."""

    x: float
    y: float


class UbiPosition(_Open):
    """Where it stood: its place in the list, or on the screen."""

    ordinal: int | None = Field(None, ge=0)
    xy: UbiPlace | None = None


class UbiAttributes(_Open):
    """What was acted on, and where it stood."""

    object: UbiObject | None = None
    position: UbiPosition | None = None


class UbiEvent(_Open):
    """One event: a click, an impression, an add_to_cart."""

    action_name: Annotated[str, Field(min_length=1, max_length=100)]
    timestamp: Time
    query_id: Name | None = None
    session_id: Name | None = None
    client_id: Name | None = None
    user_id: Name | None = None
    application: Name | None = None
    message_type: Name | None = None
    message: str | None = Field(None, max_length=1_024)
    event_attributes: UbiAttributes | None = None


class UbiQuery(_Open):
    """One search: what was typed, and which hits were shown."""

    user_query: str
    query_id: Annotated[str, Field(min_length=1, max_length=100)] = Field(default_factory=lambda: str(uuid4()))
    timestamp: Time = Field(default_factory=lambda: datetime.now(UTC))
    client_id: Name | None = None
    application: Name | None = None
    query_attributes: dict[str, Any] | None = None
    object_id_field: Name | None = None
    query_response_id: str | None = None
    query_response_hit_ids: list[str] | None = None
    action_name: Literal[None] = None


def _kind(value: Any) -> str:
    """What an object is meant to be, so that its faults are said of that alone."""
    if isinstance(value, UbiQuery):
        return "query"
    is_query = isinstance(value, dict) and "user_query" in value and value.get("action_name") is None
    return "query" if is_query else "event"


def _one_or_many(value: Any) -> str:
    return "list" if isinstance(value, list) else "one"


One = Annotated[Annotated[UbiEvent, Tag("event")] | Annotated[UbiQuery, Tag("query")], Discriminator(_kind)]
Many = Annotated[list[One], Field(min_length=1, max_length=MOST_EVENTS)]
ONE_OR_MORE: TypeAdapter[Any] = TypeAdapter(
    Annotated[Annotated[One, Tag("one")] | Annotated[Many, Tag("list")], Discriminator(_one_or_many)]
)
SHOWN = 5


def read_events(body: bytes) -> list[UbiEvent | UbiQuery]:
    """One event or query, or a list of them; raises pydantic's ValidationError."""
    found = ONE_OR_MORE.validate_json(body)
    return list(found) if isinstance(found, list) else [found]


def faults(error: ValidationError) -> str:
    """What is wrong with the first events, in words: the place in a list, event or query, the field."""
    said = []
    for fault in error.errors(include_url=False)[:SHOWN]:
        place = [part for part in fault["loc"] if part not in ("one", "list")]
        where = "".join(f"{part}: " for part in (" ".join(map(str, place[:-1])), *place[-1:]) if part != "")
        said.append(f"{where}{fault['msg']}")
    return "; ".join(said)


def body_schema() -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON schema of a request's body, and the schemas that it names, for an OpenAPI document."""
    schema = ONE_OR_MORE.json_schema(ref_template="#/components/schemas/{model}")
    return schema, schema.pop("$defs")
