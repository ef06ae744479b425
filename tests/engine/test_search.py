"""SearchClient: what it adds around an engine. A fake engine only produces faults that a real one won't on demand."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from leser_memory import MemoryBackend
from search_faults import Answers, Faulty, found, queries

from leser.backend import ExpandedQuery, Filter, Ranking, SearchError, Term
from leser.engine import SearchClient, SearchOptions
from leser.engine.texts import SendableQuery
from leser.errors import EngineDown, LeserError


def test_duplicates_are_searched_once_and_repeats_come_from_the_cache() -> None:
    engine = Faulty(lambda asked, _: [found(query.text) for query in asked])
    client = SearchClient(engine)
    first = client.search(queries("a", "b", "a", "a"), 10)
    assert [r.ids for r in first if isinstance(r, Ranking)] == [("a",), ("b",), ("a",), ("a",)]
    assert client.search(queries("b"), 10) == first[1:2]
    assert [[query.text for query in call] for call in engine.calls] == [["a", "b"]]
    stats = client.stats()
    assert (stats.asked, stats.searches, stats.deduplicated, stats.cache_hits) == (5, 2, 2, 1)
    assert stats.p50_ms is not None


def test_the_cache_tells_apart_what_the_engine_would() -> None:
    engine = Faulty(lambda asked, _: [found("x") for _ in asked])
    client = SearchClient(engine)
    plain = ExpandedQuery("1", "a")
    client.search([plain], 10)
    client.search([plain], 20)
    client.search([plain], 10, total=True)
    client.search([ExpandedQuery("1", "a", (Term("b"),))], 10)
    client.search([ExpandedQuery("1", "a", filters=(Filter("f", "eq", 1),))], 10)
    engine.fingerprint = lambda: "index was rebuilt"  # type: ignore[method-assign]
    client.search([plain], 10)
    assert len(engine.calls) == 6
    assert client.stats().cache_hits == 0


@pytest.mark.parametrize("cache_size", [0, 100])
def test_the_same_words_are_not_yet_the_same_search(cache_size: int) -> None:
    engine = Faulty(lambda asked, _: [found(f"{query.terms} {query.filters}") for query in asked])
    client = SearchClient(engine, SearchOptions(cache_size=cache_size))
    terms = [Term("b"), Term("b", 0.5), Term("b", field="f"), Term("b", match="phrase"), Term("b", negate=True)]
    alike = [ExpandedQuery("1", "a", (term,)) for term in terms]
    alike += [ExpandedQuery("1", "a", filters=(Filter(field, "eq", "b"),)) for field in ("f", "g")]
    alike += [ExpandedQuery("1", "a b"), ExpandedQuery("1", "", (Term("a"), Term("b")))]
    for _ in range(2):
        answers = client.search([*alike, *alike], 10)
        expected = [(f"{query.terms} {query.filters}",) for query in [*alike, *alike]]
        assert [r.ids for r in answers if isinstance(r, Ranking)] == expected
    assert [len(call) for call in engine.calls] == [len(alike)] * (1 if cache_size else 2)
    assert client.stats().deduplicated == 2 * len(alike)


def test_searches_that_differ_in_numbers_alone_do_not_share_a_hash() -> None:
    """Else each is compared with all the others: a head query under 2,000 price limits took 11 seconds to look up."""
    limits = [ExpandedQuery("q", "sofa", filters=(Filter("price", "lte", float(limit)),)) for limit in range(2000)]
    weights = [ExpandedQuery("q", "sofa", (Term("couch", 1 + limit / 2000),)) for limit in range(2000)]
    assert len({hash(SendableQuery(query)) for query in (*limits, *weights)}) > 3900
    assert hash(SendableQuery(limits[0])) == hash(
        SendableQuery(ExpandedQuery("other id", "sofa", filters=(Filter("price", "lte", 0),)))
    )


def test_errors_are_not_cached() -> None:
    engine = Faulty(lambda asked, call: [SearchError("boom") if call == 1 else found("a") for _ in asked])
    client = SearchClient(engine)
    assert isinstance(client.search(queries("a"), 10)[0], SearchError)
    assert client.search(queries("a"), 10) == [found("a")]


def test_only_what_failed_for_the_moment_is_tried_again() -> None:
    def answer(asked: Sequence[ExpandedQuery], call: int) -> Answers:
        kinds = {"busy": "transient", "bad": "query"}
        return [
            SearchError("no", kinds[q.text])
            if q.text in kinds and not (q.text == "busy" and call == 3)
            else found(q.text)
            for q in asked
        ]

    engine = Faulty(answer)
    client = SearchClient(engine, SearchOptions(backoff=0.001))
    answers = client.search(queries("ok", "busy", "bad"), 10)
    assert answers == [found("ok"), found("busy"), SearchError("no", "query")]
    assert [[q.text for q in call] for call in engine.calls] == [["ok", "busy", "bad"], ["busy"], ["busy"]]
    assert client.stats().retries == 2
    assert client.stats().errors == 1


def test_retries_end() -> None:
    engine = Faulty(lambda asked, _: [SearchError("429", "transient") for _ in asked])
    client = SearchClient(engine, SearchOptions(backoff=0.001, retries=2))
    assert client.search(queries("a"), 10) == [SearchError("429", "transient")]
    assert len(engine.calls) == 3


def test_what_a_backend_raises_fails_its_batch_only(caplog: pytest.LogCaptureFixture) -> None:
    def answer(asked: Sequence[ExpandedQuery], call: int) -> Answers:
        if call == 1:
            raise ValueError("broken pipe")
        return [found("a") for _ in asked]

    client = SearchClient(Faulty(answer))
    assert client.search(queries("a"), 10) == [SearchError("ValueError: broken pipe", "engine")]
    assert "broken pipe" in caplog.text
    assert client.search(queries("a"), 10) == [found("a")]


def test_errors_of_set_up_are_raised() -> None:
    with pytest.raises(LeserError, match=r"holds no documents.*documents=DIR"):
        SearchClient(MemoryBackend(MemoryBackend.Options())).search(queries("a"), 1)


@pytest.mark.parametrize("kind", ["transient", "query", "engine"])
def test_the_breaker_stops_a_run_whose_engine_fails(kind: str) -> None:
    engine = Faulty(lambda asked, _: [SearchError("status 400", kind) for _ in asked])  # type: ignore[arg-type]
    client = SearchClient(engine, SearchOptions(breaker_window=4, retries=0))
    client.search(queries("a", "b", "c"), 10)
    with pytest.raises(EngineDown, match=r"'faulty' failed 4 of the last 4 queries.*status 400") as caught:
        client.search(queries("d"), 10)
    assert caught.value.exit_code == 75
    with pytest.raises(EngineDown):
        client.search(queries("e"), 10)
    assert len(engine.calls) == 2


def test_the_breaker_bears_single_failures() -> None:
    engine = Faulty(lambda asked, _: [SearchError("no", "query") if q.text == "bad" else found("a") for q in asked])
    client = SearchClient(engine, SearchOptions(breaker_window=4, cache_size=0))
    for _ in range(10):
        client.search(queries("a", "b", "c", "bad"), 10)
    assert client.stats().errors == 10


def test_queries_too_big_are_refused_before_sending() -> None:
    engine = Faulty(lambda asked, _: [found("a") for _ in asked])
    client = SearchClient(engine, SearchOptions(max_clauses=5, max_length=20, breaker_window=1))
    many = ExpandedQuery("1", "a b c", (Term("d e"), Term("f")))
    long = ExpandedQuery("2", "x" * 21)
    fine = ExpandedQuery("3", "a b c", (Term("d e"),))
    answers = client.search([many, long, fine], 10)
    assert answers[0] == SearchError("6 clauses, at most 5 (search.max_clauses) are sent", "query")
    assert answers[1] == SearchError("21 characters, at most 20 (search.max_length) are sent", "query")
    assert isinstance(answers[2], Ranking)
    assert engine.calls == [[fine]]
    assert client.stats().refused == 2


def test_deadline() -> None:
    release = threading.Event()

    def answer(asked: Sequence[ExpandedQuery], _: int) -> Answers:
        release.wait(10)
        return [found("a") for _ in asked]

    client = SearchClient(Faulty(answer), SearchOptions(deadline=0.05))
    (late,) = client.search(queries("a"), 10)
    release.set()
    assert isinstance(late, SearchError)
    assert late.kind == "transient"
    assert "0.05 s" in late.message


def test_the_deadline_is_a_calls_not_a_batchs() -> None:
    """Four calls one after another, each within its time: a batch of any size is answered."""

    def answer(asked: Sequence[ExpandedQuery], _: int) -> Answers:
        threading.Event().wait(0.3)
        return [found("a") for _ in asked]

    client = SearchClient(Faulty(answer), SearchOptions(deadline=0.6, batch_size=1, retries=0))
    assert all(isinstance(late, Ranking) for late in client.search(queries("a", "b", "c", "d"), 10))
