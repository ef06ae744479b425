"""A search of an Elasticsearch backend that must be answered with a ranking."""

from __future__ import annotations

from leser.backend import ExpandedQuery, Ranking

SOFA = [ExpandedQuery("q", "sofa")]


def ranking(backend: object, query: ExpandedQuery, k: int = 100) -> Ranking:
    (answer,) = backend.search([query], k)  # type: ignore[attr-defined]
    assert isinstance(answer, Ranking), answer
    return answer
