"""The part of BackendContract about what stands beside the user's text: terms, filters, totals, analysis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from leser.backend import Backend, Capability, ExpandedQuery, Filter, Ranking, SearchError, Term
from leser.testing.documents import DOCUMENTS

Test = TypeVar("Test", bound=Callable[..., None])


def needs(capability: Capability) -> Callable[[Test], Test]:
    """Mark a test as one of a capability: it is not collected for a backend that doesn't declare it."""

    def mark(test: Test) -> Test:
        test.capability = capability  # type: ignore[attr-defined]
        return test

    return mark


def given(fixture: str) -> Callable[[Test], Test]:
    """Mark a test as one of an optional fixture: it is not collected for a class that doesn't override that fixture."""

    def mark(test: Test) -> Test:
        test.fixture = fixture  # type: ignore[attr-defined]
        return test

    return mark


@contextmanager
def opened(open_backend: Callable[..., Backend], **options: Any) -> Iterator[Backend]:
    """Open a backend with these options, and close it."""
    backend = open_backend(**options)
    try:
        yield backend
    finally:
        backend.close()


def ids_of(
    backend: Backend, text: str, *terms: Term, filters: tuple[Filter, ...] = (), k: int = 100
) -> tuple[str, ...]:
    """Ids of one search, best first; a SearchError fails the test with its message."""
    (answer,) = backend.search([ExpandedQuery("q", text, terms, filters)], k)
    assert isinstance(answer, Ranking), f"the engine refused the query: {answer.message}"
    return answer.ids


