"""Searches of a Solr backend, as the ids of their hits."""

from __future__ import annotations

from collections.abc import Callable

from leser_solr import SolrBackend

from leser.backend import Backend, ExpandedQuery, Filter, Ranking, SearchError, Term

Open = Callable[..., SolrBackend]


def ids(answer: Ranking | SearchError) -> tuple[str, ...]:
    assert isinstance(answer, Ranking), answer
    return answer.ids


def search(backend: Backend, text: str, *terms: Term, filters: tuple[Filter, ...] = ()) -> tuple[str, ...]:
    return ids(backend.search([ExpandedQuery("q", text, terms, filters)], 100)[0])
