"""Elasticsearch: an index of the user's own, its analysis, ties, vectors and odd texts."""

from __future__ import annotations

import sys
from pathlib import Path
from uuid import uuid4

import pytest
from elastic import made, opened
from elastic_ranked import SOFA, ranking
from elasticsearch import Elasticsearch
from servers.proxy import Proxy
from servers.server import Server

from leser.backend import Document, ExpandedQuery, Filter, Ranking, SearchError, Term
from leser.errors import LeserError
from leser.testing.documents import HOSTILE


def test_an_index_of_the_users_own(elasticsearch_8: Server, cluster: Elasticsearch) -> None:
    """Numbers, dates, lists and objects that she mapped herself; two indices behind an alias with a filter."""
    properties = {
        "name": {"type": "text"},
        "price": {"type": "integer"},
        "since": {"type": "date"},
        "tags": {"type": "keyword"},
        "maker": {"properties": {"name": {"type": "text", "fields": {"raw": {"type": "keyword"}}}}},
        "in_stock": {"type": "boolean"},
    }
    alias = "own-shop"
    for part, shoes in (("own-1", "red shoes"), ("own-2", "blue shoes")):
        cluster.options(ignore_status=404).indices.delete(index=part)
        cluster.indices.create(index=part, mappings={"properties": properties})
        for stock in (True, False):
            row = {
                "name": shoes,
                "price": 30,
                "since": "2024-05-01",
                "tags": ["a", "b"],
                "maker": {"name": "Acme"},
                "in_stock": stock,
            }
            cluster.index(index=part, id=f"{part}-{stock}", document=row, refresh=True)
        cluster.indices.put_alias(index=part, name=alias, filter={"term": {"in_stock": True}})
    backend = opened(elasticsearch_8, alias, fields="name,maker.name")
    assert backend.check()["documents"] == 2
    assert backend.check()["filters"] == ["in_stock", "maker.name", "price", "since", "tags"]
    assert backend.analyze(["Red SHOES"]) == [["red", "shoes"]]
    assert backend.doc_freq(["shoes", "red"]) == [2, 1], "of what the alias lets through"
    both = {"own-1-True", "own-2-True"}
    for condition in (
        Filter("price", "eq", 30),
        Filter("price", "in", ("30", 31)),
        Filter("since", "gte", "2024-01-01"),
        Filter("tags", "eq", "b"),
        Filter("maker.name", "eq", "Acme"),
        Filter("in_stock", "eq", "true"),
    ):
        assert set(ranking(backend, ExpandedQuery("q", "shoes", filters=(condition,))).ids) == both, condition
    assert ranking(backend, ExpandedQuery("q", "shoes", filters=(Filter("price", "lt", 30),))).ids == ()
    found = backend.fetch(["own-1-True", "own-2-False"], ["name", "price", "tags", "maker.name", "maker", "in_stock"])
    assert found == {
        "own-1-True": Document(
            "own-1-True",
            {
                "name": "red shoes",
                "price": "30",
                "tags": "a b",
                "maker.name": "Acme",
                "maker": '{"name": "Acme"}',
                "in_stock": "true",
            },
        )
    }
    refusals = backend.search(
        [
            ExpandedQuery("q", "a", filters=(Filter("prize", "eq", 1),)),
            ExpandedQuery("q", "a", (Term("b", field="nam"),)),
        ],
        3,
    )
    assert refusals == [
        SearchError("No field 'prize' to filter by. Available: in_stock, maker.name, price, since, tags.", "query"),
        SearchError("No field 'nam' to search. Available: in_stock, maker.name, name, tags.", "query"),
    ]


