"""Searches of a Solr backend, as the ids of their hits, and what is said where they fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from leser_solr import SolrBackend

from leser.backend import Backend, ExpandedQuery, Filter, Ranking, SearchError, Term
from leser.errors import LeserError

Open = Callable[..., SolrBackend]
SOFA = ExpandedQuery("q", "sofa")


def ids(answer: Ranking | SearchError) -> tuple[str, ...]:
    assert isinstance(answer, Ranking), answer
    return answer.ids


def search(backend: Backend, text: str, *terms: Term, filters: tuple[Filter, ...] = ()) -> tuple[str, ...]:
    return ids(backend.search([ExpandedQuery("q", text, terms, filters)], 100)[0])


def failure(backend: SolrBackend, query: ExpandedQuery = SOFA) -> SearchError:
    (answer,) = backend.search([query], 10)
    assert isinstance(answer, SearchError), answer
    return answer


def trouble(call: Callable[[], object]) -> str:
    with pytest.raises(LeserError) as caught:
        call()
    return str(caught.value)
