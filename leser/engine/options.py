"""Options of searching."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from leser.options import Options


def _read_names(value: Any) -> Any:
    """On the command line the fields of an alias are written with commas: `description,features`."""
    if not isinstance(value, Mapping):
        return value
    return {
        name: tuple(filter(None, map(str.strip, fields.split(",")))) if isinstance(fields, str) else fields
        for name, fields in value.items()
    }


Aliases = Annotated[dict[str, Annotated[tuple[str, ...], Field(min_length=1)]], BeforeValidator(_read_names)]
"""Fields of an index by the names that they are read under."""


class SearchOptions(Options):
    """Limits and habits of searching, the same for every engine."""

    batch_size: int = Field(512, ge=1, description="most queries in one call of the backend")
    concurrency: int = Field(1, ge=1, description="calls of the backend in flight at once")
    max_per_second: float | None = Field(None, gt=0, description="most queries sent per second; default: no limit")
    deadline: float = Field(120.0, gt=0, description="seconds for a call of the backend, retries included")
    retries: int = Field(3, ge=0, description="further tries of a query that failed for the moment (timeout, 429, 503)")
    backoff: float = Field(0.5, gt=0, description="seconds before the first retry; doubles, with jitter")
    cache_size: int = Field(100_000, ge=0, description="rankings kept, and as many documents; 0 keeps none")
    max_clauses: int = Field(
        256, ge=1, description="most words of a query with its terms and filters; more is not sent"
    )
    max_length: int = Field(4096, ge=1, description="most characters of a query with its terms; more is not sent")
    breaker_window: int = Field(
        64, ge=1, description="the run stops when half of this many queries sent last have failed, retries included"
    )
    aliases: Aliases = Field(
        default={},
        description="fields of the index that are read under another name, several joined with a space, e.g. "
        "search.aliases.title=name, search.aliases.text=description,features; `leser corpus` prints what an index needs",
    )
    rrf_k: float = Field(60.0, ge=0, description="constant of reciprocal rank fusion (mode fuse)")