def test_one_id_in_several_indices(elasticsearch_8: Server, cluster: Elasticsearch) -> None:
    """To LESER an id is a document: its best place counts, and no copy takes the place of another id's document."""
    twice = [Document(str(n), {"title": "sofa " * (1 + n % 3), "text": f"first {n}"}) for n in range(30)]
    again = [Document(d.id, {"title": "sofa", "text": f"second {d.id}"}) for d in twice]
    alone = [Document("30", {"title": "lamp", "text": "own"})]
    first, second, third = (made(elasticsearch_8, part) for part in (twice, again, alone))
    assert "warnings" not in opened(elasticsearch_8, f"{first},{third}").check()
    name = f"{first},{second},{third}"
    backend = opened(elasticsearch_8, name)
    raw = cluster.search(index=name, query={"match": {"contents": "sofa"}}, size=100)["hits"]["hits"]
    assert len(raw) == 60
    found = ranking(backend, SOFA[0])
    best = {id: max(hit["_score"] for hit in raw if hit["_id"] == id) for id in (str(n) for n in range(30))}
    assert {hit.id: hit.score for hit in found.hits} == pytest.approx(best)
    assert len(found.hits) == 30
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)
    fetched = backend.fetch([str(n) for n in range(31)], ["text"])
    assert set(fetched) == {str(n) for n in range(31)}
    assert fetched["30"].fields["text"] == "own"
    assert len({document.fields["text"].split()[0] for id, document in fetched.items() if id != "30"}) == 1
    (warning,) = backend.check()["warnings"]
    assert warning.startswith("30 of 31 ids looked at (e.g. '0') stand for several documents")


def test_analysis_of_many_texts_is_that_of_each(elasticsearch_8: Server) -> None:
    index = made(elasticsearch_8, stopwords="_english_")
    together, alone = opened(elasticsearch_8, index), opened(elasticsearch_8, index)
    texts = [
        *HOSTILE,
        "",
        "Desk lamp.  \n\t",
        "the",
        "e\u0301te 🇩🇪 x",
        "\ud800 lone",
        "wi-fi 9.5 İzmir",
        "of a",
        "🛋️ couch 🔥",
        "x",
    ]
    expected = [alone.analyze([text])[0] for text in texts]
    assert together.analyze(texts) == expected
    assert together.analyze(texts[::-1]) == expected[::-1]
    assert expected[texts.index("the")] == []
    assert expected[texts.index("🛋️ couch 🔥")][1] == "couch"


def test_texts_are_analysed_as_queries_are(elasticsearch_8: Server, cluster: Elasticsearch) -> None:
    """Fields of every way to name a search analyzer; _analyze with the field alone reads texts as documents."""
    analyzers = {"default_search": {"type": "standard", "max_token_length": 3}}
    inner = {"type": "text", "analyzer": "whitespace", "search_analyzer": "simple"}
    properties = {
        "title": {**inner, "fields": {"whole": {"type": "text", "analyzer": "whitespace"}, "plain": {"type": "text"}}},
        "maker": {"properties": {"name": inner}},
        "heading": {"type": "alias", "path": "title"},
        "sku": {"type": "keyword"},
    }
    name = f"test-{uuid4().hex}"
    cluster.indices.create(
        index=name, settings={"analysis": {"analyzer": analyzers}}, mappings={"properties": properties}
    )
    cluster.index(index=name, id="a", document={"title": "sofa Bed"}, refresh=True)
    backend = opened(elasticsearch_8, name, fields="title")
    for field in (None, "title", "maker.name", "heading"):
        assert backend.analyze(["Sofa Bed", "x", "9 oak"], field) == [["sofa", "bed"], ["x"], ["oak"]], field
    assert backend.analyze(["Sofa"], "title.whole") == [["Sofa"]]
    assert backend.analyze(["Sofa Bed", "x"], "title.plain") == [["sof", "a", "bed"], ["x"]]
    assert backend.analyze(["Sofa Bed"], "sku") == [["Sofa Bed"]]
    assert backend.doc_freq(backend.analyze(["SOFA"])[0]) == [1]


def test_a_text_too_long_for_one_request_is_analysed_in_parts(elasticsearch_8: Server, index: str) -> None:
    words = [f"w{number}" for number in range(12_000)]
    assert opened(elasticsearch_8, index).analyze([" ".join(words), "sofa"]) == [words, ["sofa"]]


def test_short_texts_are_analysed_once(elasticsearch_8: Server, index: str) -> None:
    with Proxy(elasticsearch_8) as proxy:
        backend = opened(proxy.url, index)
        first = backend.analyze(["Leather sofa", "couch"])
        asked = proxy.counts["requests"]
        assert backend.analyze(["couch", "Leather sofa", "couch"]) == [first[1], first[0], first[1]]
        assert proxy.counts["requests"] == asked
        backend.close()


