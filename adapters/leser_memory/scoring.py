"""One expanded query over a store: clauses are added up in a dense vector and the top k taken in document order on ties."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from math import isfinite
from threading import Lock
from typing import Literal

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from leser.backend import ExpandedQuery, Filter, Hit, Ranking, SearchError
from leser_memory.index import NOTHING, Clause
from leser_memory.store import Store

Match = Literal["any", "all", "phrase"]
CACHE_BYTES = 128 * 2**20


class Scorer:
    """Scores queries over one store; clauses and filters seen before are kept, since training asks for them again and again."""

    def __init__(self, store: Store, weights: Mapping[str, float], *, rerank: bool) -> None:
        self._store = store
        self._weights = dict(weights)
        self._rerank = rerank
        self._clauses: LRUCache[tuple[str, str | None, Match], Clause] = LRUCache(CACHE_BYTES, getsizeof=_bytes)
        self._masks: LRUCache[Filter, NDArray[np.bool_]] = LRUCache(CACHE_BYTES, getsizeof=lambda mask: mask.nbytes)
        self._lock = Lock()

    def search(self, query: ExpandedQuery, k: int, *, total: bool) -> Ranking | SearchError:
        """The best k documents of one query."""
        refused = self._refuse(query)
        if refused:
            return SearchError(refused, "query")
        scores = np.zeros(len(self._store), dtype=np.float64)
        documents, values = self._clause(query.text, None, "any")
        scores[documents] += values
        allowed = scores > 0 if self._rerank else None
        for term in query.terms:
            if term.weight == 0:
                continue
            documents, values = self._clause(term.text, term.field, term.match)
            if not term.negate:
                scores[documents] += values * np.float64(term.weight)
        for term in query.terms:
            if term.negate and term.weight != 0:
                scores[self._clause(term.text, term.field, term.match)[0]] = 0
        if allowed is not None:
            scores[~allowed] = 0
        for condition in query.filters:
            scores[~self._mask(condition)] = 0
        return self._top(scores, k, total)

    def _top(self, scores: NDArray[np.float64], k: int, total: bool) -> Ranking:
        found = np.flatnonzero(scores)
        values = scores[found].astype(np.float32)  # the engine's precision: sums in another order must not break ties
        best = np.arange(len(found))
        if len(found) > k:
            least = np.partition(values, len(values) - k)[len(values) - k]
            above, level = np.flatnonzero(values > least), np.flatnonzero(values == least)
            best = np.concatenate((above, level[: k - len(above)]))
        best = best[np.lexsort((best, -values[best]))]
        ids = self._store.ids
        hits = tuple(map(Hit, [ids[i] for i in found[best].tolist()], values[best].tolist()))
        return Ranking(hits, len(found) if total else None)

    def _clause(self, text: str, field: str | None, match: Match) -> Clause:
        key = (text, field, match)
        with self._lock:
            known = self._clauses.get(key)
        if known is None:
            known = self._make_clause(text, {field: 1.0} if field else self._weights, match)
            with self._lock:
                if _bytes(known) < CACHE_BYTES:
                    self._clauses[key] = known
        return known

    def _make_clause(self, text: str, weights: Mapping[str, float], match: Match) -> Clause:
        indexes = [(self._store.index(name), np.float32(weight)) for name, weight in weights.items()]
        if match == "phrase":
            return _add([_times(index.phrase(text), weight) for index, weight in indexes], len(self._store))
        words = [
            _add([_times(index.word(term), weight) for index, weight in indexes], len(self._store))
            for term in indexes[0][0].terms(text)
        ]
        documents, values = _add(words, len(self._store))
        if match == "all" and words:
            in_all = reduce(lambda a, b: np.intersect1d(a, b, assume_unique=True), [word[0] for word in words])
            keep = np.isin(documents, in_all, assume_unique=True)
            return documents[keep], values[keep]
        return documents, values

    def _mask(self, condition: Filter) -> NDArray[np.bool_]:
        with self._lock:
            mask = self._masks.get(condition)
        if mask is None:
            mask = self._store.mask(condition)
            with self._lock:
                self._masks[condition] = mask
        return mask

    def _refuse(self, query: ExpandedQuery) -> str | None:
        """Why this query can't be searched, or None."""
        for term in query.terms:
            if term.weight < 0 or not isfinite(term.weight):
                return f"Weight {term.weight:g} of the term {term.text!r}: give a number of 0 or more."
            if term.field is not None and term.field not in self._store.fields and term.field != "contents":
                return f"No field '{term.field}' to search. Available: {', '.join(self._store.searchable())}."
        for condition in query.filters:
            if condition.field not in self._store.fields:
                return f"No field '{condition.field}' to filter by. Available: {', '.join(sorted(self._store.fields))}."
        return None


def _times(clause: Clause, weight: np.float32) -> Clause:
    return clause[0], clause[1] * weight


def _add(clauses: list[Clause], size: int) -> Clause:
    """The sum of clauses, each document once."""
    if not clauses:
        return NOTHING
    if len(clauses) == 1:
        return clauses[0]
    scores = np.zeros(size, dtype=np.float64)
    for documents, values in clauses:
        scores[documents] += values
    found = np.flatnonzero(scores)
    return found, scores[found].astype(np.float32)


def _bytes(clause: Clause) -> int:
    return int(clause[0].nbytes + clause[1].nbytes) + 200
