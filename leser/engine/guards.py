"""What stands between a training run and its engine: a rate limit, a deadline, a circuit breaker, and counts of it all."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import quantiles
from threading import Lock

from leser.backend import SearchError
from leser.errors import EngineDown


class Deadline:
    """So many seconds from now; it moves back for as long as the rate limit makes one of a batch's calls wait."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds
        self._waits_until = 0.0
        self._lock = Lock()

    def left(self) -> float:
        """Seconds until it; 0 or less when it is over."""
        with self._lock:
            return self._ends_at - time.monotonic()

    def put_off(self, until: float) -> None:
        """Don't count the time from now to `until` (on the monotonic clock); what is not counted already is counted once."""
        with self._lock:
            self._ends_at += max(0.0, until - max(self._waits_until, time.monotonic()))
            self._waits_until = max(self._waits_until, until)


class RateLimit:
    """At most this many queries per second, evenly spaced; None: no limit."""

    def __init__(self, per_second: float | None) -> None:
        self._per_second = per_second
        self._free_at = 0.0
        self._lock = Lock()

    @property
    def most_at_once(self) -> int:
        """Most queries that one call may send: a second's worth, or a call would be above the limit by itself."""
        return sys.maxsize if self._per_second is None else max(1, int(self._per_second))

    def wait(self, queries: int, deadline: Deadline) -> None:
        """Sleep until this many queries may be sent, and put the deadline off for as long."""
        if self._per_second is None:
            return
        with self._lock:
            now = time.monotonic()
            start = max(now, self._free_at)
            self._free_at = start + queries / self._per_second
        deadline.put_off(start)
        time.sleep(start - now)


class CircuitBreaker:
    """Stops the run when at least half of the last queries failed, for whatever reason, a query of our own making included.

    A query that the engine refuses (kind "query") counts once, with whatever clauses it is sent again: it comes back in each
    completion of its group, and says nothing about the engine. Where many are refused, the engine is in trouble.
    """

    def __init__(self, name: str, window: int) -> None:
        self._name = name
        self._window = window
        self._last: deque[tuple[str, SearchError | None]] = deque(maxlen=window)
        self._open: EngineDown | None = None
        self._lock = Lock()

    def check(self) -> None:
        """Raise EngineDown if the breaker opened before."""
        if self._open is not None:
            raise self._open

    def record(self, outcomes: Sequence[tuple[str, SearchError | None]]) -> None:
        """Note what became of queries that were sent, by their texts (None: answered); raises EngineDown once too many failed."""
        with self._lock:
            known = {text for text, error in self._last if error is not None and error.kind == "query"}
            for text, error in outcomes:
                if error is not None and error.kind == "query":
                    if text in known:
                        continue
                    known.add(text)
                self._last.append((text, error))
            failed = [error for _, error in self._last if error is not None]
            # the newest must have failed too: an engine that has come back is not given up for what lies behind
            if len(self._last) < self._window or 2 * len(failed) < self._window or self._last[-1][1] is None:
                return
            last = failed[-1]
            self._open = EngineDown(
                f"The engine '{self._name}' failed {len(failed)} of the last {self._window} queries; the last one "
                f"({last.kind}): {last.message}. Check the engine and resume the run."
            )
            raise self._open


@dataclass(frozen=True, slots=True)
class SearchStats:
    """Counts since the client was made. Latencies are the engine's own time a query where it says so, else the time of a
    call divided by its queries; over the last 10,000 queries. `repeated_ids` and `rising_scores` count the rankings that
    were mended for holding a document twice, or a score above the one before it."""

    asked: int
    searches: int
    cache_hits: int
    deduplicated: int
    refused: int
    retries: int
    errors: int
    fetched: int
    repeated_ids: int
    rising_scores: int
    seconds: float
    p50_ms: float | None
    p95_ms: float | None


class Counts:
    """The running numbers behind SearchStats; `add` may be called from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        measured = ("seconds", "p50_ms", "p95_ms")
        self._counts = {field.name: 0 for field in fields(SearchStats) if field.name not in measured}
        self._seconds = 0.0
        self._latencies: deque[float] = deque(maxlen=10_000)

    def add(self, **more: int) -> None:
        """Raise the named counts."""
        with self._lock:
            for name, number in more.items():
                self._counts[name] += number

    def add_latencies(self, seconds: float, latencies_ms: Sequence[float]) -> None:
        """Note a call's duration and the latency of each query it answered."""
        with self._lock:
            self._seconds += seconds
            self._latencies.extend(latencies_ms)

    def stats(self) -> SearchStats:
        """A snapshot."""
        with self._lock:
            values = list(self._latencies)
            cuts = quantiles(values, n=20, method="inclusive") if len(values) > 1 else values * 19
            p50, p95 = (cuts[9], cuts[18]) if cuts else (None, None)
            return SearchStats(**self._counts, seconds=self._seconds, p50_ms=p50, p95_ms=p95)
