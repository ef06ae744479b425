"""Sender: a batch's way to the engine and back, in chunks on a few threads, with retries, a rate limit and a deadline."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    before_sleep_log,
    retry_if_exception,
    retry_if_not_exception_type,
    retry_if_result,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential,
    wait_random,
)

from leser.backend import ExpandedQuery, Ranking, SearchError, Transient
from leser.engine.answers import Answer
from leser.engine.checked import CheckedBackend, failure
from leser.engine.guards import Counts, Deadline, RateLimit
from leser.engine.options import SearchOptions
from leser.errors import EngineDown, LeserError

log = logging.getLogger(__name__)
Answered = TypeVar("Answered")


class Sender:
    """Asks a backend, again where that may help; owns the threads that calls are made from."""

    def __init__(self, backend: CheckedBackend, options: SearchOptions, counts: Counts) -> None:
        self._backend = backend
        self._options = options
        self._counts = counts
        self._limit = RateLimit(options.max_per_second)
        self._pause = wait_exponential(options.backoff, max=30) + wait_random(0, options.backoff)
        self._threads = ThreadPoolExecutor(options.concurrency, thread_name_prefix="leser-search")

    def close(self) -> None:
        """Stop the threads; calling it twice is fine."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def send(self, queries: list[ExpandedQuery], k: int, total: bool, until_deadline: bool) -> list[Answer]:
        """Search distinct queries in chunks; what has no answer at the deadline is a transient error.

        The deadline is that of one call and its retries: chunks that wait for a thread have as much again for each turn,
        and what the rate limit makes them wait is not counted. `until_deadline` retries until then, however often.
        """
        size = min(self._options.batch_size, -(-len(queries) // self._options.concurrency), self._limit.most_at_once)
        chunks = [queries[start : start + size] for start in range(0, len(queries), size)]
        allowed = self._options.deadline * -(-len(chunks) // self._options.concurrency)
        deadline = Deadline(allowed)
        futures: list[Future[list[Answer]]] = [
            self._threads.submit(self._search_chunk, chunk, k, total, deadline, until_deadline) for chunk in chunks
        ]
        unfinished = set(futures)
        while unfinished and (left := deadline.left()) > 0:
            unfinished = wait(unfinished, timeout=left).not_done
        answers: list[Answer] = []
        for future, chunk in zip(futures, chunks, strict=True):
            if future.done():
                answers += future.result()
            else:
                future.cancel()
                late = SearchError(f"No answer within {allowed:g} s (search.deadline)", "transient")
                answers += [late] * len(chunk)
        return answers

    def ask(self, question: Callable[[], Answered]) -> Answered:
        """What `question` returns, asked as often as a search; raises what it raised last, a LeserError at once."""
        return Retrying(
            retry=retry_if_not_exception_type(LeserError),
            stop=stop_after_attempt(self._options.retries + 1) | stop_before_delay(self._options.deadline),
            wait=self._pause,
            reraise=True,
        )(question)

    def insist(self, question: Callable[[], Answered]) -> Answered:
        """The same, until the deadline however often, for what a run cannot do without; EngineDown may pass, too."""
        return Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, EngineDown) or not isinstance(error, LeserError)),
            stop=stop_before_delay(self._options.deadline),
            wait=self._pause,
            before_sleep=before_sleep_log(log, logging.WARNING),
            reraise=True,
        )(question)

    def _search_chunk(
        self, queries: list[ExpandedQuery], k: int, total: bool, deadline: Deadline, until_deadline: bool
    ) -> list[Answer]:
        """Search one chunk, and again those of its queries that failed for the moment, until the deadline."""
        answers: list[Answer] = [_UNASKED] * len(queries)

        def ask() -> bool:
            places = [place for place, answer in enumerate(answers) if _transient(answer)]
            self._counts.add(retries=sum(answers[place] is not _UNASKED for place in places))
            asked = [queries[place] for place in places]
            for place, answer in zip(places, self._call(asked, k, total, deadline), strict=True):
                answers[place] = answer
            return any(map(_transient, answers))

        def ends(state: RetryCallState) -> bool:
            often = not until_deadline and state.attempt_number > self._options.retries
            return often or state.upcoming_sleep >= deadline.left()

        Retrying(
            retry=retry_if_result(bool),
            stop=ends,
            wait=self._pause,
            retry_error_callback=lambda _: None,
        )(ask)
        return answers

    def _call(self, queries: list[ExpandedQuery], k: int, total: bool, deadline: Deadline) -> list[Answer]:
        """One call of the backend. What it raises, LeserError apart, fails this chunk or a query of it, and nothing else.

        Transient fails the whole chunk for the moment. An answer that breaks the contract is not a failure of the engine: it
        raises PluginFault.
        """
        try:
            return self._answers(queries, k, total, deadline)
        except LeserError:
            raise
        except Transient as error:
            return [failure(error, "transient")] * len(queries)
        except Exception as error:
            log.exception("Backend '%s' raised out of search()", self._backend.backend.name)
            if len(queries) == 1 or isinstance(error, OSError):  # a connection's trouble is no query's
                return [failure(error, "engine")] * len(queries)
            return self._apart(queries, k, total, deadline, error)

    def _apart(
        self, queries: list[ExpandedQuery], k: int, total: bool, deadline: Deadline, raised: Exception
    ) -> list[Answer]:
        """The answers to a chunk for which the backend raised, asked in halves: a query that it can't take fails alone.

        Such a query is refused (kind "query"), as the others are answered. Where none is, the engine is in trouble, which
        few calls show.
        """
        answers: list[Answer] = [failure(raised, "engine")] * len(queries)
        alone: dict[int, Exception] = {}
        spared, answered = 2 * len(queries).bit_length(), False
        middle = len(queries) // 2
        parts = [range(middle, len(queries)), range(middle)]
        while parts and deadline.left() > 0 and (answered or spared > 0):
            part = parts.pop()
            try:
                answers[part.start : part.stop] = self._answers(queries[part.start : part.stop], k, total, deadline)
                answered = True
            except LeserError:
                raise
            except Exception as error:
                spared -= 1
                if isinstance(error, Transient):
                    answers[part.start : part.stop] = [failure(error, "transient")] * len(part)
                elif len(part) == 1:
                    alone[part.start] = error
                else:
                    middle = (part.start + part.stop) // 2
                    parts += [range(middle, part.stop), range(part.start, middle)]
        for place, own in alone.items():
            answers[place] = failure(own, "query" if answered else "engine")
        return answers

    def _answers(self, queries: list[ExpandedQuery], k: int, total: bool, deadline: Deadline) -> list[Answer]:
        """What the backend answers, counted and timed; raises what it raises."""
        self._limit.wait(len(queries), deadline)
        self._counts.add(searches=len(queries))
        started = time.perf_counter()
        answers = self._backend.search(queries, k, total=total)
        seconds = time.perf_counter() - started
        share = 1000 * seconds / len(queries)
        took = (answer.took_ms for answer in answers if isinstance(answer, Ranking))
        self._counts.add_latencies(seconds, [share if ms is None else ms for ms in took])
        return answers


_UNASKED = SearchError("not sent yet", "transient")


def _transient(answer: Answer) -> bool:
    return isinstance(answer, SearchError) and answer.kind == "transient"
