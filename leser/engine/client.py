"""SearchClient: any backend, with cache, deduplication, retries, limits and a circuit breaker around it.

The way of a batch: refuse what is too long -> look in the cache -> search each distinct query once, in chunks on a few
threads -> retry what failed for the moment -> note errors and latencies -> hand the answers out in the order asked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from types import TracebackType
from typing import Self, TypeVar

from cachetools import LRUCache

from leser.backend import Backend, Document, ExpandedQuery, Ranking, SearchError, Term
from leser.engine.aliases import FieldAliases
from leser.engine.answers import Answer, Mended
from leser.engine.checked import CheckedBackend, failure, named
from leser.engine.fusion import reciprocal_rank_fusion
from leser.engine.guards import CircuitBreaker, Counts, SearchStats
from leser.engine.options import SearchOptions
from leser.engine.refusal import Refusal
from leser.engine.sending import Sender
from leser.engine.texts import SendableQuery
from leser.errors import EngineDown, IndexMissing, LeserError, PluginFault
from leser.expansion import Expansion, ExpansionOptions

log = logging.getLogger(__name__)
Answered = TypeVar("Answered")
_MENDED = {
    "repeated_ids": "holds documents twice. Each counts where it comes first, and the hits after it close up. Where the index "
    "holds them twice, build it anew.",
    "rising_scores": "has scores that rise down the ranking. The engine's order is kept, and the scores are lowered to the one "
    "before. Check that it sorts by score.",
}


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
        self._checked = CheckedBackend(backend, self._note_mended)
        self._sender = Sender(self._checked, self.options, self._counts)
        self._refusal = Refusal(backend, self.options)
        self._aliases = FieldAliases(self.options.aliases)
        self._warned: set[str] = set()
        self._breaker = CircuitBreaker(backend.name, self.options.breaker_window)
        self._rankings: LRUCache[Hashable, Ranking] = LRUCache(self.options.cache_size)
        self._documents: LRUCache[Hashable, Document | None] = LRUCache(self.options.cache_size)
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the threads and close the backend; calling it twice is fine."""
        self._sender.close()
        self._checked.close()

    def stats(self) -> SearchStats:
        """Counts and latencies so far."""
        return self._counts.stats()

    def search(
        self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False, until_deadline: bool = False
    ) -> list[Answer]:
        """Search a batch; the answers keep its order. A failed query is a SearchError in its place.

        `until_deadline` asks again until the deadline, not only `retries` times. Raises EngineDown once too many queries have
        failed, and whatever LeserError the backend raises.
        """
        self._breaker.check()
        fingerprint = self._fingerprint(until_deadline)
        if isinstance(fingerprint, SearchError):
            self._counts.add(asked=len(queries))
            return self._noted([fingerprint] * len(queries), queries)
        places: dict[SendableQuery, int] = {}
        order: list[int] = []
        answers: list[Answer | None] = []
        pending: dict[int, ExpandedQuery] = {}
        for query in queries:
            asked = SendableQuery(query)
            place = places.setdefault(asked, len(answers))
            order.append(place)
            if place == len(answers):
                refusal = self._refusal(asked)
                answers.append(refusal)
                if refusal is None:
                    pending[place] = asked.query
        refused = len(answers) - len(pending)
        keys = [(fingerprint, k, total, asked) for asked in places] if self.options.cache_size else []
        self._recall(keys, answers, pending)
        cached = len(answers) - len(pending) - refused
        repeated = len(order) - len(answers)
        self._counts.add(asked=len(order), refused=refused, cache_hits=cached, deduplicated=repeated)
        if pending:
            waiting = list(pending.values())
            sent = self._noted(self._sender.send(waiting, k, total, until_deadline), waiting)
            for place, answer in zip(pending, sent, strict=True):
                answers[place] = answer
            self._keep(keys, answers, pending)
        found = [answer for answer in answers if answer is not None]
        return [found[place] for place in order]

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
        refused = [self._refusal.fused(query) for query in queries]
        requests = [
            (_alone(query), tuple(Expansion(term.text, term.weight) for term in query.terms if not term.negate))
            for query, refusal in zip(queries, refused, strict=True)
            if refusal is None
        ]
        results = iter(self.search_expansions(requests, k, options=ExpansionOptions(mode="fuse", weight=1.0)))
        return [next(results).ranking if refusal is None else refusal for refusal in refused]

    def check_mode(self, options: ExpansionOptions) -> None:
        """Raise LeserError if the backend can't apply expansions in this mode."""
        check_mode(self.backend, options)

    def fetch(self, ids: Sequence[str], fields: Sequence[str], *, resumable: bool = True) -> dict[str, Document]:
        """Fields of documents, each fetched once; unknown ids are absent. Asks again until the deadline.

        Raises EngineDown for all that the backend raises, as a run needs it, which resumes with --resume; where nothing
        is to be resumed (`resumable` False), the backend's own LeserError.
        """
        self._breaker.check()
        try:
            return self._fetch(ids, fields)
        except (EngineDown, PluginFault):
            raise
        except Exception as error:
            if isinstance(error, LeserError) and not resumable:
                raise
            # a run's index is not to be built anew in the middle of it
            said = error.what if isinstance(error, IndexMissing) else str(error)
            raise EngineDown(
                f"The engine '{self.backend.name}' did not give its documents: {said.rstrip('.')}. "
                "Check the engine and resume the run."
            ) from error

    def _fetch(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
        fingerprint = self._sender.insist(self._checked.fingerprint)
        wanted = {id: (fingerprint, id, tuple(fields)) for id in ids}
        with self._lock:
            found = {id: self._documents[key] for id, key in wanted.items() if key in self._documents}
        missing = [id for id in wanted if id not in found]
        if missing:
            own = self._aliases.own(fields)
            fetched = self._sender.insist(lambda: self._checked.fetch(missing, own))
            if self._aliases.aliases:
                fetched = {id: self._aliases.read(document, fields) for id, document in fetched.items()}
            self._counts.add(fetched=len(missing))
            found.update((id, fetched.get(id)) for id in missing)
            with self._lock:
                for id in missing if self.options.cache_size else ():
                    self._documents[wanted[id]] = found[id]
        return {id: document for id in wanted if (document := found[id]) is not None}

    def ask(self, question: Callable[[], Answered], *, queries: int = 1) -> Answered | SearchError:
        """Ask the engine something beside searches and documents (its analysis), again where that may help.

        A failure is a SearchError, and counts as that of so many queries. Raises EngineDown once too many have failed.
        """
        self._breaker.check()
        try:
            return self._sender.ask(question)
        except (EngineDown, PluginFault):
            raise
        except LeserError as error:
            failed = SearchError(str(error), "engine")
        except Exception as error:
            failed = failure(error, "transient")
        self._noted([failed] * queries, [ExpandedQuery("", "")] * queries)
        return failed

    def _note_mended(self, mended: Mended) -> None:
        """Count what was mended in rankings, and warn of each kind the first time."""
        for kind, said in _MENDED.items():
            number = getattr(mended, kind)
            if number and kind not in self._warned:
                self._warned.add(kind)
                log.warning("%s: a ranking %s", named(self.backend), said)
            self._counts.add(**{kind: number})

    def _fingerprint(self, until_deadline: bool) -> str | SearchError:
        """The backend's, or why it has none for now: reading it may be what opens the connection."""
        try:
            return (self._sender.insist if until_deadline else self._sender.ask)(self._checked.fingerprint)
        except LeserError:
            raise
        except Exception as error:
            return failure(error, "transient")

    def _noted(self, answers: list[Answer], queries: Sequence[ExpandedQuery]) -> list[Answer]:
        """The answers, once counts and breaker know of the failures among them."""
        errors = [answer if isinstance(answer, SearchError) else None for answer in answers]
        self._counts.add(errors=len(errors) - errors.count(None))
        self._breaker.record([(query.text, error) for query, error in zip(queries, errors, strict=True)])
        return answers

    def _recall(
        self, keys: Sequence[Hashable], answers: list[Answer | None], pending: dict[int, ExpandedQuery]
    ) -> None:
        """Answer what the cache knows, by its place; no keys, no cache."""
        with self._lock:
            for place in list(pending) if keys else ():
                known = self._rankings.get(keys[place])
                if known is not None:
                    answers[place] = known
                    del pending[place]

    def _keep(self, keys: Sequence[Hashable], answers: Sequence[Answer | None], places: Iterable[int]) -> None:
        with self._lock:
            for place in places if keys else ():
                if isinstance(answer := answers[place], Ranking):
                    self._rankings[keys[place]] = answer

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


def check_mode(backend: Backend | type[Backend], options: ExpansionOptions) -> None:
    """Raise LeserError if a backend, or every one of its class, cannot apply expansions in the mode that the options name."""
    if options.mode == "boost" and "term_weights" not in backend.capabilities:
        raise LeserError(
            f"Backend '{backend.name}' has no term weights, which mode 'boost' needs. Set -o expansion.mode=fuse: "
            "one search per expansion, merged by reciprocal rank fusion."
        )
