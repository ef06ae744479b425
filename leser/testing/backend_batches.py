"""The part of BackendContract about batches, and about what one search may not know of another."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import product
from threading import Barrier
from typing import Any, ClassVar

import pytest

from leser.backend import Backend, Capability, ExpandedQuery, Filter, Ranking, SearchError, Term
from leser.contract.texts import HOSTILE
from leser.engine import SearchClient
from leser.expansion import Expansion, ExpansionOptions
from leser.testing.asking import OpenBackend, answers_of, ids_of, ids_together, needs, opened, ranked

WORDS = {"sofa": ("d01",), "jacket": ("d05",), "settee": (), "yoga": ("d11",), "bottle": ("d10",), "chair": ("d06",)}
THREADS, ROUNDS = 4, 15


class BatchCases:
    """Tests that each query of a batch is answered as if it were alone."""

    backend: ClassVar[type[Backend]]

    def test_batch_equals_one_by_one(self, engine: Backend) -> None:
        """If this fails, check that queries of one batch share no state, such as parameters or a builder."""
        texts = ["couch", "", "lamp reading", "settee", "mat", "lamp", "couch"]
        assert ids_together(engine, texts, 5) == [ids_of(engine, text, k=5) for text in texts]

    def test_large_batch(self, engine: Backend) -> None:
        """If this fails, check how many queries the engine takes in one request: split 600 of them, and keep their order."""
        # another number of words in each round, so that no answer is right in another's place
        texts = [word for round in range(100) for word in (*WORDS,)[round % 6 :] + (*WORDS,)[: round % 6]]
        found = ids_together(engine, texts, 3)
        wrong = [place for place, text in enumerate(texts) if found[place] != WORDS[text]]
        assert not wrong, f"{len(wrong)} of {len(texts)} answers are not those of their query, the first at {wrong[0]}"

    def test_searches_leave_nothing_behind(self, open_backend: OpenBackend) -> None:
        """If this fails, check what is kept between calls: an answer may depend on nothing but its query, k and total."""
        expected = []
        for query, k in product(_varied(self.backend.capabilities), (1, 10)):
            with opened(open_backend) as fresh:
                expected.append((query, k, _found(answers_of(fresh, [query], k)[0])))
        with opened(open_backend) as engine:
            for query, k, found in (*expected, *reversed(expected)):
                assert _found(answers_of(engine, [query], k)[0]) == found, f"{query}, k={k}, after others"

    def test_errors_leave_nothing_behind(self, engine: Backend) -> None:
        """If this fails, check that a search which the engine refused doesn't spoil the next: a connection, a transaction."""
        for text in HOSTILE:
            answers_of(engine, [ExpandedQuery("q", text)], 10)
            assert ids_of(engine, "yoga") == ("d11",), f"after {text[:60]!r}"

    def test_threads_at_once(self, engine: Backend) -> None:
        """If this fails, check what searches share: a client, a builder or a cache that is not safe between threads."""
        texts = [*WORDS, "lamp", "couch reading", "mat trainers"] * 3
        batches = [
            [ExpandedQuery(f"{t}-{n}", text) for n, text in enumerate(texts[t:] + texts[:t])] for t in range(THREADS)
        ]
        expected = [[_found(answer) for answer in answers_of(engine, batch, t + 1)] for t, batch in enumerate(batches)]
        starts = Barrier(THREADS)

        def work(thread: int) -> list[Any]:
            starts.wait()
            return [
                [_found(answer) for answer in answers_of(engine, batches[thread], thread + 1)] for _ in range(ROUNDS)
            ]

        with _switching(), ThreadPoolExecutor(THREADS) as threads:
            for thread, rounds in enumerate(threads.map(work, range(THREADS))):
                for answers in rounds:
                    assert answers == expected[thread], "a thread was given answers that are not its own"

    @pytest.mark.parametrize("match", ["widen", "rerank"])
    def test_fusing_rescues(self, open_backend: OpenBackend, match: str) -> None:
        """If this fails, check that a plain search of an expansion finds what the same words find as a query."""
        with SearchClient(open_backend(match=match)) as client:
            request = ExpandedQuery("q", "settee"), (Expansion("couch"), Expansion("zzqx"))
            (result,) = client.search_expansions([request], 10, options=ExpansionOptions(mode="fuse"))
            assert set(ranked(result.ranking).ids) == ({"d01", "d02"} if match == "widen" else set())


class TogetherCases:
    """Tests of queries with terms beside others."""

    @needs("term_weights")
    def test_large_batch_with_terms(self, engine: Backend) -> None:
        """If this fails, check that terms stay with their query in a large batch."""
        words = (*WORDS,)
        queries = [ExpandedQuery("q", "settee", (Term(words[n * 7 % 6]),)) for n in range(600)]
        for query, answer in zip(queries, answers_of(engine, queries, 3), strict=True):
            assert ranked(answer).ids == WORDS[query.terms[0].text], query.terms[0].text


def _varied(declared: Collection[Capability]) -> list[ExpandedQuery]:
    """Queries that differ in one thing each, all of one id and text: what is kept by too short a key shows."""
    terms: list[Term] = []
    if "term_weights" in declared:
        terms = [Term("clip", 5.0), Term("clip", 0.5), Term("clip", negate=True)]
        terms += [Term("desk light", match="all"), Term("desk light", match="any")]
    filters = [Filter("brand", "eq", brand) for brand in ("Lumo", "Nordhem")] if "filters" in declared else []
    return [
        ExpandedQuery("q", "lamp couch"),
        *(ExpandedQuery("q", "lamp couch", (term,)) for term in terms),
        *(ExpandedQuery("q", "lamp couch", (), (condition,)) for condition in filters),
    ]


def _found(answer: Ranking | SearchError) -> tuple[tuple[str, float], ...]:
    return tuple((hit.id, round(hit.score, 4)) for hit in ranked(answer).hits)


@contextmanager
def _switching() -> Iterator[None]:
    """Threads take turns as often as they can, so that what they share shows."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
