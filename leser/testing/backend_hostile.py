"""The part of BackendContract about text that is syntax somewhere: nothing raises, and nothing finds more than its words do."""

from __future__ import annotations

from typing import Any

import pytest

from leser.backend import Backend, ExpandedQuery, Filter, SearchError, Term
from leser.contract.texts import HOSTILE
from leser.testing.asking import answers_of, documents_of, needs, ranked, refused_at_most


class HostileCases:
    """Tests of hostile text in queries, terms, filters and ids."""

    def test_hostile_text_is_data(self, engine: Backend) -> None:
        """If this fails, check that text reaches the engine in structured clauses, or quoted as its manual says."""
        for text in HOSTILE:
            queries = [ExpandedQuery("q", text), ExpandedQuery("q", f"sofa {text}"), ExpandedQuery("q", f"{text} sofa")]
            alone, *beside = answers_of(engine, queries)
            refused_at_most(alone, set(), text[:60])
            for answer in beside:
                refused_at_most(answer, {"d01"}, f"sofa, beside {text[:60]}")

    def test_hostile_text_harms_no_other_query(self, engine: Backend) -> None:
        """If this fails, check how a batch is written: a text must not end its own query's part of it."""
        queries = [ExpandedQuery(text[:9], text) for text in ("sofa", *HOSTILE, "yoga")]
        first, *_, last = answers_of(engine, queries, 10)
        assert (ranked(first).ids, ranked(last).ids) == (("d01",), ("d11",))

    def test_hostile_ids_are_unknown(self, engine: Backend) -> None:
        """If this fails, check that ids are looked up as values, never joined into a query, a path or a list."""
        ids = [*HOSTILE, "d01,d02", "d0*", "D01", " d01", "", "d01"]
        assert set(documents_of(engine, ids, ["title"])) == {"d01"}

    def test_many_ids(self, engine: Backend) -> None:
        """If this fails, check how many ids the engine takes in one request (clauses, length of a URL), and split them."""
        unknown = [f"unknown-{number}" for number in range(3000)]
        ids = ["d02", *unknown[:1200], "d05", *unknown[1200:], "d01"]
        assert set(documents_of(engine, ids, ["title"])) == {"d01", "d02", "d05"}

    @needs("term_weights")
    @pytest.mark.parametrize("match", ["any", "all"])
    def test_hostile_terms_are_data(self, engine: Backend, match: Any) -> None:
        """If this fails, check that model text is never query syntax: only structured clauses, or the engine's own quoting."""
        _terms_are_data(engine, match)

    @needs("term_weights", "phrases")
    def test_hostile_phrases_are_data(self, engine: Backend) -> None:
        """If this fails, check how the words of a phrase are quoted: a quote in them must not end it."""
        _terms_are_data(engine, "phrase")

    @needs("filters")
    def test_hostile_filter_values_are_data(self, engine: Backend) -> None:
        """If this fails, check that a filter's value is compared as a value, never parsed."""
        for text in HOSTILE:
            for condition in (Filter("brand", "eq", text), Filter("brand", "in", (text, "Nordhem"))):
                (answer,) = answers_of(engine, [ExpandedQuery("q", "sofa couch lamp table", (), (condition,))])
                expected = {"d01", "d09"} if condition.op == "in" else set()
                assert isinstance(answer, SearchError) or set(answer.ids) == expected, str(condition)[:200]


def _terms_are_data(engine: Backend, match: Any) -> None:
    """Hostile terms beside a query find nothing, and negated exclude nothing."""
    for text in HOSTILE:
        terms = Term(text, match=match), Term(text, 9.0, match=match, negate=True)
        beside, negated = answers_of(engine, [ExpandedQuery("q", "sofa", (term,)) for term in terms])
        refused_at_most(beside, {"d01"}, f"the term {text[:60]}")
        for answer in (beside, negated):
            assert isinstance(answer, SearchError) or answer.ids == ("d01",), f"'sofa' with the term {text[:60]!r}"
