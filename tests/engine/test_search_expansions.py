"""Expansions applied: boosted clauses, fused rankings, each phrase alone; and an engine without term weights."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import ClassVar

import pytest
from leser_memory import MemoryBackend
from search_faults import Answers, Faulty, found, queries

from leser.backend import Document, ExpandedQuery, Filter, Ranking, SearchError, Term
from leser.engine import SearchClient, SearchOptions, reciprocal_rank_fusion
from leser.errors import LeserError
from leser.expansion import Expansion, ExpansionOptions
from leser.testing import DOCUMENTS


@pytest.fixture
def memory() -> MemoryBackend:
    return MemoryBackend.of(DOCUMENTS)


class Unweighted(MemoryBackend):
    """An engine without term weights."""

    name = "unweighted"
    capabilities: ClassVar = frozenset({"analyze"})


def test_without_term_weights_clauses_are_refused_or_fused_never_left_out() -> None:
    client = SearchClient(Unweighted.of(DOCUMENTS))
    asked = ExpandedQuery("q", "settee", (Term("couch", 2.0), Term("lamp")))
    (refused,) = client.search([asked], 10)
    assert isinstance(refused, SearchError)
    assert "unweighted" in refused.message
    (fused,) = client.search_terms([asked], 10)
    (plain,) = client.search_terms([ExpandedQuery("q", "settee")], 10)
    assert isinstance(fused, Ranking)
    assert isinstance(plain, Ranking)
    assert set(fused.ids) == {"d01", "d02", "d07", "d08"}
    assert set(fused.ids[:2]) == {"d01", "d02"}
    assert plain.ids == ()


def test_chunks_go_out_together_and_come_back_in_order() -> None:
    both = threading.Barrier(2, timeout=10)

    def answer(asked: Sequence[ExpandedQuery], _: int) -> Answers:
        both.wait()
        return [found(query.text) for query in asked]

    client = SearchClient(Faulty(answer), SearchOptions(concurrency=2))
    texts = [str(n) for n in range(6)]
    assert [r.ids[0] for r in client.search(queries(*texts), 1) if isinstance(r, Ranking)] == texts


def test_boost_is_one_search_with_weighted_terms(memory: MemoryBackend) -> None:
    engine = Faulty(lambda asked, _: [found("a") for _ in asked])
    original = ExpandedQuery("1", "settee", filters=(Filter("brand", "eq", "Nordhem"),))
    expansions = (Expansion("couch"), Expansion("leather sofa", 2.0))
    SearchClient(engine).search_expansions([(original, expansions)], 10, options=ExpansionOptions(weight=0.5))
    (sent,) = engine.calls
    assert sent == [ExpandedQuery("1", "settee", (Term("couch", 0.5), Term("leather sofa", 1.0)), original.filters)]
    (result,) = SearchClient(memory).search_expansions([(original, expansions)], 10, options=ExpansionOptions())
    assert isinstance(result.ranking, Ranking)
    assert result.ranking.ids == ("d01",)
    assert result.per_expansion is None


@pytest.mark.parametrize("mode", ["boost", "fuse"])
def test_no_expansions_is_the_plain_original(memory: MemoryBackend, mode: str) -> None:
    client = SearchClient(memory)
    original = ExpandedQuery("1", "lamp light")
    (result,) = client.search_expansions(
        [(original, ())], 10, options=ExpansionOptions.model_validate({"mode": mode}), total=True, per_expansion=True
    )
    assert result.ranking == client.search([original], 10, total=True)[0]
    assert result.per_expansion == ()


@pytest.mark.parametrize("mode", ["boost", "fuse"])
def test_per_expansion_searches_each_phrase_alone(memory: MemoryBackend, mode: str) -> None:
    client = SearchClient(memory)
    requests = [
        (ExpandedQuery("1", "settee"), (Expansion("couch"), Expansion("lamp"))),
        (ExpandedQuery("2", "mat"), (Expansion("couch"),)),
    ]
    options = ExpansionOptions.model_validate({"mode": mode})
    results = client.search_expansions(requests, 10, options=options, per_expansion=True)
    alone = client.search(queries("couch", "lamp"), 10)
    assert [result.per_expansion for result in results] == [tuple(alone), (alone[0],)]


def test_fuse_merges_by_hand_worked_numbers(memory: MemoryBackend) -> None:
    merged = reciprocal_rank_fusion([found("a", "b"), found("b", "c")], [1.0, 0.5], 10)
    assert merged.ids == ("b", "a", "c")
    assert [hit.score for hit in merged.hits] == pytest.approx([1 / 62 + 0.5 / 61, 1 / 61, 0.5 / 62])
    client = SearchClient(memory)
    requests = [(ExpandedQuery("1", "settee"), (Expansion("couch"), Expansion("lamp", 2.0)))]
    (result,) = client.search_expansions(requests, 3, options=ExpansionOptions(mode="fuse"), total=True)
    assert isinstance(result.ranking, Ranking)
    assert len(result.ranking.ids) == 3
    assert set(result.ranking.ids[:2]) == {"d07", "d08"}
    assert result.ranking.total == 4
    assert not result.ranking.total_exact


def test_fuse_keeps_rerank_to_what_the_original_matches() -> None:
    client = SearchClient(MemoryBackend.of(DOCUMENTS, match="rerank"))
    requests = [(ExpandedQuery("1", "lamp"), (Expansion("couch"), Expansion("clip", 4.0)))]
    (result,) = client.search_expansions(requests, 10, options=ExpansionOptions(mode="fuse"))
    assert isinstance(result.ranking, Ranking)
    assert result.ranking.ids == ("d08", "d07")


def test_a_failed_list_fails_its_fusion_only() -> None:
    engine = Faulty(lambda asked, _: [SearchError("no", "query") if q.text == "bad" else found(q.text) for q in asked])
    results = SearchClient(engine).search_expansions(
        [(ExpandedQuery("1", "a"), (Expansion("bad"),)), (ExpandedQuery("2", "b"), (Expansion("c"),))],
        10,
        options=ExpansionOptions(mode="fuse"),
    )
    assert results[0].ranking == SearchError("no", "query")
    assert isinstance(results[1].ranking, Ranking)


def test_boost_without_term_weights_names_fuse() -> None:
    class Plain(MemoryBackend):
        name = "plain"
        capabilities: ClassVar = frozenset({"total"})

    client = SearchClient(Plain.of(DOCUMENTS))
    with pytest.raises(LeserError, match=r"'plain' has no term weights.*-o expansion.mode=fuse"):
        client.search_expansions([], 10, options=ExpansionOptions(mode="boost"))
    client.check_mode(ExpansionOptions(mode="fuse"))


def test_documents_are_fetched_once(memory: MemoryBackend) -> None:
    client = SearchClient(memory)
    first = client.fetch(["d01", "nowhere", "d01"], ["title"])
    assert first == {"d01": Document("d01", {"title": "Leather sofa"})}
    assert client.fetch(["nowhere", "d01"], ["title"]) == first
    assert client.stats().fetched == 2
    assert client.fetch(["d01"], ["brand"])["d01"].fields == {"brand": "Nordhem"}
