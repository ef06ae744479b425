"""Elasticsearch: indices it writes and opens, what it makes of documents, and that its scores repeat."""

from __future__ import annotations

import pytest
from elastic import made, opened
from leser_memory import MemoryBackend
from servers.server import Server

from leser.backend import ExpandedQuery, Filter, Ranking, Term
from leser.testing import DOCUMENTS


@pytest.mark.parametrize("options", [{}, {"match": "rerank", "fields": "title^3,text"}], ids=["joined", "fields"])
def test_it_ranks_as_the_engine_in_process(elasticsearch_8: Server, index: str, options: dict[str, object]) -> None:
    """Same analysis and BM25 settings: the same documents, and scores larger by the constant k1 + 1 of Elasticsearch's BM25."""
    theirs, ours = (
        opened(elasticsearch_8, index, **options),
        MemoryBackend.of(DOCUMENTS, analysis="standard", **options),
    )
    queries = [
        ExpandedQuery("1", "couch lamp mat", (Term("reading light", 0.5), Term("desk lamp", 2.0, match="all"))),
        ExpandedQuery("2", "lamp", (Term("reading lamp", 3.0, match="phrase"), Term("warm", 1.0, "text"))),
        ExpandedQuery("3", "seats trainers", (Term("light", negate=True),), (Filter("price", "lt", 200),)),
        ExpandedQuery(
            "4", "settee settee", (Term("sofa sofa couch", 0.3),), (Filter("brand", "in", ("Nordhem", "Sofaria")),)
        ),
        ExpandedQuery("5", "lamp lamp desk"),
    ]
    for query, one, other in zip(queries, theirs.search(queries, 20), ours.search(queries, 20), strict=True):
        assert isinstance(one, Ranking)
        assert isinstance(other, Ranking)
        expected = {hit.id: (1 + 0.9) * hit.score for hit in other.hits}
        assert {hit.id: hit.score for hit in one.hits} == pytest.approx(expected, rel=1e-5), query
    assert theirs.analyze(["Desk lamp's"]) == ours.analyze(["Desk lamp's"])


def test_check_tells_what_there_is(elasticsearch_9: Server) -> None:
    name = made(elasticsearch_9)
    facts = opened(elasticsearch_9, name).check()
    assert facts == {
        "server": f"Elasticsearch at {elasticsearch_9.url}",
        "version": elasticsearch_9.version,
        "index": name,
        "health": "green",
        "documents": 12,
        "fields": ["brand", "contents", "price", "text", "title"],
        "filters": ["brand", "price", "text", "title"],
        "searched": "contents^1",
    }
