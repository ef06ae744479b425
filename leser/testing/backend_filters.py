"""The part of BackendContract about filters, totals, and what the index says of its words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leser.backend import Backend, ExpandedQuery, Filter, SearchError, Term
from leser.contract.shapes import fault_in_analysis, fault_in_counts
from leser.testing.asking import (
    EVERYTHING,
    OpenBackend,
    answers_of,
    called,
    ids_of,
    needs,
    opened,
    ranked,
    ranking_of,
    scores_of,
)
from leser.testing.documents import DOCUMENTS

Holds = Callable[[float, str], bool]
STRINGS: tuple[tuple[Filter, Holds], ...] = (
    (Filter("brand", "eq", "Nordhem"), lambda _, brand: brand == "Nordhem"),
    (Filter("brand", "eq", "nordhem"), lambda *_: False),
    (Filter("brand", "eq", "Nord"), lambda *_: False),
    (Filter("brand", "in", ("Lumo", "Peakline")), lambda _, brand: brand in ("Lumo", "Peakline")),
    (Filter("brand", "in", ("Velocity",)), lambda _, brand: brand == "Velocity"),
    (Filter("brand", "in", ("Nobody", "Sofaria")), lambda _, brand: brand == "Sofaria"),
)
NUMBERS: tuple[tuple[Filter, Holds], ...] = (
    (Filter("price", "lt", 39), lambda price, _: price < 39),
    (Filter("price", "lte", 39), lambda price, _: price <= 39),
    (Filter("price", "gt", 120), lambda price, _: price > 120),
    (Filter("price", "gte", 120), lambda price, _: price >= 120),
    (Filter("price", "lt", 1000), lambda price, _: price < 1000),
    (Filter("price", "gt", 89.4), lambda price, _: price > 89.4),
    (Filter("price", "lt", 89.6), lambda price, _: price < 89.6),
    (Filter("price", "gte", 0), lambda *_: True),
    (Filter("price", "gt", -1.5), lambda *_: True),
    (Filter("price", "lt", 0), lambda *_: False),
    (Filter("price", "eq", 89.5), lambda price, _: price == 89.5),
    (Filter("price", "eq", 39), lambda price, _: price == 39),
    (Filter("price", "eq", 39.0), lambda price, _: price == 39),
    (Filter("price", "in", (12.0, 89.5, 7)), lambda price, _: price in (12, 89.5)),
)


def holders(*conditions: tuple[Filter, Holds]) -> set[str]:
    """Ids of the kit's documents that meet all conditions."""
    fields = {document.id: document.fields for document in DOCUMENTS}
    return {id for id, f in fields.items() if all(holds(float(f["price"]), f["brand"]) for _, holds in conditions)}