def test_scores_do_not_depend_on_shards_with_dfs(elasticsearch_8: Server, index: str) -> None:
    spread = made(elasticsearch_8, shards=4)
    query = ExpandedQuery("q", "couch lamp mat wood", (Term("light"),))
    expected = {hit.id: hit.score for hit in ranking(opened(elasticsearch_8, index), query).hits}
    counted = ranking(opened(elasticsearch_8, spread, search_type="dfs_query_then_fetch"), query)
    assert {hit.id: hit.score for hit in counted.hits} == pytest.approx(expected, rel=1e-5)
    local = ranking(opened(elasticsearch_8, spread), query)
    assert {hit.id: hit.score for hit in local.hits} != pytest.approx(expected, rel=1e-5)


def test_ties_are_broken_by_the_field_that_is_named(elasticsearch_8: Server) -> None:
    same = [Document(f"n{n:02}", {"title": "sofa", "sku": f"{(7 * n) % 20:02}"}) for n in range(20)]
    name = made(elasticsearch_8, same, shards=2)
    backend = opened(elasticsearch_8, name, ties="sku.keyword", search_type="dfs_query_then_fetch")
    found = ranking(backend, SOFA[0], 7)
    assert found.ids == tuple(sorted((d.id for d in same), key=lambda id: (7 * int(id[1:])) % 20)[:7])
    assert len({hit.score for hit in found.hits}) == 1
    assert (
        found.hits[0].score
        == ranking(opened(elasticsearch_8, name, search_type="dfs_query_then_fetch"), SOFA[0]).hits[0].score
    )


def test_a_vector_beside_the_words(
    elasticsearch_8: Server, cluster: Elasticsearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "toy_vectors.py").write_text(
        "def embed(texts):\n    return [(1.0, 0.1) if 'settee' in text or 'sofa' in text else (0.1, 1.0) for text in texts]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "toy_vectors", raising=False)
    name = "with-vectors"
    cluster.options(ignore_status=404).indices.delete(index=name)
    vector = {"type": "dense_vector", "dims": 2, "index": True, "similarity": "cosine"}
    cluster.indices.create(
        index=name, mappings={"properties": {"contents": {"type": "text"}, "shop": {"type": "keyword"}, "v": vector}}
    )
    for id, text, shop, v in (
        ("a", "couch", "here", [1, 0]),
        ("b", "lamp", "here", [0, 1]),
        ("c", "couch", "there", [0.9, 0]),
    ):
        cluster.index(index=name, id=id, document={"contents": text, "shop": shop, "v": v}, refresh=True)
    options = {"vector_field": "v", "vector_function": "toy_vectors:embed", "vector_candidates": 1}
    backend = opened(elasticsearch_8, name, **options)
    backend.check()
    settee = ExpandedQuery("q", "settee")
    assert ranking(opened(elasticsearch_8, name), settee).ids == ()
    assert ranking(backend, settee).ids in {("a",), ("c",)}
    here = ExpandedQuery("q", "settee", filters=(Filter("shop", "eq", "there"),))
    assert ranking(backend, here).ids == ("c",), "the filter is applied before the nearest are chosen"
    assert ranking(opened(elasticsearch_8, name, match="rerank", **options), settee).ids == ()
    heavy = opened(elasticsearch_8, name, vector_weight=50.0, **options)
    assert set(ranking(heavy, ExpandedQuery("q", "lamp sofa")).ids) >= {"b"}
    assert ranking(heavy, ExpandedQuery("q", "lamp sofa")).ids[0] in ("a", "c")
    with pytest.raises(LeserError, match=r"vector_function .* toy_vectors:none cannot be loaded"):
        opened(elasticsearch_8, name, **{**options, "vector_function": "toy_vectors:none"}).check()
    with pytest.raises(LeserError, match="Unknown field 'w' of the index 'with-vectors'"):
        opened(elasticsearch_8, name, **{**options, "vector_field": "w"}).check()


def test_half_a_character_spoils_no_batch(elasticsearch_8: Server, index: str) -> None:
    bad = ExpandedQuery(
        "q", "lamp \ud83d", (Term("\udc00 couch"), Term("x", negate=True)), (Filter("brand", "eq", "Lumo"),)
    )
    answers = opened(elasticsearch_8, index).search([SOFA[0], bad, SOFA[0]], 10)
    assert [set(answer.ids) for answer in answers if isinstance(answer, Ranking)] == [{"d01"}, {"d07", "d08"}, {"d01"}]


def test_opened_again_after_close(elasticsearch_8: Server, index: str) -> None:
    backend = opened(elasticsearch_8, index)
    first = backend.fingerprint()
    backend.close()
    assert ranking(backend, SOFA[0]).ids == ("d01",)
    assert backend.fingerprint() == first
    backend.close()