class ExpansionCases:
    """Tests of terms, filters and the other capabilities."""

    @needs("term_weights")
    def test_widen_rescues(self, open_backend: Callable[..., Backend]) -> None:
        """If this fails, check that with match=widen the terms stand beside the original, not inside what it must match."""
        with opened(open_backend, match="widen") as backend:
            assert set(ids_of(backend, "settee")) == set()
            assert set(ids_of(backend, "settee", Term("couch", 0.5))) == {"d01", "d02"}
            assert set(ids_of(backend, "lamp", Term("couch", 0.5))) == {"d01", "d02", "d07", "d08"}

    @needs("term_weights")
    def test_rerank_does_not_rescue(self, open_backend: Callable[..., Backend]) -> None:
        """If this fails, check that with match=rerank the original must match and the terms only add to its score."""
        with opened(open_backend, match="rerank") as backend:
            assert ids_of(backend, "settee", Term("couch")) == ()
            assert ids_of(backend, "", Term("couch")) == ()
            assert ids_of(backend, "lamp", Term("desk", 5.0), Term("couch", 5.0)) == ("d07", "d08")
            assert ids_of(backend, "lamp", Term("clip", 5.0), Term("couch", 5.0)) == ("d08", "d07")

    @needs("term_weights")
    def test_weight_zero_does_nothing(self, engine: Backend) -> None:
        """If this fails, check that terms of weight 0 are not sent: a clause of weight 0 still matches."""
        plain = ids_of(engine, "lamp")
        assert ids_of(engine, "lamp", Term("couch", 0.0), Term("clip", 0.0, negate=True)) == plain
        assert ids_of(engine, "settee", Term("couch", 0.0)) == ()

    @needs("term_weights")
    def test_more_weight_moves_up(self, engine: Backend) -> None:
        """If this fails, check that a term's weight multiplies its score."""
        assert ids_of(engine, "lamp", Term("desk", 5.0))[0] == "d07"
        assert ids_of(engine, "lamp", Term("clip", 5.0))[0] == "d08"
        places = [ids_of(engine, "lamp sofa", Term("mat", weight)).index("d11") for weight in (0.01, 1.0, 20.0)]
        assert places == sorted(places, reverse=True)
        assert places[0] > places[-1]

    @needs("term_weights")
    def test_weight_one_is_the_originals(self, engine: Backend) -> None:
        """If this fails, check that a term is scored as the original is: same fields, same similarity, same factor."""
        beside = engine.search([ExpandedQuery("q", "sofa", (Term("lamp"),))], 10)[0]
        within = engine.search([ExpandedQuery("q", "sofa lamp")], 10)[0]
        assert isinstance(beside, Ranking)
        assert isinstance(within, Ranking)
        assert beside.ids == within.ids
        assert [hit.score for hit in beside.hits] == pytest.approx([hit.score for hit in within.hits], rel=1e-4)

    @needs("term_weights")
    def test_score_follows_weight(self, engine: Backend) -> None:
        """If this fails, check that a weight multiplies what its term adds to the score, below 1 as above."""
        weights = (0.25, 1.0, 4.0)
        answers = engine.search([ExpandedQuery("q", "settee", (Term("couch", weight),)) for weight in weights], 10)
        scores = [answer.hits[0].score for answer in answers if isinstance(answer, Ranking)]
        assert scores == pytest.approx([weight * scores[1] for weight in weights], rel=1e-3)

    @needs("term_weights")
    def test_any_and_all(self, engine: Backend) -> None:
        """If this fails, check that match="all" wants every word of the term and "any" at least one."""
        assert set(ids_of(engine, "settee", Term("light road", match="any"))) == {"d03", "d07"}
        assert set(ids_of(engine, "settee", Term("light road", match="all"))) == {"d03"}
        assert set(ids_of(engine, "settee", Term("lamp zzqx", match="all"))) == set()

    @needs("term_weights")
    def test_negated_terms_exclude(self, engine: Backend) -> None:
        """If this fails, check that negated terms become must_not clauses, of the whole query."""
        assert ids_of(engine, "lamp", Term("clip", negate=True)) == ("d07",)
        assert ids_of(engine, "settee", Term("lamp"), Term("clip", negate=True)) == ("d07",)
        assert ids_of(engine, "settee", Term("clip", negate=True)) == ()
        assert set(ids_of(engine, "lamp", Term("light zzqx", match="all", negate=True))) == {"d07", "d08"}

    @needs("term_weights")
    @pytest.mark.parametrize("text", ["", " ", "the", "?!"])
    @pytest.mark.parametrize("match", ["any", "all", "phrase"])
    def test_terms_without_a_word_do_nothing(self, engine: Backend, text: str, match: Any) -> None:
        """If this fails, check terms that the analysis leaves empty: they must neither match all nor exclude all."""
        plain = ids_of(engine, "lamp")
        assert ids_of(engine, "lamp", Term(text, match=match)) == plain
        assert ids_of(engine, "lamp", Term(text, match=match, negate=True)) == plain

    @needs("term_weights")
    def test_unknown_field_is_no_exception(self, engine: Backend) -> None:
        """If this fails, check that a term in a field the index lacks ends as a SearchError or finds nothing."""
        (answer,) = engine.search([ExpandedQuery("q", "settee", (Term("couch", field="no_such_field"),))], 10)
        assert isinstance(answer, SearchError) or answer.ids == ()

    @needs("fields")
    def test_term_in_a_field(self, engine: Backend) -> None:
        """If this fails, check that a term's field limits where it is searched."""
        assert set(ids_of(engine, "settee", Term("couch", field="title"))) == {"d02"}
        assert set(ids_of(engine, "settee", Term("couch", field="text"))) == {"d01"}

    @needs("phrases")
    def test_phrase(self, engine: Backend) -> None:
        """If this fails, check that match="phrase" wants the words next to each other and in order."""
        assert set(ids_of(engine, "settee", Term("reading lamp", match="phrase"))) == {"d08"}
        assert set(ids_of(engine, "settee", Term("lamp reading", match="phrase"))) == set()
        assert set(ids_of(engine, "settee", Term("lamp", match="phrase"))) == {"d07", "d08"}
        assert ids_of(engine, "lamp", Term("reading lamp", 2.0, match="phrase"))[0] == "d08"
        assert ids_of(engine, "lamp", Term("reading lamp", match="phrase", negate=True)) == ("d07",)

    @needs("filters")
    def test_filters(self, engine: Backend) -> None:
        """If this fails, check that strings are compared whole and as they are, and numbers as numbers."""
        words = "sofa couch shoes trainers jacket chair lamp table bottle mat cup"
        everything = {document.id: document.fields for document in DOCUMENTS}
        cases: list[tuple[Filter, Callable[[float, str], bool]]] = [
            (Filter("brand", "eq", "Nordhem"), lambda _, brand: brand == "Nordhem"),
            (Filter("brand", "eq", "nord"), lambda _, brand: brand == "nord"),
            (Filter("brand", "in", ("Lumo", "Peakline")), lambda _, brand: brand in ("Lumo", "Peakline")),
            (Filter("price", "lt", 39), lambda price, _: price < 39),
            (Filter("price", "lte", 39), lambda price, _: price <= 39),
            (Filter("price", "gt", 120), lambda price, _: price > 120),
            (Filter("price", "gte", 120), lambda price, _: price >= 120),
            (Filter("price", "eq", 89.5), lambda price, _: price == 89.5),
        ]
        for condition, holds in cases:
            expected = {id for id, fields in everything.items() if holds(float(fields["price"]), fields["brand"])}
            assert set(ids_of(engine, words, filters=(condition,))) == expected, condition
        both = (Filter("brand", "eq", "Nordhem"), Filter("price", "lt", 300))
        assert set(ids_of(engine, words, filters=both)) == {"d06"}

    @needs("filters")
    @pytest.mark.parametrize("match", ["widen", "rerank"])
    def test_filters_hold_for_expansions(self, open_backend: Callable[..., Backend], match: str) -> None:
        """If this fails, check that filters surround the original and the terms: no term may bring back what they exclude."""
        only = (Filter("brand", "eq", "Nordhem"),)
        with opened(open_backend, match=match) as backend:
            assert set(ids_of(backend, "couch", Term("lamp", 9.0), Term("trainers", 9.0), filters=only)) == {"d01"}
            rescued = ids_of(backend, "settee", Term("couch"), Term("lamp"), filters=only)
            assert set(rescued) == ({"d01"} if match == "widen" else set())
            assert set(ids_of(backend, "settee", filters=only)) == set()

    @needs("total")
    def test_total(self, engine: Backend) -> None:
        """If this fails, check that total counts all matches, not the hits returned, and says when it is a lower bound."""
        for text, matches in (("couch lamp", 4), ("settee", 0)):
            (answer,) = engine.search([ExpandedQuery("q", text)], 1, total=True)
            assert isinstance(answer, Ranking)
            assert answer.total == matches
            assert answer.total_exact

    @needs("analyze")
    def test_analyze(self, engine: Backend) -> None:
        """If this fails, check that analyze() gives the terms that searching compares, one list a text."""
        one, none, two = engine.analyze(["Leather SOFA", "", "sofa, leather"])
        assert len(one) == 2
        assert none == []
        assert one == two[::-1]

    @needs("doc_freq")
    def test_doc_freq(self, engine: Backend) -> None:
        """If this fails, check that doc_freq() counts documents, for terms as analyze() gives them."""
        terms = (
            [term for (term,) in engine.analyze(["lamp", "sofa", "settee"])] if "analyze" in engine.capabilities else []
        )
        assert engine.doc_freq(terms or ["lamp", "sofa", "settee"]) == [2, 1, 0]
