"""SearchClient: any backend, with cache, deduplication, retries, limits and a circuit breaker around it.

The way of a batch: refuse what is too long -> look in the cache -> search each distinct query once, in chunks on a few
threads -> retry what failed for the moment -> note errors and latencies -> hand the answers out in the order asked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from threading import Lock
from types import TracebackType
from typing import Self, TypeVar

from cachetools import LRUCache
from tenacity import (
    Retrying,
    retry_if_not_exception_type,
    retry_if_result,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential,
    wait_random,
)

from leser.backend import Backend, Document, ExpandedQuery, Ranking, SearchError, Term
from leser.errors import EngineDown, LeserError
from leser.expansion import Expansion, ExpansionOptions
from leser.search.fusion import reciprocal_rank_fusion
from leser.search.guards import CircuitBreaker, Counts, RateLimit, SearchStats
from leser.search.options import SearchOptions

log = logging.getLogger(__name__)
Answer = Ranking | SearchError
Told = TypeVar("Told")


@dataclass(frozen=True, slots=True)
class ExpansionResult:
    """What the engine made of one query with its expansions; `per_expansion` holds each phrase searched alone, if asked."""

    ranking: Ranking | SearchError
    per_expansion: tuple[Ranking | SearchError, ...] | None = None


class SearchClient:
    """Searches a backend in batches; safe to share between threads. Closes with the backend it was given."""

    def __init__(self, backend: Backend, options: SearchOptions | None = None) -> None:
        self.backend = backend
        self.options = options or SearchOptions()
        self._counts = Counts()
        self._limit = RateLimit(self.options.max_per_second)
        self._breaker = CircuitBreaker(backend.name, self.options.breaker_window)
        self._rankings: LRUCache[Hashable, Ranking] = LRUCache(self.options.cache_size)
        self._documents: LRUCache[Hashable, Document | None] = LRUCache(self.options.cache_size)
        self._pause = wait_exponential(self.options.backoff, max=30) + wait_random(0, self.options.backoff)
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(self.options.concurrency, thread_name_prefix="leser-search")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the threads and close the backend; calling it twice is fine."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.backend.close()

    def stats(self) -> SearchStats:
        """Counts and latencies so far."""
        return self._counts.stats()

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Answer]:
        """Search a batch; the answers keep its order. A failed query is a SearchError in its place.

        Raises EngineDown once too many queries have failed, and whatever LeserError the backend raises.
        """
        self._breaker.check()
        fingerprint = self.backend.fingerprint()
        keys = [(fingerprint, query.text, query.terms, query.filters, k, total) for query in queries]
        answers: dict[Hashable, Answer] = {}
        pending: dict[Hashable, ExpandedQuery] = {}
        refused = cached = 0
        for key, query in zip(keys, queries, strict=True):
            if key in answers or key in pending:
                continue
            refusal = self._refusal(query)
            with self._lock:
                known = self._rankings.get(key)
            if refusal is not None:
                answers[key] = refusal
                refused += 1
            elif known is not None:
                answers[key] = known
                cached += 1
            else:
                pending[key] = query
        repeated = len(keys) - len(answers) - len(pending)
        self._counts.add(asked=len(keys), refused=refused, cache_hits=cached, deduplicated=repeated)
        if pending:
            answers.update(zip(pending, self._send(list(pending.values()), k, total), strict=True))
            self._keep(answers, pending)
        return [answers[key] for key in keys]

    def search_expansions(
        self,
        requests: Sequence[tuple[ExpandedQuery, tuple[Expansion, ...]]],
        k: int,
        *,
        options: ExpansionOptions,
        total: bool = False,
        per_expansion: bool = False,
    ) -> list[ExpansionResult]:
        """Search each query with its expansions, applied as `options.mode` says; no expansions is the plain original.

        boost: one search, each expansion a clause that weighs `options.weight` times its own weight. fuse: the original
        and each expansion searched alone, then merged with those weights (1 for the original). With `per_expansion` each
        expansion is searched alone in either mode. All of it is one batch, so nothing is searched twice.
        """
        self.check_mode(options)
        fuse = options.mode == "fuse"
        batch: list[ExpandedQuery] = []
        for original, expansions in requests:
            batch.append(original if fuse else _boosted(original, expansions, options.weight))
            if fuse or per_expansion:
                batch += [replace(_alone(original), text=expansion.text) for expansion in expansions]
        answers = iter(self.search(batch, k, total=total))
        results = []
        for _, expansions in requests:
            ranking = next(answers)
            alone = tuple(next(answers) for _ in expansions) if fuse or per_expansion else ()
            if fuse and alone:
                ranking = self._fuse(ranking, alone, [options.weight * e.weight for e in expansions], k)
            results.append(ExpansionResult(ranking, alone if per_expansion else None))
        return results

    def search_terms(self, queries: Sequence[ExpandedQuery], k: int) -> list[Answer]:
        """Search queries with their weighted terms; an engine without term weights searches each alone, and they are fused."""
        if "term_weights" in self.backend.capabilities:
            return self.search(queries, k)
        requests = [
            (_alone(query), tuple(Expansion(term.text, term.weight) for term in query.terms if not term.negate))
            for query in queries
        ]
        results = self.search_expansions(requests, k, options=ExpansionOptions(mode="fuse", weight=1.0))
        return [result.ranking for result in results]

    def check_mode(self, options: ExpansionOptions) -> None:
        """Raise LeserError if the backend can't apply expansions in this mode."""
        if options.mode == "boost" and "term_weights" not in self.backend.capabilities:
            raise LeserError(
                f"Backend '{self.backend.name}' has no term weights, which mode 'boost' needs. Use mode 'fuse': "
                "one search per expansion, merged by reciprocal rank fusion."
            )

    def fetch(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
        """Fields of documents, each fetched once; unknown ids are absent. Raises EngineDown when retries don't help."""
        self._breaker.check()
        fingerprint = self.backend.fingerprint()
        wanted = {id: (fingerprint, id, tuple(fields)) for id in ids}
        with self._lock:
            found = {id: self._documents[key] for id, key in wanted.items() if key in self._documents}
        missing = [id for id in wanted if id not in found]
        if missing:
            fetched = self._fetch(missing, fields)
            self._counts.add(fetched=len(missing))
            found.update((id, fetched.get(id)) for id in missing)
            with self._lock:
                for id in missing if self.options.cache_size else ():
                    self._documents[wanted[id]] = found[id]
        return {id: document for id in wanted if (document := found[id]) is not None}

    def ask(self, question: Callable[[], Told], *, queries: int = 1) -> Told | SearchError:
        """Ask the engine something beside searches and documents (its analysis), again where that may help.

        A failure is a SearchError, and counts as that of so many queries. Raises EngineDown once too many have failed.
        """
        self._breaker.check()
        try:
            return self._retrying()(question)
        except EngineDown:
            raise
        except LeserError as error:
            failure = SearchError(str(error), "engine")
        except Exception as error:
            failure = SearchError(f"{type(error).__name__}: {error}", "transient")
        self._counts.add(errors=queries)
        self._breaker.record([failure] * queries)
        return failure

    def _refusal(self, query: ExpandedQuery) -> SearchError | None:
        """Why a query is not to be sent, or None: it is too big, or holds what the engine would leave out in silence."""
        if query.terms and "term_weights" not in self.backend.capabilities:
            return SearchError(f"The backend '{self.backend.name}' has no weighted terms (mode fuse has none)", "query")
        texts = [query.text, *(term.text for term in query.terms)]
        length = sum(map(len, texts))
        if length > self.options.max_length:
            return SearchError(f"{length} characters, at most {self.options.max_length} (max_length) are sent", "query")
        clauses = sum(len(text.split()) for text in texts) + len(query.filters)
        if clauses > self.options.max_clauses:
            return SearchError(f"{clauses} clauses, at most {self.options.max_clauses} (max_clauses) are sent", "query")
        return None

    def _keep(self, answers: dict[Hashable, Answer], pending: dict[Hashable, ExpandedQuery]) -> None:
        if self.options.cache_size:
            with self._lock:
                for key in pending:
                    if isinstance(answer := answers[key], Ranking):
                        self._rankings[key] = answer

    def _send(self, queries: list[ExpandedQuery], k: int, total: bool) -> list[Answer]:
        """Search distinct queries in chunks; what has no answer at the deadline is a transient error.

        The deadline is that of one call and its retries: chunks that wait for a thread have as much again for each turn.
        """
        size = min(self.options.batch_size, -(-len(queries) // self.options.concurrency))
        chunks = [queries[start : start + size] for start in range(0, len(queries), size)]
        allowed = self.options.deadline * -(-len(chunks) // self.options.concurrency)
        ends_at = time.monotonic() + allowed
        futures: list[Future[list[Answer]]] = [
            self._threads.submit(self._search_chunk, chunk, k, total, ends_at) for chunk in chunks
        ]
        wait(futures, timeout=allowed)
        answers: list[Answer] = []
        for future, chunk in zip(futures, chunks, strict=True):
            if future.done():
                answers += future.result()
            else:
                future.cancel()
                late = SearchError(f"No answer within {allowed:g} s (search.deadline)", "transient")
                answers += [late] * len(chunk)
        errors = [answer if isinstance(answer, SearchError) else None for answer in answers]
        self._counts.add(errors=len(errors) - errors.count(None))
        self._breaker.record(errors)
        return answers

    def _search_chunk(self, queries: list[ExpandedQuery], k: int, total: bool, ends_at: float) -> list[Answer]:
        """Search one chunk, and again those of its queries that failed for the moment, until the deadline."""
        answers: list[Answer] = [_UNASKED] * len(queries)

        def ask() -> bool:
            places = [place for place, answer in enumerate(answers) if _transient(answer)]
            self._counts.add(retries=sum(answers[place] is not _UNASKED for place in places))
            for place, answer in zip(places, self._call([queries[place] for place in places], k, total), strict=True):
                answers[place] = answer
            return any(map(_transient, answers))

        Retrying(
            retry=retry_if_result(bool),
            stop=stop_after_attempt(self.options.retries + 1) | stop_before_delay(ends_at - time.monotonic()),
            wait=self._pause,
            retry_error_callback=lambda _: True,  # the errors themselves are the answer
        )(ask)
        return answers

    def _call(self, queries: list[ExpandedQuery], k: int, total: bool) -> list[Answer]:
        """One call of the backend. What it raises, LeserError apart, fails this chunk and nothing else."""
        self._limit.wait(len(queries))
        self._counts.add(searches=len(queries))
        started = time.perf_counter()
        try:
            answers = self.backend.search(queries, k, total=total)
        except LeserError:
            raise
        except Exception as error:
            log.exception("Backend '%s' raised out of search()", self.backend.name)
            return _all_failed(f"{type(error).__name__}: {error}", queries)
        seconds = time.perf_counter() - started
        if len(answers) != len(queries):
            return _all_failed(f"{len(answers)} answers came back to {len(queries)} queries", queries)
        share = 1000 * seconds / len(queries)
        took = (answer.took_ms for answer in answers if isinstance(answer, Ranking))
        self._counts.add_latencies(seconds, [share if ms is None else ms for ms in took])
        return answers

    def _fetch(self, ids: list[str], fields: Sequence[str]) -> dict[str, Document]:
        try:
            return self._retrying()(self.backend.fetch, ids, fields)
        except LeserError:
            raise
        except Exception as error:
            raise EngineDown(
                f"The engine '{self.backend.name}' did not give its documents: {error}. Resume the run."
            ) from error

    def _retrying(self) -> Retrying:
        return Retrying(
            retry=retry_if_not_exception_type(LeserError),
            stop=stop_after_attempt(self.options.retries + 1) | stop_before_delay(self.options.deadline),
            wait=self._pause,
            reraise=True,
        )

    def _fuse(self, original: Answer, alone: Sequence[Answer], weights: Sequence[float], k: int) -> Answer:
        """The original's and the expansions' rankings merged; the first failure among them is the answer instead."""
        rankings = []
        for answer in (original, *alone):
            if isinstance(answer, SearchError):
                return answer
            rankings.append(answer)
        rerank = self.backend.options.match == "rerank"
        return reciprocal_rank_fusion(rankings, [1.0, *weights], k, constant=self.options.rrf_k, only_first=rerank)


def _boosted(original: ExpandedQuery, expansions: Sequence[Expansion], weight: float) -> ExpandedQuery:
    terms = tuple(Term(expansion.text, weight * expansion.weight) for expansion in expansions)
    return replace(original, terms=original.terms + terms)


def _alone(query: ExpandedQuery) -> ExpandedQuery:
    """The query without its clauses, but with what it excludes: that holds for every search."""
    return replace(query, terms=tuple(term for term in query.terms if term.negate))


def _all_failed(message: str, queries: Sequence[ExpandedQuery]) -> list[Answer]:
    return [SearchError(message, "engine") for _ in queries]


_UNASKED = SearchError("not asked yet", "transient")


def _transient(answer: Answer) -> bool:
    return isinstance(answer, SearchError) and answer.kind == "transient"
