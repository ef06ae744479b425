"""The routes of the service, as a FastAPI application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leser.errors import LeserError
from leser.expansion import Expansion
from leser.expansion_store import LONGEST_QUERY, EntryState
from leser.serving.events import UbiEvent, UbiQuery, read_events
from leser.serving.guard import RequestGuard
from leser.serving.metrics import Metrics
from leser.serving.process import ProcessUnavailable
from leser.serving.service import Expanded, Service
from leser.version import installed_version

log = logging.getLogger("leser.serving")
PAGE = Path(__file__).with_name("playground.html")
Text = Annotated[str, Query(description="the query as it was typed")]
Platform = Annotated[str, Query(description="the platform, as the store names it; empty: none", max_length=100)]


class ExpansionShown(BaseModel):
    """One expansion and the weight that the engine is asked with, beside the original query's 1."""

    text: str = Field(min_length=1, max_length=200)
    weight: float = Field(gt=0, le=100)


class ExpandAnswer(BaseModel):
    """What to search a query with."""

    query: str
    platform: str
    expansions: list[ExpansionShown]
    source: str = Field(description="store, policy, or original: search the query as it was typed")
    reason: str = Field(description="why there are no expansions; else empty")
    state: str = Field("", description="proposed, approved, live or withdrawn, of an entry of the store")


class Decision(BaseModel):
    """A person's decision about one query's expansions."""

    model_config = ConfigDict(extra="forbid")

    query: str = Field(min_length=1, max_length=LONGEST_QUERY)
    platform: str = Field("", max_length=100)
    state: EntryState
    expansions: list[ExpansionShown] | None = Field(None, max_length=50)


def build_app(service: Service) -> FastAPI:
    """The application over an open service, which it closes when it ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    app = FastAPI(
        title="LESER", version=installed_version(), lifespan=lifespan, docs_url=None, redoc_url=None,
        description="Verified query expansions: frequent queries from a store, others from a live policy.",
    )  # fmt: skip
    metrics = Metrics(service)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_middleware(RequestGuard, options=service.options, metrics=metrics)
    _expanding(app, service, metrics)
    _writing(app, service)
    _watching(app, service, metrics)
    return app


def _expanding(app: FastAPI, service: Service, metrics: Metrics) -> None:
    @app.get("/v1/expand", response_model=ExpandAnswer, summary="What to search a query with")
    async def expand(request: Request, q: Text, platform: Platform = "") -> Response:
        found = await service.expand(q, platform)
        metrics.expanded(found)
        _note(request, found, q)
        return JSONResponse(_answer(q, platform, found))

    @app.get("/v1/search", summary="Expand a query and search with it")
    async def search(
        request: Request,
        q: Annotated[str, Query(min_length=1, max_length=LONGEST_QUERY)],
        platform: Platform = "",
        k: Annotated[int, Query(ge=1, le=100, description="hits")] = 10,
        both: Annotated[bool, Query(description="the original query's list too")] = False,
    ) -> Response:
        found = await service.expand(q, platform)
        _note(request, found, q)
        if found.reason in ("empty", "control_characters"):
            raise HTTPException(422, f"The query cannot be searched: {found.reason}. Send a text.")
        try:
            lists = await service.search(q, found.expansions, k, both)
        except ProcessUnavailable as error:
            if str(error) == "no_engine":
                raise HTTPException(404, "The service has no engine. Start it with --policy RUN.") from None
            raise HTTPException(503, f"The engine does not answer: {error}. Search the original query.") from None
        if lists.error:
            raise HTTPException(422, f"The engine refuses the query: {lists.error}")
        shown = {"hits": lists.hits, **({"original": lists.original} if both else {})}
        return JSONResponse({**_answer(q, platform, found), **shown})


def _writing(app: FastAPI, service: Service) -> None:
    body = {
        "requestBody": {"content": {"application/json": {"schema": {"anyOf": [{"type": "object"}, {"type": "array"}]}}}}
    }

    @app.post("/v1/events", status_code=201, summary="Events and queries of UBI 1.3", openapi_extra=body)
    async def events(request: Request) -> Response:
        if service.events is None:
            raise HTTPException(404, "The service takes no events. Start it with --events FILE.")
        try:
            given: list[UbiEvent | UbiQuery] = read_events(await request.body())
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False)[:5]]
            raise HTTPException(422, f"These are not events of UBI 1.3: {'; '.join(wrong)}") from None
        try:
            await asyncio.wrap_future(service.events.append(given))
        except OSError as error:
            log.error("Events could not be written: %s", error)
            raise HTTPException(
                503, "The events could not be written, none of them was kept. Send them again."
            ) from None
        return JSONResponse({"stored": len(given)}, 201)

    @app.post("/v1/decisions", summary="Approve or withdraw a query's expansions")
    async def decide(decision: Decision) -> Response:
        given = decision.expansions
        expansions = None if given is None else [Expansion(e.text, e.weight) for e in given]
        try:
            made = await asyncio.to_thread(
                service.decide, decision.query, decision.platform, decision.state, expansions
            )
        except LeserError as error:
            raise HTTPException(409, str(error)) from None
        return JSONResponse(made.row())


def _watching(app: FastAPI, service: Service, metrics: Metrics) -> None:
    @app.get("/healthz", summary="The process answers")
    async def healthy() -> Response:
        return JSONResponse({"ok": True})

    @app.get("/readyz", summary="A generation is loaded")
    async def ready() -> Response:
        generation = service.head.generation
        said = {
            "generation": generation.number if generation else None,
            "entries": generation.entries if generation else 0,
            "store": service.head.trouble or "ok",
            "policy": "none"
            if service.policy is None
            else "ready"
            if service.policy.ready
            else service.policy.trouble or "loading",
        }
        return JSONResponse(said, 200 if generation else 503)

    @app.get("/metrics", summary="Prometheus")
    async def measured() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def playground() -> Response:
        return HTMLResponse(PAGE.read_text(encoding="utf-8"), headers=SAFE)


SAFE = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


async def _not_valid(_: Request, error: Exception) -> Response:
    """What is wrong with a request, without what was sent: it may be bytes that no answer can hold."""
    assert isinstance(error, RequestValidationError)
    wrong = [{"loc": list(map(str, e["loc"])), "msg": e["msg"], "type": e["type"]} for e in error.errors()]
    return JSONResponse({"detail": wrong}, 422)


def _answer(query: str, platform: str, found: Expanded) -> dict[str, Any]:
    return {
        "query": query,
        "platform": platform,
        "expansions": [{"text": e.text, "weight": e.weight} for e in found.expansions],
        "source": found.source,
        "reason": found.reason,
        "state": found.state,
    }


def _note(request: Request, found: Expanded, query: str) -> None:
    """What the log says of a request besides its route and its time."""
    request.scope["leser"] = {"source": found.source, "reason": found.reason, "query": query}
