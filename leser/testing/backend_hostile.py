"""The part of BackendContract about text that is syntax somewhere, and about numbers that are no weight."""

from __future__ import annotations

import math
from typing import Any

import pytest

from leser.backend import Backend, ExpandedQuery, Filter, SearchError, Term
from leser.testing.backend_expansion import ids_of, needs
from leser.testing.documents import DOCUMENTS, HOSTILE


class HostileCases:
    """Tests that nothing raises, and that nothing finds more than its words do."""

    @pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
    def test_hostile_text_is_data(self, engine: Backend, text: str) -> None:
        """If this fails, check that text reaches the engine in structured clauses, or quoted as its manual says."""
        alone, beside = engine.search([ExpandedQuery("q", text), ExpandedQuery("q", f"sofa {text}")], 100)
        assert isinstance(alone, SearchError) or alone.ids == (), "it found what it has no word of"
        assert isinstance(beside, SearchError) or set(beside.ids) <= {"d01"}, "it widened what the other word finds"

    def test_hostile_text_harms_no_other_query(self, engine: Backend) -> None:
        """If this fails, check how a batch is written: a text must not end its own query's part of it."""
        queries = [ExpandedQuery(text[:9], text) for text in ("sofa", *HOSTILE, "yoga")]
        first, *_, last = engine.search(queries, 10)
        assert not isinstance(first, SearchError), first
        assert not isinstance(last, SearchError), last
        assert (first.ids, last.ids) == (("d01",), ("d11",))

    def test_hostile_ids_are_unknown(self, engine: Backend) -> None:
        """If this fails, check that ids are looked up as values, never joined into a query, a path or a list."""
        assert set(engine.fetch([*HOSTILE, "d01,d02", "d0*", "D01", " d01", "", "d01"], ["title"])) == {"d01"}

    def test_many_ids(self, engine: Backend) -> None:
        """If this fails, check how many ids the engine takes in one request (clauses, length of a URL), and split them."""
        ids = [f"unknown-{number}" for number in range(3000)]
        assert set(engine.fetch([*ids, "d01"], ["title"])) == {"d01"}

    @needs("term_weights")
    @pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
    @pytest.mark.parametrize("match", ["any", "all", "phrase"])
    def test_hostile_terms_are_data(self, engine: Backend, text: str, match: Any) -> None:
        """If this fails, check that model text is never query syntax: only structured clauses, or the engine's own quoting."""
        query = ExpandedQuery("q", "sofa", (Term(text, match=match),))
        (answer,) = engine.search([query], 100)
        assert isinstance(answer, SearchError) or answer.ids == ("d01",)

    @needs("term_weights")
    def test_many_terms(self, engine: Backend) -> None:
        """If this fails, check the engine's own limit of clauses: as many as search.max_clauses (256) may be sent."""
        terms = tuple(Term(f"zzqx{number}") for number in range(250))
        assert ids_of(engine, "sofa", *terms) == ("d01",)

    @needs("term_weights")
    @pytest.mark.parametrize("weight", [-1.0, math.nan, math.inf])
    def test_weights_that_are_none(self, engine: Backend, weight: float) -> None:
        """If this fails, check weights before they are sent: what is no number of 0 or more is a SearchError."""
        (answer,) = engine.search([ExpandedQuery("q", "sofa", (Term("lamp", weight),))], 10)
        if not isinstance(answer, SearchError):
            assert all(math.isfinite(hit.score) for hit in answer.hits)

    @needs("filters")
    def test_hostile_filter_values_are_data(self, engine: Backend) -> None:
        """If this fails, check that a filter's value is compared as a value, never parsed."""
        words = "sofa couch lamp table"
        for text in HOSTILE:
            for condition in (Filter("brand", "eq", text), Filter("brand", "in", (text, "Nordhem"))):
                (answer,) = engine.search([ExpandedQuery("q", words, (), (condition,))], 100)
                expected = {"d01", "d09"} if condition.op == "in" else set()
                assert isinstance(answer, SearchError) or set(answer.ids) == expected, condition

    @needs("filters")
    def test_filter_in_an_unknown_field(self, engine: Backend) -> None:
        """If this fails, check that a filter nobody can meet is not left out: it finds nothing, or is a SearchError."""
        for condition in (Filter("no_such_field", "eq", "x"), Filter("no_such_field", "lt", 5)):
            (answer,) = engine.search([ExpandedQuery("q", "sofa", (), (condition,))], len(DOCUMENTS))
            assert isinstance(answer, SearchError) or answer.ids == ()
