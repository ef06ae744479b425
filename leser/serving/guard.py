"""What stands before every route: keys, rates, sizes, and the line in the log."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from leser.serving.limits import Keys, Rate
from leser.serving.metrics import Metrics
from leser.serving.options import ServingOptions
from leser.serving.origin import RequestOrigin

log = logging.getLogger("leser.serving.requests")
PROBES = frozenset({"/healthz", "/readyz"})
OPEN = PROBES | {"/"}
"""Routes that need no key: the page itself holds nothing, and probes have none."""


class _TooLarge(Exception):
    """A body beyond the limit."""


class RequestGuard:
    """Middleware: refuses without a key (401; 403 and 421 where none is set), too often (429), too large (413).

    It measures and logs each request.
    """

    def __init__(self, app: ASGIApp, options: ServingOptions, metrics: Metrics, host: str) -> None:
        self._app, self._options, self._metrics = app, options, metrics
        self._keys, self._rate = Keys(options.keys_env), Rate(options.rate)
        self._origin = None if self._keys.wanted else RequestOrigin(host, options.names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            refused = self._refused(scope)
            if refused is not None:
                await refused(scope, receive, noted)
            else:
                await self._app(scope, self._limited(receive), noted)
        except _TooLarge:
            status = 413
            await _answer(413, f"The body is larger than {self._options.body_bytes} bytes.")(scope, receive, send)
        finally:
            self._log(scope, status, time.perf_counter() - began)

    def _refused(self, scope: Scope) -> JSONResponse | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        if self._keys.wanted and scope["path"] not in OPEN and not self._keys.allow(key):
            return _answer(401, "A valid API key is needed, as X-API-Key or Authorization: Bearer.")
        if self._origin is not None and scope["path"] not in PROBES:
            wrong = self._origin.refusal(scope["method"], scope["path"], headers)
            if wrong is not None:
                return _answer(*wrong)
        client = key if self._keys.wanted else (scope.get("client") or ("",))[0]
        if scope["path"] not in OPEN and not self._rate.allow(client):
            return _answer(429, "Too many requests. Send fewer per second.")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self._options.body_bytes:
            return _answer(413, f"The body is larger than {self._options.body_bytes} bytes.")
        return None

    def _limited(self, receive: Receive) -> Receive:
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._options.body_bytes:
                raise _TooLarge
            return message

        return counted

    def _log(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        self._metrics.request(route, status, seconds)
        if not log.isEnabledFor(logging.INFO):
            return
        said: dict[str, Any] = {
            "method": scope["method"], "route": route, "status": status, "ms": round(1000 * seconds, 2),
        }  # fmt: skip
        noted = dict(scope.get("leser", {}))
        if not self._options.log_queries:
            noted.pop("query", None)
        log.info("%s", json.dumps({**said, **noted}))


def _answer(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status)
