"""Options of the service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from leser.options import Options


class ServingOptions(Options):
    """How the service answers: its time budget, its limits, and what it writes."""

    budget_ms: float = Field(
        150.0, gt=0, description="milliseconds a query waits for the policy, then it is left as typed"
    )
    batch: int = Field(8, ge=1, description="queries that the policy expands at once")
    gather_ms: float = Field(5.0, ge=0, description="milliseconds to wait for more queries of a batch")
    waiting: int = Field(64, ge=1, description="most queries that wait for the policy; more are left as typed")
    nice: int = Field(
        10,
        ge=0,
        le=19,
        description="how far the policy's process stands back where cores are short: 19 furthest, 0 not",
    )
    hung_s: float = Field(20.0, gt=0, description="seconds after which a process that does not answer is killed")
    load_s: float = Field(600.0, gt=0, description="seconds that a policy or an engine may take to load")
    refresh_s: float = Field(1.0, gt=0, description="seconds between looks for a new generation or edits in the store")
    sure_margin: float = Field(
        0.0,
        ge=0,
        description="leave a query alone whose first hit scores so much more than its second (0.5: half more); 0: off",
    )
    sure_title: bool = Field(True, description="leave a query alone that is its first hit's whole title")
    search_ms: float = Field(2_000.0, gt=0, description="milliseconds that /v1/search waits for the engine")
    events: Path | None = Field(None, description="file that events are appended to; without it none are taken")
    keys_env: str = Field("LESER_API_KEYS", description="environment variable with the API keys, separated by commas")
    names: tuple[str, ...] = Field(
        (), description="names that a service on 127.0.0.1 without API keys answers under, besides localhost"
    )
    rate: float = Field(0.0, ge=0, description="requests per second and client (key or address); 0: no limit")
    body_bytes: int = Field(1_000_000, ge=1, description="largest body of a request")
    log_queries: bool = Field(False, description="write query texts into the log")
