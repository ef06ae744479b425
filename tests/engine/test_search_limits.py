"""Fetched documents, retries until the deadline, engines that open late, rate limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pytest
from leser_memory import MemoryBackend
from search_faults import Answers, Faulty, found, queries

from leser.backend import Document, ExpandedQuery, Filter, Ranking, SearchError, Term
from leser.baseline import BaselineContext
from leser.engine import SearchClient, SearchOptions
from leser.errors import EngineDown, IndexMissing, LeserError
from leser.plugins import load_plugins
from leser.scoring import RewardSet
from leser.task import Query, Split, Task
from leser.testing import DOCUMENTS


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
