"""One expanded query over a store: clauses are added up in a dense vector and the top k taken in document order on ties."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from threading import Lock
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from leser.adapter import CONTENTS, Refused, check_terms, unknown_field
from leser.backend import ExpandedQuery, Filter, Hit, Ranking, SearchError
from leser.characters import well_formed
from leser_memory.index import Clause, Floats
from leser_memory.store import DocumentStore

Match = Literal["any", "all", "phrase"]
CACHE_BYTES = 128 * 2**20
BLOCKS = 128
TINY: np.float32 = np.nextafter(np.float32(0), np.float32(1))  # what matches scores more than 0


class Scorer:
    """Scores queries over one store; clauses and filters seen before are kept, since training asks for them again and again."""

    def __init__(self, store: DocumentStore, weights: Mapping[str, float], *, rerank: bool) -> None:
        self._store = store
        self._weights = dict(weights)
        self._rerank = rerank
        # plain dicts, emptied when full: reading one is atomic and a tenth of the cost of an LRU cache and its lock
        self._clauses: dict[tuple[str, str | None, Match], Clause] = {}
        self._masks: dict[Filter, NDArray[np.bool_]] = {}
        self._clause_bytes = 0
        self._lock = Lock()

    def search(self, query: ExpandedQuery, k: int, *, total: bool) -> Ranking | SearchError:
        """The best k documents of one query."""
        try:
            self._check(query)
        except Refused as refusal:
            return SearchError(str(refusal), "query")
        scores = np.zeros(len(self._store), dtype=np.float64)
        documents, values = self._clause(query.text, None, "any")
        scores[documents] += values
        allowed = scores > 0 if self._rerank else None
        for term in query.terms:
            if term.weight and not term.negate:
                documents, values = self._clause(term.text, term.field, term.match)
                scores[documents] += values * term.weight
        for term in query.terms:
            if term.weight and term.negate:
                scores[self._clause(term.text, term.field, term.match)[0]] = 0
        if allowed is not None:
            scores[~allowed] = 0
        for condition in query.filters:
            scores[~self._mask(condition)] = 0
        return self._top(scores, k, total)

    def _top(self, scores: NDArray[np.float64], k: int, total: bool) -> Ranking:
        values = scores.astype(np.float32)  # the engine's precision: sums in another order must not break ties
        found = (values >= self._floor(values, k)).nonzero()[0]
        best = found[np.argsort(-values[found], kind="stable")[:k]]
        ids = self._store.ids
        hits = tuple(map(Hit, [ids[i] for i in best.tolist()], values[best].tolist()))
        return Ranking(hits, int(np.count_nonzero(scores)) if total else None)

    @staticmethod
    def _floor(values: Floats, k: int) -> np.float32:
        """A score that the best k reach and few others do: the kth of the maxima of `BLOCKS` parts, if so many match."""
        width = len(values) // BLOCKS
        if width > 1 and k <= BLOCKS:
            maxima = values[: BLOCKS * width].reshape(BLOCKS, width).max(axis=1)
            floor = np.partition(maxima, BLOCKS - k)[BLOCKS - k]
            if floor > 0:
                return np.float32(floor)
        return TINY

    def _clause(self, text: str, field: str | None, match: Match) -> Clause:
        text = well_formed(text)
        key = (text, field, match)
        known = self._clauses.get(key)
        if known is None:
            known = self._make_clause(text, {field: 1.0} if field else self._weights, match)
            with self._lock:
                self._clause_bytes += int(known[0].nbytes + known[1].nbytes) + 200
                if self._clause_bytes > CACHE_BYTES:
                    self._clauses = {}
                    self._clause_bytes = 0
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
        mask = self._masks.get(condition)
        if mask is None:
            mask = self._store.mask(condition)
            with self._lock:
                if len(self._masks) * mask.nbytes > CACHE_BYTES:
                    self._masks = {}
                self._masks[condition] = mask
        return mask

    def _check(self, query: ExpandedQuery) -> None:
        """Raise Refused where this query cannot be searched."""
        check_terms(query.terms)
        for term in query.terms:
            if term.field is not None and term.field not in self._store.fields and term.field != CONTENTS:
                raise unknown_field(term.field, self._store.searchable())
        for condition in query.filters:
            if condition.field not in self._store.fields:
                raise unknown_field(condition.field, sorted(self._store.fields), "filter by")


def _times(clause: Clause, weight: np.float32) -> Clause:
    return clause[0], clause[1] * weight


def _add(clauses: list[Clause], size: int) -> Clause:
    """The sum of clauses, each document once."""
    if len(clauses) == 1:
        return clauses[0]
    scores = np.zeros(size, dtype=np.float64)
    for documents, values in clauses:
        scores[documents] += values
    found = (scores != 0).nonzero()[0]
    return found, scores[found]