class FilterCases:
    """Tests of filters."""

    @needs("filters")
    def test_filters(self, engine: Backend) -> None:
        """If this fails, check that filters are sent, and strings compared whole and as they are: case, spaces, signs."""
        for condition, holds in STRINGS:
            assert set(ids_of(engine, EVERYTHING, filters=(condition,))) == holders((condition, holds)), condition

    @needs("filters")
    def test_filters_of_numbers(self, engine: Backend) -> None:
        """If this fails, check that numbers are compared as numbers (1299 is more than 39), and which ends a range includes."""
        for condition, holds in NUMBERS:
            assert set(ids_of(engine, EVERYTHING, filters=(condition,))) == holders((condition, holds)), condition

    @needs("filters")
    def test_several_filters(self, engine: Backend) -> None:
        """If this fails, check that all of a query's filters hold, those of one field as well."""
        nordhem, lumo = STRINGS[0], (Filter("brand", "eq", "Lumo"), lambda _, brand: brand == "Lumo")
        cheap, dear = (Filter("price", "lt", 300), lambda price, _: price < 300), NUMBERS[2]
        for chosen in ((nordhem, cheap), (cheap, nordhem), (dear, cheap), (cheap, dear), (dear, cheap, nordhem)):
            found = ids_of(engine, EVERYTHING, filters=tuple(condition for condition, _ in chosen))
            assert set(found) == holders(*chosen), [condition for condition, _ in chosen]
        assert ids_of(engine, EVERYTHING, filters=(nordhem[0], lumo[0])) == ()

    @needs("filters")
    def test_filters_before_the_cut(self, engine: Backend) -> None:
        """If this fails, check that filters are part of the search: the best k of what meets them, not what meets them of k."""
        plain = ids_of(engine, EVERYTHING)
        for brand in ("Nordhem", "Sofaria", "Velocity", "Peakline", "Lumo"):
            condition = Filter("brand", "eq", brand)
            deep = ids_of(engine, EVERYTHING, filters=(condition,))
            assert deep == tuple(id for id in plain if id in set(deep)), f"{brand}: a filter changes no order"
            for k in (1, 2):
                assert ids_of(engine, EVERYTHING, filters=(condition,), k=k) == deep[:k], f"{brand}, k={k}"

    @needs("filters")
    def test_filters_score_nothing(self, engine: Backend) -> None:
        """If this fails, check that a filter leaves the scores of what meets it as they are."""
        plain = scores_of(ranking_of(engine, "couch lamp"))
        held = scores_of(ranking_of(engine, "couch lamp", filters=(Filter("brand", "eq", "Lumo"),)))
        assert held == pytest.approx({id: plain[id] for id in ("d07", "d08")}, rel=1e-4)

    @needs("filters")
    def test_filters_stay_with_their_query(self, engine: Backend) -> None:
        """If this fails, check that each query of a batch has its own filters, and those without any have none."""
        brands = ("Nordhem", None, "Lumo", "Nobody", None)
        queries = [ExpandedQuery("q", "sofa lamp", (), (Filter("brand", "eq", b),) if b else ()) for b in brands]
        found = [set(ranked(answer).ids) for answer in answers_of(engine, queries)]
        assert found == [{"d01"}, {"d01", "d07", "d08"}, {"d07", "d08"}, set(), {"d01", "d07", "d08"}]

    @needs("filters")
    def test_filters_alone_find_nothing(self, engine: Backend) -> None:
        """If this fails, check that a filter beside a query that finds nothing doesn't become what is searched for."""
        for text in ("settee", ""):
            assert ids_of(engine, text, filters=(Filter("brand", "eq", "Nordhem"),)) == (), text

    @needs("filters", "term_weights")
    @pytest.mark.parametrize("match", ["widen", "rerank"])
    def test_filters_hold_for_expansions(self, open_backend: Callable[..., Backend], match: str) -> None:
        """If this fails, check that filters surround the original and the terms: no term may bring back what they exclude."""
        only = (Filter("brand", "eq", "Nordhem"),)
        with opened(open_backend, match=match) as backend:
            assert set(ids_of(backend, "couch", Term("lamp", 9.0), Term("trainers", 9.0), filters=only)) == {"d01"}
            rescued = ids_of(backend, "settee", Term("couch"), Term("lamp"), filters=only)
            assert set(rescued) == ({"d01"} if match == "widen" else set())
            assert ids_of(backend, "settee", filters=only) == ()
            assert ids_of(backend, "couch lamp chair", Term("lamp", 9.0), filters=only, k=1) in (("d01",), ("d06",))
            beside = ids_of(backend, "couch lamp chair", Term("chair", negate=True), filters=only)
            assert beside == ("d01",), "a negated term and a filter"

    @needs("filters")
    def test_filter_in_an_unknown_field(self, engine: Backend) -> None:
        """If this fails, check that a filter nobody can meet is not left out: it finds nothing, or is a SearchError."""
        for condition in (Filter("no_such_field", "eq", "x"), Filter("no_such_field", "lt", 5)):
            (answer,) = answers_of(engine, [ExpandedQuery("q", "sofa", (), (condition,))], len(DOCUMENTS))
            if isinstance(answer, SearchError):
                assert answer.kind != "transient", "no retry makes the field known: kind 'query'"
            else:
                assert answer.ids == (), condition


