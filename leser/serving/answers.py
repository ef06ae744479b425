"""Questions and answers between the service and its processes, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from leser.expansion import Expansion


@dataclass(frozen=True, slots=True)
class LiveAnswer:
    """Expansions with the weights that the engine is asked with, and why there are none (else empty)."""

    expansions: tuple[Expansion, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A search: a query, its expansions with their whole weights, how many hits, and whether both lists are wanted."""

    query: str
    expansions: tuple[Expansion, ...]
    hits: int
    both: bool


@dataclass(frozen=True, slots=True)
class Found:
    """The list with expansions and, where wanted, the original's: id, title, rank, rank in the other list; or an error.

    `refused` says that the error is the query's own: the engine does not read it, and is well otherwise.
    """

    hits: tuple[dict[str, Any], ...] = ()
    original: tuple[dict[str, Any], ...] | None = None
    error: str = ""
    refused: bool = False
