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
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from pydantic import ValidationError

from leser.errors import LeserError
from leser.expansion import Expansion
from leser.expansion_store import LONGEST_QUERY
from leser.serving.guard import RequestGuard
from leser.serving.metrics import Metrics
from leser.serving.process import ProcessUnavailable
from leser.serving.service import Expanded, Service
from leser.serving.shapes import (
    Alive,
    Decision,
    EntryShown,
    EventsStored,
    ExpandAnswer,
    Readiness,
    SearchAnswer,
    problems,
)
from leser.serving.ubi import UbiEvent, UbiQuery, body_schema, faults, read_events
from leser.version import installed_version

log = logging.getLogger("leser.serving")
PAGE = Path(__file__).with_name("playground.html")
Text = Annotated[str, Query(description="the query as it was typed")]
Platform = Annotated[str, Query(description="the platform, as the store names it; empty: none", max_length=100)]


def build_app(service: Service, host: str = "127.0.0.1") -> FastAPI:
    """The application over an open service, which it closes when it ends; `host` is the address it listens on."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    app = FastAPI(
        title="LESER", version=installed_version(), lifespan=lifespan, docs_url=None, redoc_url=None,
        description="Verified query expansions: frequent queries from a store, others from a live policy or baseline.",
    )  # fmt: skip
    metrics = Metrics(service)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_middleware(RequestGuard, options=service.options, metrics=metrics, host=host)
    _expanding(app, service, metrics)
    _writing(app, service)
    _watching(app, service, metrics)
    _described(app)
    return app


def _described(app: FastAPI) -> None:
    """The schemas of events, which their route reads itself, go into the OpenAPI document."""
    document = app.openapi()
    document["components"]["schemas"].update(body_schema()[1])


def _expanding(app: FastAPI, service: Service, metrics: Metrics) -> None:
    wrong = "the request is not valid"

    @app.get(
        "/v1/expand",
        response_model=ExpandAnswer,
        summary="What to search a query with",
        responses=problems(on_422=wrong),
    )
    async def expand(request: Request, q: Text, platform: Platform = "") -> Response:
        found = await service.expand(q, platform)
        metrics.expanded(found)
        _note(request, found, q)
        return JSONResponse(_answer(q, platform, found))

    refused = {"on_404": "the service has no engine", "on_422": wrong + ", or the engine refuses it"}

    @app.get(
        "/v1/search",
        response_model=SearchAnswer,
        summary="Expand a query and search with it",
        responses=problems(**refused, on_503="the engine does not answer: search the original query"),
    )
    async def search(
        request: Request,
        q: Annotated[str, Query(min_length=1, max_length=LONGEST_QUERY)],
        platform: Platform = "",
        k: Annotated[int, Query(ge=1, le=100, description="hits")] = 10,
        both: Annotated[bool, Query(description="the original query's list too")] = False,
        preview: Annotated[
            bool, Query(description="with the expansions of an entry that is not served: proposed, or withdrawn")
        ] = False,
    ) -> Response:
        found = await service.expand(q, platform)
        _note(request, found, q)
        if found.reason in ("empty", "control_characters"):
            raise HTTPException(422, f"The query cannot be searched: {found.reason}. Send a text.")
        if preview:
            found = service.previewed(q, platform, found)
        try:
            lists = await service.search(q, found.expansions, k, both)
        except ProcessUnavailable as error:
            if str(error) == "no_engine":
                raise HTTPException(404, "The service has no engine. Start it with --run RUN.") from None
            raise HTTPException(503, f"The engine does not answer: {error}. Search the original query.") from None
        if lists.error and not lists.refused:
            raise HTTPException(503, f"The engine does not answer: {lists.error} Search the original query.")
        if lists.error:
            raise HTTPException(422, f"The engine refuses the query: {lists.error}")
        shown = {"hits": lists.hits, **({"original": lists.original} if both else {})}
        return JSONResponse({**_answer(q, platform, found), **shown})


def _writing(app: FastAPI, service: Service) -> None:
    body = {"requestBody": {"required": True, "content": {"application/json": {"schema": body_schema()[0]}}}}
    wrong = "the request is not valid"

    @app.post(
        "/v1/events",
        status_code=201,
        response_model=EventsStored,
        summary="Events and queries of UBI 1.3",
        openapi_extra=body,
        responses=problems(
            on_404="the service takes no events", on_422=wrong, on_503="the disk did not take them: send them again"
        ),
    )
    async def events(request: Request) -> Response:
        if service.events is None:
            raise HTTPException(404, "The service takes no events. Start it with --events FILE.")
        try:
            given: list[UbiEvent | UbiQuery] = read_events(await request.body())
        except ValidationError as error:
            raise HTTPException(
                422,
                f"These are not events of UBI 1.3: {faults(error)}. An event has action_name and timestamp, a query user_query.",
            ) from None
        try:
            await asyncio.wrap_future(service.events.append(given))
        except OSError as error:
            log.error("Events could not be written: %s", error)
            raise HTTPException(
                503, "The events could not be written, none of them was kept. Send them again."
            ) from None
        ids = [one.query_id for one in given if isinstance(one, UbiQuery)]
        return JSONResponse({"stored": len(given), "query_ids": ids}, 201)

    @app.post(
        "/v1/decisions",
        response_model=EntryShown,
        summary="Approve or withdraw a query's expansions",
        responses=problems(
            on_400="the body is not JSON",
            on_409="there is nothing to decide on",
            on_422=wrong,
            on_503="the store did not take it: nothing changed",
        ),
    )
    async def decide(decision: Decision) -> Response:
        given = decision.expansions
        expansions = None if given is None else [Expansion(e.text, e.weight) for e in given]
        try:
            made = service.decided(decision.query, decision.platform, decision.state, expansions)
        except LeserError as error:
            raise HTTPException(409, str(error)) from None
        try:
            await asyncio.to_thread(service.head.put, [made])
        except LeserError as error:
            log.error("A decision could not be stored: %s", error)
            raise HTTPException(503, f"The decision was not stored, nothing changed. {error}") from None
        return JSONResponse(made.row())


def _watching(app: FastAPI, service: Service, metrics: Metrics) -> None:
    guarded = problems()

    @app.get("/healthz", response_model=Alive, summary="The process answers", responses=guarded)
    async def healthy() -> Response:
        return JSONResponse({"ok": True})

    @app.get(
        "/readyz",
        response_model=Readiness,
        summary="A generation is loaded",
        responses={**guarded, 503: {"model": Readiness, "description": "no generation is loaded"}},
    )
    async def ready() -> Response:
        generation = service.head.generation
        tail = service.tail
        proposer = tail.live.proposer if tail else None
        said = {
            "generation": generation.number if generation else None,
            "entries": generation.entries if generation else 0,
            "store": service.head.trouble or "ok",
            "policy": "none" if proposer is None else "ready" if proposer.ready else proposer.trouble or "loading",
            "run": tail.live.folder.name if tail else "",
            "by": tail.live.by if tail else "",
        }
        return JSONResponse(said, 200 if generation else 503)

    @app.get("/metrics", response_class=PlainTextResponse, summary="Prometheus", responses=guarded)
    async def measured() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/v1/entry", include_in_schema=False)
    async def entry(q: Text, platform: Platform = "") -> Response:
        """What the playground says of a query besides its answer: the entry, in whatever state it is."""
        known = service.head.get(q, platform) if len(q) <= LONGEST_QUERY else None
        return JSONResponse({"entry": known.row() if known else None})

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
    for one in wrong:
        if one["loc"] == ["body"]:
            one["msg"] += ". Send a JSON object, with the header Content-Type: application/json"
    return JSONResponse({"detail": wrong}, 422)


def _answer(query: str, platform: str, found: Expanded) -> dict[str, Any]:
    return {
        "query": query,
        "platform": platform,
        "expansions": [{"text": e.text, "weight": e.weight} for e in found.expansions],
        "source": found.source,
        "reason": found.reason,
        "state": found.state,
        "by": found.by,
    }


def _note(request: Request, found: Expanded, query: str) -> None:
    """What the log says of a request besides its route and its time."""
    request.scope["leser"] = {"source": found.source, "reason": found.reason, "query": query}