class TotalCases:
    """Tests of totals."""

    @needs("total")
    def test_total(self, engine: Backend) -> None:
        """If this fails, check that total counts all matches, not the hits returned, and says when it is a lower bound."""
        for text, matches in (("couch lamp", 4), ("settee", 0), ("sofa", 1), (EVERYTHING, len(DOCUMENTS))):
            for k in (1, 3, 100):
                _has_total(engine, ExpandedQuery("q", text), k, matches)

    @needs("total", "term_weights")
    @pytest.mark.parametrize("match", ["widen", "rerank"])
    def test_total_with_terms(self, open_backend: OpenBackend, match: str) -> None:
        """If this fails, check that total counts what the whole query matches: terms widen it, negated ones narrow it."""
        widen = match == "widen"
        with opened(open_backend, match=match) as engine:
            for k in (1, 100):
                _has_total(engine, ExpandedQuery("q", "lamp", (Term("couch"),)), k, 4 if widen else 2)
                _has_total(engine, ExpandedQuery("q", "settee", (Term("couch"),)), k, 2 if widen else 0)
                _has_total(engine, ExpandedQuery("q", "lamp sofa", (Term("clip", negate=True),)), k, 2)
                _has_total(engine, ExpandedQuery("q", "lamp", (Term("couch", 0.0),)), k, 2)

    @needs("total", "filters")
    def test_total_with_filters(self, engine: Backend) -> None:
        """If this fails, check that total counts only what meets the filters."""
        for brand in ("Nordhem", "Lumo", "Nobody"):
            query = ExpandedQuery("q", EVERYTHING, (), (Filter("brand", "eq", brand),))
            _has_total(engine, query, 1, sum(document.fields["brand"] == brand for document in DOCUMENTS))


class AnalysisCases:
    """Tests of what the index says of its words."""

    @needs("analyze")
    def test_analyze(self, engine: Backend) -> None:
        """If this fails, check that analyze() gives the terms that searching compares, one list per text."""
        texts = ["Leather SOFA", "", "sofa, leather", "lamp lamp", "?!"]
        analysed = called("analyze", lambda: engine.analyze(texts))
        fault = fault_in_analysis(analysed, len(texts))
        assert not fault, fault
        one, none, two, lamps, signs = analysed
        assert len(one) == 2
        assert none == signs == [], "a text without a word has no terms"
        assert one == two[::-1], "the same words give the same terms, in the text's order"
        assert len(set(lamps)) == 1
        assert called("analyze", lambda: engine.analyze([])) == []

    @needs("doc_freq")
    def test_doc_freq(self, engine: Backend) -> None:
        """If this fails, check that doc_freq() counts documents, for terms as analyze() gives them."""
        words = ["lamp", "sofa", "settee", "bottle", "trainers"]  # a bottle twice in one document
        terms = [term for (term,) in engine.analyze(words)] if "analyze" in engine.capabilities else words
        counts = called("doc_freq", lambda: engine.doc_freq(terms[:4]))
        fault = fault_in_counts(counts, 4)
        assert not fault, fault
        assert dict(zip(words, counts, strict=False)) == {"lamp": 2, "sofa": 1, "settee": 0, "bottle": 1}
        assert called("doc_freq", lambda: engine.doc_freq(terms[3::-1])) == counts[::-1], "in the terms' order"
        assert called("doc_freq", lambda: engine.doc_freq([])) == []

    @needs("doc_freq", "fields")
    def test_doc_freq_in_a_field(self, engine: Backend) -> None:
        """If this fails, check that doc_freq() counts documents that hold a term in the field that is named."""
        words = ["couch", "lamp"]
        terms = [term for (term,) in engine.analyze(words, "text")] if "analyze" in engine.capabilities else words
        assert called("doc_freq", lambda: engine.doc_freq(terms, "text")) == [1, 0], "in 'text'"
        assert called("doc_freq", lambda: engine.doc_freq(terms, "title")) == [1, 2], "in 'title'"


def _has_total(engine: Backend, query: ExpandedQuery, k: int, matches: int) -> None:
    found = ranked(answers_of(engine, [query], k, total=True)[0])
    assert found.total == matches, f"total of {query} with k={k}"
    assert found.total_exact, "twelve documents can be counted exactly"
