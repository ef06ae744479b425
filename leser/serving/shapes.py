"""What the routes take and answer, as the OpenAPI document describes it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from leser.expansion_store import LONGEST_QUERY, EntryState


class ExpansionShown(BaseModel):
    """One expansion and the weight that the engine is asked with, beside the original query's 1."""

    text: str
    weight: float


class ExpandAnswer(BaseModel):
    """What to search a query with."""

    query: str
    platform: str
    expansions: list[ExpansionShown]
    source: str = Field(description="store, policy, baseline, or original: search the query as it was typed")
    reason: str = Field(description="why there are no expansions; else empty")
    state: str = Field(description="proposed, approved, live or withdrawn, of an entry of the store; else empty")
    by: str = Field(description="who proposed: a run, search, a baseline, by hand; empty where nobody did")


class HitShown(BaseModel):
    """A hit; `other_rank` is its rank in the other list where both were wanted, null if it is not in it."""

    id: str
    title: str
    score: float
    rank: int
    other_rank: int | None = None


class SearchAnswer(ExpandAnswer):
    """What a query was searched with, and the list; the original query's list where it was wanted."""

    hits: list[HitShown]
    original: list[HitShown] | None = None


class ExpansionGiven(BaseModel):
    """An expansion that a person gives."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=200)
    weight: float = Field(gt=0, le=100)


class Decision(BaseModel):
    """A person's decision about one query's expansions."""

    model_config = ConfigDict(extra="forbid")

    query: str = Field(min_length=1, max_length=LONGEST_QUERY)
    platform: str = Field("", max_length=100)
    state: EntryState
    expansions: list[ExpansionGiven] | None = Field(None, max_length=50)


class EntryShown(BaseModel):
    """An entry as it stands in the store now."""

    query: str
    platform: str
    expansions: list[ExpansionShown]
    state: EntryState
    policy: str
    profile: str
    engine: str
    judge: str
    scores: dict[str, float]
    time: str


class EventsStored(BaseModel):
    """How many events and queries are on disk now, and the ids of the queries among them, in order."""

    stored: int
    query_ids: list[str]


class Alive(BaseModel):
    """The process answers."""

    ok: bool


class Readiness(BaseModel):
    """The generation that is served, and how store and policy are."""

    generation: int | None
    entries: int
    store: str = Field(description="ok, or why the store cannot be read")
    policy: str = Field(description="who answers new queries: none, loading, ready, or why it does not answer")
    run: str = Field(description="the run that answers; else empty")
    by: str = Field(description="policy, or the baseline of the run that answers; else empty")


class WrongPart(BaseModel):
    """A part of a request that is not valid."""

    loc: list[str]
    msg: str
    type: str


class ProblemShown(BaseModel):
    """Why a request was not answered, and what to do."""

    detail: str | list[WrongPart]


GUARDED = {
    401: "no valid API key",
    403: "where no key is set: a page of another site, or a decision that others could send",
    413: "the body is too large",
    421: "where no key is set: an unknown name in the Host header",
    429: "too many requests",
}


def problems(**said: str) -> dict[int | str, dict[str, Any]]:
    """The answers beside the good one, for a route's OpenAPI entry: those of the guard, and e.g. `on_503="why"`."""
    own = {int(name.removeprefix("on_")): text for name, text in said.items()}
    return {status: {"model": ProblemShown, "description": text} for status, text in {**GUARDED, **own}.items()}
