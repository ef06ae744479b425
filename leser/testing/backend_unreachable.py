"""The part of BackendContract that needs a server that does not answer: what may pass is said to pass.

    class TestMyEngine(BackendContract):
        @pytest.fixture
        def open_unreachable(self):
            return lambda **options: MyEngine(MyEngine.Options(url="http://127.0.0.1:9", **options))

Tests of a fixture that a class doesn't override are not collected; an engine in process has no such case.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leser.backend import Backend, ExpandedQuery, SearchError, Transient
from leser.errors import LeserError
from leser.testing.asking import given, needs, opened

MAY_PASS = (Transient, OSError)
"""What a method may raise to be called again: the contract's own exception, or Python's for connections and timeouts."""
QUERIES = [ExpandedQuery("1", "sofa"), ExpandedQuery("2", "lamp")]


class UnreachableCases:
    """Tests of an engine that does not answer for the moment: a run waits for it, and loses nothing."""

    @pytest.fixture
    def open_unreachable(self) -> Callable[..., Backend]:
        """Opens a backend whose options name an address where nothing answers."""
        raise NotImplementedError("override the fixture open_unreachable, or leave its tests uncollected")

    @given("open_unreachable")
    def test_unreachable_searches_are_transient(self, open_unreachable: Callable[..., Backend]) -> None:
        """If this fails, check that search() raises Transient, or answers each query with SearchError(message, "transient")."""
        with opened(open_unreachable) as backend:
            try:
                answers = backend.search(QUERIES, 10)
            except Transient as error:
                answers = [SearchError(str(error), "transient")] * len(QUERIES)
        assert [getattr(answer, "kind", answer) for answer in answers] == ["transient"] * len(QUERIES)
        assert all(answer.message for answer in answers if isinstance(answer, SearchError)), "say what does not answer"

    @given("open_unreachable")
    def test_unreachable_documents_are_transient(self, open_unreachable: Callable[..., Backend]) -> None:
        """If this fails, check that fetch() raises Transient: a LeserError ends a run, and {} says "no document"."""
        with opened(open_unreachable) as backend, pytest.raises(MAY_PASS):
            backend.fetch(["d01"], ["title"])

    @given("open_unreachable")
    @needs("analyze")
    def test_unreachable_analysis_is_transient(self, open_unreachable: Callable[..., Backend]) -> None:
        """If this fails, check that analyze() raises Transient."""
        with opened(open_unreachable) as backend, pytest.raises(MAY_PASS):
            backend.analyze(["sofa"])

    @given("open_unreachable")
    @needs("doc_freq")
    def test_unreachable_counts_are_transient(self, open_unreachable: Callable[..., Backend]) -> None:
        """If this fails, check that doc_freq() raises Transient."""
        with opened(open_unreachable) as backend, pytest.raises(MAY_PASS):
            backend.doc_freq(["sofa"])

    @given("open_unreachable")
    @needs("documents")
    def test_unreachable_index_is_not_empty(self, open_unreachable: Callable[..., Backend]) -> None:
        """If this fails, check that documents(), or its iterator, raises Transient: its end says that all were given."""
        with opened(open_unreachable) as backend, pytest.raises(MAY_PASS):
            list(backend.documents())

    @given("open_unreachable")
    def test_unreachable_fingerprint_is_transient(self, open_unreachable: Callable[..., Backend]) -> None:
        """If this fails, check that fingerprint() returns a text without the server's part, or raises Transient."""
        with opened(open_unreachable) as backend:
            try:
                assert backend.fingerprint()
            except MAY_PASS:
                return

    @given("open_unreachable")
    def test_unreachable_engine_is_reported(self, open_unreachable: Callable[..., Backend]) -> None:
        """If this fails, check that check() raises LeserError or Transient, with the address and what to do."""
        with opened(open_unreachable) as backend, pytest.raises((LeserError, *MAY_PASS)) as caught:
            backend.check()
        assert len(str(caught.value)) > 20, "say what does not answer and what to do"
