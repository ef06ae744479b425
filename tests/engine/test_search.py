"""SearchClient: what it adds around an engine. A fake engine only produces faults that a real one won't on demand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import ClassVar

import pytest
from leser_memory import MemoryBackend

from leser.backend import Backend, BackendOptions, Document, ExpandedQuery, Filter, Hit, Ranking, SearchError, Term
from leser.baseline import BaselineContext
from leser.engine import SearchClient, SearchOptions, reciprocal_rank_fusion
from leser.engine.texts import Asked
from leser.errors import EngineDown, IndexMissing, LeserError
from leser.expansion import Expansion, ExpansionOptions
from leser.plugins import load_plugins
from leser.scoring import RewardSet
from leser.task import Query, Split, Task
from leser.testing import DOCUMENTS

Answers = list[Ranking | SearchError]


class Faulty(Backend):
    """An engine that answers as a test tells it to."""

    name = "faulty"
    capabilities: ClassVar = frozenset({"term_weights", "fields", "phrases", "filters"})

    def __init__(self, answer: Callable[[Sequence[ExpandedQuery], int], Answers]) -> None:
        super().__init__(BackendOptions())
        self._answer = answer
        self.calls: list[list[ExpandedQuery]] = []

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> Answers:
        self.calls.append(list(queries))
        return self._answer(queries, len(self.calls))

    def fetch(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
        raise ConnectionError("connection refused")


def found(*ids: str) -> Ranking:
    return Ranking(tuple(Hit(id, 1.0 / place) for place, id in enumerate(ids, 1)))


def queries(*texts: str) -> list[ExpandedQuery]:
    return [ExpandedQuery(str(n), text) for n, text in enumerate(texts)]


@pytest.fixture
def memory() -> MemoryBackend:
    return MemoryBackend.of(DOCUMENTS)


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
    assert len({hash(Asked(query)) for query in (*limits, *weights)}) > 3900
    assert hash(Asked(limits[0])) == hash(
        Asked(ExpandedQuery("other id", "sofa", filters=(Filter("price", "lte", 0),)))
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


class Unweighted(MemoryBackend):
    """An engine without term weights."""

    name = "unweighted"
    capabilities: ClassVar = frozenset({"analyze"})


def test_without_term_weights_clauses_are_refused_or_fused_never_left_out() -> None:
    client = SearchClient(Unweighted.of(DOCUMENTS))
    asked = ExpandedQuery("q", "settee", (Term("couch", 2.0), Term("lamp")))
    (refused,) = client.search([asked], 10)
    assert isinstance(refused, SearchError)
    assert "unweighted" in refused.message
    (fused,) = client.search_terms([asked], 10)
    (plain,) = client.search_terms([ExpandedQuery("q", "settee")], 10)
    assert isinstance(fused, Ranking)
    assert isinstance(plain, Ranking)
    assert set(fused.ids) == {"d01", "d02", "d07", "d08"}
    assert set(fused.ids[:2]) == {"d01", "d02"}
    assert plain.ids == ()


def test_chunks_go_out_together_and_come_back_in_order() -> None:
    both = threading.Barrier(2, timeout=10)

    def answer(asked: Sequence[ExpandedQuery], _: int) -> Answers:
        both.wait()
        return [found(query.text) for query in asked]

    client = SearchClient(Faulty(answer), SearchOptions(concurrency=2))
    texts = [str(n) for n in range(6)]
    assert [r.ids[0] for r in client.search(queries(*texts), 1) if isinstance(r, Ranking)] == texts


def test_boost_is_one_search_with_weighted_terms(memory: MemoryBackend) -> None:
    engine = Faulty(lambda asked, _: [found("a") for _ in asked])
    original = ExpandedQuery("1", "settee", filters=(Filter("brand", "eq", "Nordhem"),))
    expansions = (Expansion("couch"), Expansion("leather sofa", 2.0))
    SearchClient(engine).search_expansions([(original, expansions)], 10, options=ExpansionOptions(weight=0.5))
    (sent,) = engine.calls
    assert sent == [ExpandedQuery("1", "settee", (Term("couch", 0.5), Term("leather sofa", 1.0)), original.filters)]
    (result,) = SearchClient(memory).search_expansions([(original, expansions)], 10, options=ExpansionOptions())
    assert isinstance(result.ranking, Ranking)
    assert result.ranking.ids == ("d01",)
    assert result.per_expansion is None


@pytest.mark.parametrize("mode", ["boost", "fuse"])
def test_no_expansions_is_the_plain_original(memory: MemoryBackend, mode: str) -> None:
    client = SearchClient(memory)
    original = ExpandedQuery("1", "lamp light")
    (result,) = client.search_expansions(
        [(original, ())], 10, options=ExpansionOptions.model_validate({"mode": mode}), total=True, per_expansion=True
    )
    assert result.ranking == client.search([original], 10, total=True)[0]
    assert result.per_expansion == ()


@pytest.mark.parametrize("mode", ["boost", "fuse"])
def test_per_expansion_searches_each_phrase_alone(memory: MemoryBackend, mode: str) -> None:
    client = SearchClient(memory)
    requests = [
        (ExpandedQuery("1", "settee"), (Expansion("couch"), Expansion("lamp"))),
        (ExpandedQuery("2", "mat"), (Expansion("couch"),)),
    ]
    options = ExpansionOptions.model_validate({"mode": mode})
    results = client.search_expansions(requests, 10, options=options, per_expansion=True)
    alone = client.search(queries("couch", "lamp"), 10)
    assert [result.per_expansion for result in results] == [tuple(alone), (alone[0],)]


def test_fuse_merges_by_hand_worked_numbers(memory: MemoryBackend) -> None:
    merged = reciprocal_rank_fusion([found("a", "b"), found("b", "c")], [1.0, 0.5], 10)
    assert merged.ids == ("b", "a", "c")
    assert [hit.score for hit in merged.hits] == pytest.approx([1 / 62 + 0.5 / 61, 1 / 61, 0.5 / 62])
    client = SearchClient(memory)
    requests = [(ExpandedQuery("1", "settee"), (Expansion("couch"), Expansion("lamp", 2.0)))]
    (result,) = client.search_expansions(requests, 3, options=ExpansionOptions(mode="fuse"), total=True)
    assert isinstance(result.ranking, Ranking)
    assert len(result.ranking.ids) == 3
    assert set(result.ranking.ids[:2]) == {"d07", "d08"}
    assert result.ranking.total == 4
    assert not result.ranking.total_exact


def test_fuse_keeps_rerank_to_what_the_original_matches() -> None:
    client = SearchClient(MemoryBackend.of(DOCUMENTS, match="rerank"))
    requests = [(ExpandedQuery("1", "lamp"), (Expansion("couch"), Expansion("clip", 4.0)))]
    (result,) = client.search_expansions(requests, 10, options=ExpansionOptions(mode="fuse"))
    assert isinstance(result.ranking, Ranking)
    assert result.ranking.ids == ("d08", "d07")


def test_a_failed_list_fails_its_fusion_only() -> None:
    engine = Faulty(lambda asked, _: [SearchError("no", "query") if q.text == "bad" else found(q.text) for q in asked])
    results = SearchClient(engine).search_expansions(
        [(ExpandedQuery("1", "a"), (Expansion("bad"),)), (ExpandedQuery("2", "b"), (Expansion("c"),))],
        10,
        options=ExpansionOptions(mode="fuse"),
    )
    assert results[0].ranking == SearchError("no", "query")
    assert isinstance(results[1].ranking, Ranking)


def test_boost_without_term_weights_names_fuse() -> None:
    class Plain(MemoryBackend):
        name = "plain"
        capabilities: ClassVar = frozenset({"total"})

    client = SearchClient(Plain.of(DOCUMENTS))
    with pytest.raises(LeserError, match=r"'plain' has no term weights.*-o expansion.mode=fuse"):
        client.search_expansions([], 10, options=ExpansionOptions(mode="boost"))
    client.check_mode(ExpansionOptions(mode="fuse"))


def test_documents_are_fetched_once(memory: MemoryBackend) -> None:
    client = SearchClient(memory)
    first = client.fetch(["d01", "nowhere", "d01"], ["title"])
    assert first == {"d01": Document("d01", {"title": "Leather sofa"})}
    assert client.fetch(["nowhere", "d01"], ["title"]) == first
    assert client.stats().fetched == 2
    assert client.fetch(["d01"], ["brand"])["d01"].fields == {"brand": "Nordhem"}


def test_documents_that_cannot_be_fetched_stop_the_run() -> None:
    client = SearchClient(Faulty(lambda asked, _: []), SearchOptions(deadline=0.05, backoff=0.001))
    with pytest.raises(EngineDown, match=r"connection refused. Check the engine and resume the run"):
        client.fetch(["a"], ["title"])


class Fetching(MemoryBackend):
    """The memory engine, whose documents cannot be had for so many tries."""

    failures = 5
    error: ClassVar[Exception] = ConnectionError("connection refused")

    def fetch(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
        self.failures -= 1
        if self.failures >= 0:
            raise self.error
        return super().fetch(ids, fields)


def test_a_fetch_outlasts_more_failures_than_a_search_is_retried() -> None:
    client = SearchClient(Fetching.of(DOCUMENTS), SearchOptions(retries=1, backoff=0.001))
    assert client.fetch(["d01"], ["title"])["d01"].fields == {"title": "Leather sofa"}


@pytest.mark.parametrize(
    "error", [IndexMissing("No index 'shop'.", "--task TASK"), LeserError("Answered 401. Log in.")]
)
def test_what_a_backend_raises_out_of_a_fetch_stops_a_run_that_resumes(error: LeserError) -> None:
    class Gone(Fetching):
        pass

    Gone.error = error
    engine = Gone.of(DOCUMENTS)
    client = SearchClient(engine, SearchOptions(backoff=0.001))
    with pytest.raises(EngineDown, match=r"No index 'shop'\. Check|Answered 401\. Log in\. Check") as caught:
        client.fetch(["d01"], ["title"])
    assert caught.value.exit_code == 75
    assert "leser index" not in str(caught.value)
    assert engine.failures == 4, "no retry mends that"
    with pytest.raises(LeserError) as own:
        client.fetch(["d01"], ["title"], resumable=False)
    assert own.value is error


def test_a_patient_search_asks_until_the_deadline() -> None:
    engine = Faulty(lambda asked, call: [SearchError("429", "transient") if call < 6 else found("a") for _ in asked])
    client = SearchClient(engine, SearchOptions(retries=1, backoff=0.001))
    assert client.search(queries("a"), 10, until_deadline=True) == [found("a")]
    never = Faulty(lambda asked, _: [SearchError("429", "transient") for _ in asked])
    client = SearchClient(never, SearchOptions(retries=1, backoff=0.001, deadline=0.05))
    assert client.search(queries("a"), 10, until_deadline=True) == [SearchError("429", "transient")]
    assert len(never.calls) > 2


class Unopened(Faulty):
    """An engine whose connection is opened by its fingerprint, which fails a few times."""

    failures = 2

    def fingerprint(self) -> str:
        self.failures -= 1
        if self.failures >= 0:
            raise ConnectionError("connection refused")
        return "opened"


def test_an_index_that_cannot_be_opened_for_now_is_a_transient_error() -> None:
    engine = Unopened(lambda asked, _: [found("a") for _ in asked])
    client = SearchClient(engine, SearchOptions(retries=0))
    assert client.search(queries("a"), 10) == [SearchError("ConnectionError: connection refused", "transient")]
    assert (client.stats().asked, client.stats().errors) == (1, 1)
    again = SearchClient(engine, SearchOptions(retries=1, backoff=0.001))
    assert again.search(queries("a"), 10) == [found("a")]
    engine.failures = 100
    client = SearchClient(engine, SearchOptions(retries=0, breaker_window=4))
    with pytest.raises(EngineDown, match=r"failed 4 of the last 4.*connection refused"):
        client.search(queries("a", "b", "c", "d"), 10)


def test_no_backend_sees_a_lone_surrogate() -> None:
    def answer(asked: Sequence[ExpandedQuery], _: int) -> Answers:
        for query in asked:
            query.text.encode()
        return [found("a") for _ in asked]

    engine = Faulty(answer)
    odd = ExpandedQuery(
        "1", "a\ud800b", (Term("c\udc00", 2.0),), (Filter("f", "eq", "d\ud800"), Filter("g", "in", (1, "e\udfff")))
    )
    fine = ExpandedQuery("2", "\U0001f6cb sofa", (Term("couch"),))
    assert SearchClient(engine).search([odd, fine], 10) == [found("a"), found("a")]
    clean = ExpandedQuery(
        "1", "a\ufffdb", (Term("c\ufffd", 2.0),), (Filter("f", "eq", "d\ufffd"), Filter("g", "in", (1, "e\ufffd")))
    )
    assert engine.calls == [[clean, fine]]


def test_a_rate_limit_is_not_the_engines_lateness() -> None:
    engine = Faulty(lambda asked, _: [found("a") for _ in asked])
    client = SearchClient(engine, SearchOptions(max_per_second=100, batch_size=10, deadline=0.05))
    texts = [str(n) for n in range(30)]
    assert all(isinstance(answer, Ranking) for answer in client.search(queries(*texts), 10))


def test_a_call_is_at_most_a_seconds_worth_of_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("leser.engine.guards.time.monotonic", lambda: 100.0)
    monkeypatch.setattr("leser.engine.guards.time.sleep", slept.append)
    engine = Faulty(lambda asked, _: [found("a") for _ in asked])
    SearchClient(engine, SearchOptions(max_per_second=50)).search(queries(*map(str, range(120))), 10)
    assert [len(call) for call in engine.calls] == [50, 50, 20]
    assert slept == pytest.approx([0.0, 1.0, 2.0])
    SearchClient(engine, SearchOptions(max_per_second=0.5)).search(queries("a", "b"), 10)
    assert slept[3:] == pytest.approx([0.0, 2.0])


def test_rate_limit_spreads_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("leser.engine.guards.time.monotonic", lambda: 100.0)
    monkeypatch.setattr("leser.engine.guards.time.sleep", slept.append)
    engine = Faulty(lambda asked, _: [found("a") for _ in asked])
    client = SearchClient(engine, SearchOptions(max_per_second=10, batch_size=2))
    client.search(queries(*"abcdef"), 10)
    assert slept == pytest.approx([0.0, 0.2, 0.4])


def test_a_baselines_failed_original_is_asked_for_again_and_not_kept() -> None:
    engine = Faulty(lambda asked, call: [SearchError("429", "transient") if call < 4 else found("a") for _ in asked])
    nothing = Split("train", (), {})
    task = Task("none", nothing, nothing, nothing)
    rewards = RewardSet.from_specs(["nDCG@10"], load_plugins().all("reward"))
    wrong = Faulty(lambda asked, call: [SearchError("500") if call == 1 else found("a") for _ in asked])
    until_deadline = BaselineContext(SearchClient(engine, SearchOptions(retries=0, backoff=0.001)), task, rewards)
    assert until_deadline.originals([Query("1", "a")]) == [found("a")]
    context = BaselineContext(SearchClient(wrong, SearchOptions(retries=0)), task, rewards)
    assert context.originals([Query("1", "a")]) == [SearchError("500")]
    assert context.originals([Query("1", "a")]) == [found("a")]
