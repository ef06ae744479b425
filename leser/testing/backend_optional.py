"""The part of BackendContract that needs another fixture: an engine with a filter of its own, and one whose index is missing.

    class TestMyEngine(BackendContract):
        @pytest.fixture
        def open_filtered(self):                         # a template of the user's, with its own filter
            template = '{"bool": {"must": "$query", "filter": {"term": {"brand": "Nordhem"}}}}'
            return lambda **options: MyEngine(MyEngine.Options(url=..., template=template, **options))

        @pytest.fixture
        def open_missing(self):
            return lambda **options: MyEngine(MyEngine.Options(url=..., index="nowhere", **options))

Tests of a fixture that a class doesn't override are not collected.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leser.backend import Backend, ExpandedQuery, Ranking, SearchError, Term
from leser.contract.texts import HOSTILE
from leser.engine import SearchClient
from leser.errors import LeserError
from leser.expansion import Expansion, ExpansionOptions
from leser.testing.asking import EVERYTHING, called, given, ids_of, needs, opened
from leser.testing.documents import DOCUMENTS

OWN = {document.id for document in DOCUMENTS if document.fields["brand"] == "Nordhem"}


class FilteredCases:
    """Tests of a filter that the user's own template holds: whatever is added, nothing gets past it."""

    @pytest.fixture
    def open_filtered(self) -> Callable[..., Backend]:
        """Like open_backend, but by its own options (a template) the engine finds only documents of the brand Nordhem."""
        raise NotImplementedError("override the fixture open_filtered, or leave its tests uncollected")

    @given("open_filtered")
    def test_own_filter_holds(self, open_filtered: Callable[..., Backend]) -> None:
        """If this fails, check that the template is sent as the user wrote it, its filter included."""
        with opened(open_filtered) as backend:
            assert set(ids_of(backend, EVERYTHING)) == OWN
            assert ids_of(backend, "couch") == ("d01",)
            assert ids_of(backend, "lamp") == ids_of(backend, "") == ids_of(backend, "settee") == ()

    @given("open_filtered")
    @needs("term_weights")
    @pytest.mark.parametrize("match", ["widen", "rerank"])
    def test_terms_stay_within_own_filter(self, open_filtered: Callable[..., Backend], match: str) -> None:
        """If this fails, check that terms stand beside the template's $query, inside its filter and never around it."""
        with opened(open_filtered, match=match) as backend:
            assert ids_of(backend, "couch", Term("lamp", 9.0), Term("trainers", 9.0)) == ("d01",)
            rescued = ids_of(backend, "settee", Term("couch"), Term("lamp"), Term("chair", match="all"))
            assert set(rescued) == ({"d01", "d06"} if match == "widen" else set())
            assert set(ids_of(backend, EVERYTHING, Term("sofa", 2.0), Term("chair", negate=True))) == OWN - {"d06"}

    @given("open_filtered")
    @needs("term_weights")
    def test_hostile_terms_stay_within_own_filter(self, open_filtered: Callable[..., Backend]) -> None:
        """If this fails, check that text is put into the template as a value, after its JSON or parameters are read."""
        with opened(open_filtered) as backend:
            alone = [ExpandedQuery("q", text) for text in HOSTILE]
            beside = [ExpandedQuery("q", "sofa", (Term(text),)) for text in HOSTILE]
            for query, answer in zip(alone + beside, backend.search(alone + beside, 100), strict=True):
                expected = ("d01",) if query.terms else ()
                assert isinstance(answer, SearchError) or answer.ids == expected, query

    @given("open_filtered")
    def test_fused_searches_stay_within_own_filter(self, open_filtered: Callable[..., Backend]) -> None:
        """If this fails, check that the template holds for every query of a batch."""
        with SearchClient(open_filtered()) as client:
            request = ExpandedQuery("q", "settee"), (Expansion("lamp"), Expansion("couch"))
            (found,) = client.search_expansions([request], 100, options=ExpansionOptions(mode="fuse"))
            assert isinstance(found.ranking, Ranking)
            assert found.ranking.ids == ("d01",)


class MissingCases:
    """Tests of an engine that answers, but has no such index."""

    @pytest.fixture
    def open_missing(self) -> Callable[..., Backend]:
        """Opens a backend whose options name an index that is not there."""
        raise NotImplementedError("override the fixture open_missing, or leave its tests uncollected")

    @given("open_missing")
    def test_missing_index_opens(self, open_missing: Callable[..., Backend]) -> None:
        """If this fails, check that __init__ only keeps its options: check() and search() say that the index is missing."""
        called("close", called("__init__", open_missing).close)

    @given("open_missing")
    def test_missing_index_is_told(self, open_missing: Callable[..., Backend]) -> None:
        """If this fails, check that check() raises LeserError (IndexMissing where LESER can build it) with the index's name."""
        with opened(open_missing) as backend, pytest.raises(LeserError) as told:
            backend.check()
        assert len(str(told.value)) > 20, "say what is missing and what to do"

    @given("open_missing")
    def test_missing_index_fails_searches(self, open_missing: Callable[..., Backend]) -> None:
        """If this fails, check that searching an index that is gone is an engine error, never an empty ranking."""
        with opened(open_missing) as backend:
            try:
                (answer,) = backend.search([ExpandedQuery("q", "sofa")], 10)
            except LeserError:
                return
            assert isinstance(answer, SearchError)
            assert answer.kind == "engine"
