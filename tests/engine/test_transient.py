"""Transient: the exception by which a backend's method says that the same call may succeed a moment later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest
from kit_runner import first_failure
from leser_memory import MemoryBackend

from leser.backend import Backend, Document, ExpandedQuery, Ranking, SearchError, Transient
from leser.engine import SearchClient
from leser.engine.checked import CheckedBackend
from leser.engine.options import SearchOptions
from leser.errors import EngineDown, LeserError
from leser.testing import DOCUMENTS, BackendContract

QUICK = SearchOptions(backoff=0.001, retries=2, deadline=5, concurrency=1)
QUERIES = [ExpandedQuery("1", "sofa"), ExpandedQuery("2", "lamp")]


class Starting(MemoryBackend):
    """Raises `error` from the methods in `failing` until it was called `times` times."""

    error: ClassVar[Exception] = Transient("the server is starting, and has not loaded the index yet")
    failing: ClassVar[tuple[str, ...]] = ("search", "fetch", "analyze", "doc_freq", "documents", "fingerprint", "check")
    times = 1

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return self._failing(found) if name in type(self).failing else found

    def _failing(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*values: Any, **named: Any) -> Any:
            if self.times:
                self.times -= 1
                raise type(self).error
            return method(*values, **named)

        return call


def starting(times: int, **changes: Any) -> Starting:
    backend = type("Starting", (Starting,), changes).of(DOCUMENTS)
    backend.times = times
    assert isinstance(backend, Starting)
    return backend


def test_a_search_is_sent_again() -> None:
    with SearchClient(starting(2, failing=("search",)), QUICK) as client:
        answers = client.search(QUERIES, 3)
        assert all(isinstance(answer, Ranking) and answer.hits for answer in answers)
        assert client.stats().retries == 4, "two queries, twice"


def test_a_search_that_stays_down_is_transient_and_not_halved() -> None:
    backend = starting(100, failing=("search",))
    with SearchClient(backend, QUICK.model_copy(update={"retries": 0})) as client:
        assert client.search(QUERIES, 3) == [SearchError(str(Starting.error), "transient")] * 2
    assert backend.times == 99, "one call per chunk: a server that starts is not searched query by query"


def test_another_exception_out_of_search_fails_the_engine() -> None:
    with SearchClient(starting(100, failing=("search",), error=ValueError("boom")), QUICK) as client:
        assert client.search(QUERIES[:1], 3) == [SearchError("ValueError: boom", "engine")]


@pytest.mark.parametrize("method", ["fetch", "fingerprint"])
def test_documents_and_fingerprint_are_asked_for_again(method: str) -> None:
    with SearchClient(starting(3, failing=(method,)), QUICK) as client:
        assert set(client.fetch(["d01"], ["title"])) == {"d01"}


def test_analysis_is_asked_for_again_and_fails_in_the_backends_words() -> None:
    backend = starting(2, failing=("analyze",))
    with SearchClient(backend, QUICK) as client:
        assert client.ask(lambda: backend.analyze(["sofa"])) == [["sofa"]]
        backend.times = 100
        assert client.ask(lambda: backend.analyze(["sofa"])) == SearchError(str(Starting.error), "transient")


def test_a_check_is_not_tried_again_and_ends_with_75() -> None:
    with pytest.raises(
        EngineDown,
        match=r"engine of backend 'memory': the server is starting.*yet\. Check",
    ):
        CheckedBackend(starting(1, failing=("check",))).check()


class EndsTheRun(Starting):
    """Raises LeserError for what may pass."""

    failing = ("search", "analyze", "doc_freq", "check")

    def fetch(self, ids: Sequence[str], fields: Sequence[str]) -> dict[str, Document]:
        if self.times:
            raise LeserError("No server answers.")
        return super().fetch(ids, fields)


class FindsNothing(Starting):
    """Takes a server that does not answer for one that finds nothing."""

    failing = ("fetch", "analyze", "doc_freq", "check")

    def search(self, queries: Sequence[ExpandedQuery], k: int, *, total: bool = False) -> list[Ranking | SearchError]:
        return [Ranking(())] * len(queries) if self.times else super().search(queries, k, total=total)


class RaisesWhatItLikes(Starting):
    """Raises its client's own exception out of search, which fails each query for good."""

    error = ValueError("connection refused")


class SaysTooLittle(Starting):
    """Reports the engine in a word."""

    error = Transient("down")


@pytest.mark.parametrize(
    ("backend", "test"),
    [
        (Starting, None),
        (EndsTheRun, "test_unreachable_documents_are_transient"),
        (FindsNothing, "test_unreachable_searches_are_transient"),
        (RaisesWhatItLikes, "test_unreachable_searches_are_transient"),
        (SaysTooLittle, "test_unreachable_engine_is_reported"),
    ],
)
def test_the_kit_names_the_cause(backend: type[Starting], test: str | None) -> None:
    def opening(times: int) -> Callable[..., Backend]:
        def open_backend(**options: Any) -> Backend:
            made = backend.of(DOCUMENTS, **options)
            made.times = times
            return made

        return open_backend

    kit: Any = type(
        "TestPlanted", (BackendContract,), {"backend": backend, "open_unreachable": pytest.fixture(lambda _: None)}
    )
    fixtures: dict[str, Callable[[], Any]] = {
        "engine": opening(0),
        "open_backend": lambda: opening(0),
        "open_unreachable": lambda: opening(10**6),
        "monkeypatch": pytest.MonkeyPatch,
    }
    failure = first_failure(kit, fixtures)
    assert (failure and failure[0]) == test, failure
