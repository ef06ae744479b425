"""Backends with one fault each in filters and totals (see planted_faults.py)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from leser_memory import MemoryBackend
from planted_faults import Planted, fault

from leser.backend import ExpandedQuery, Filter, Ranking, SearchError


class Conditions(Planted):
    """Changes the filters."""

    def filters(self, filters: tuple[Filter, ...]) -> Iterable[Filter]:
        return filters

    def changed(self, query: ExpandedQuery) -> ExpandedQuery:
        return replace(query, filters=tuple(self.filters(query.filters)))


@fault("test_filters", "filters", "not meet")
class FiltersIgnored(Conditions):
    def filters(self, filters: Any) -> Any:
        return ()


@fault("test_several_filters")
class FirstFilterOnly(Conditions):
    def filters(self, filters: Any) -> Any:
        return filters[:1]


@fault("test_several_filters")
class OneFilterAField(Conditions):
    def filters(self, filters: Any) -> Any:
        return {condition.field: condition for condition in filters}.values()


@fault("test_filters_of_numbers", "filters", "lt")
class RangesTakeTheirEnds(Conditions):
    def filters(self, filters: Any) -> Any:
        return [replace(f, op={"lt": "lte", "gt": "gte"}.get(f.op, f.op)) for f in filters]


@fault("test_filters_of_numbers", "filters", "lte")
class RangesLoseTheirEnds(Conditions):
    def filters(self, filters: Any) -> Any:
        return [replace(f, op={"lte": "lt", "gte": "gt"}.get(f.op, f.op)) for f in filters]


@fault("test_filters_of_numbers", "filters", "")
class NumbersAsText(Conditions):
    def filters(self, filters: Any) -> Any:
        return [f if isinstance(f.value, tuple) else replace(f, value=str(f.value)) for f in filters]


@fault("test_filters")
class FiltersLoseCase(Planted):
    def changed(self, query: ExpandedQuery) -> ExpandedQuery:
        stored = {d.fields["brand"].lower(): d.fields["brand"] for d in self._open()[0].documents.values()}
        return replace(
            query,
            filters=tuple(
                replace(f, value=stored.get(f.value.lower(), f.value)) if isinstance(f.value, str) else f
                for f in query.filters
            ),
        )


@fault("test_filters_before_the_cut", "cut", "filters")
class FiltersAfterTheCut(Planted):
    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        if not query.filters or isinstance(answer, SearchError):
            return answer
        (best,) = MemoryBackend.search(self, [replace(query, filters=())], k)
        return replace(answer, hits=tuple(hit for hit in answer.hits if hit.id in best.ids))


@fault("test_filter_in_an_unknown_field", "filters", "no_such_field")
class UnknownFiltersLeftOut(Conditions):
    def filters(self, filters: Any) -> Any:
        return [condition for condition in filters if condition.field in self._open()[0].fields]


@fault("test_total_can_be_asked_for", "totals", "")
class TotalOfTheHits(Planted):
    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        return replace(answer, total=len(answer.hits)) if isinstance(answer, Ranking) else answer


@fault("test_total_with_terms", "totals", "terms")
class TotalOfTheOriginal(Planted):
    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        (plain,) = MemoryBackend.search(self, [replace(query, terms=())], k, total=True)
        wrong = plain.total if query.terms and isinstance(answer, Ranking) and answer.total is not None else None
        return answer if wrong is None else replace(answer, total=max(wrong, len(answer.hits)))


@fault("test_total_with_filters", "totals", "filters")
class TotalWithoutFilters(Planted):
    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        if not isinstance(answer, Ranking) or answer.total is None:
            return answer
        (plain,) = MemoryBackend.search(self, [replace(query, filters=())], k, total=True)
        return replace(answer, total=plain.total)


@fault("test_total", "totals", "")
class TotalUpToFive(Planted):
    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        if not isinstance(answer, Ranking) or answer.total is None:
            return answer
        return replace(answer, total=max(len(answer.hits), min(5, answer.total)))


@fault("test_total", "totals", "None")
class NoTotal(Planted):
    def answered(self, query: ExpandedQuery, answer: Any, k: int) -> Any:
        return replace(answer, total=None) if isinstance(answer, Ranking) else answer
