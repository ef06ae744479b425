"""Elasticsearch: indices it writes and opens, what it makes of documents, and that its scores repeat."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from elastic import made, opened
from elasticsearch import Elasticsearch
from leser_memory import MemoryBackend
from servers.proxy import Proxy
from servers.server import Server

from leser.backend import Document, ExpandedQuery, Filter, Ranking, SearchError, Term
from leser.errors import LeserError
from leser.testing import DOCUMENTS
from leser.testing.documents import HOSTILE

SOFA = [ExpandedQuery("q", "sofa")]


@pytest.fixture(scope="module")
def index(elasticsearch_8: Server) -> str:
    return made(elasticsearch_8)


@pytest.fixture(scope="module")
def cluster(elasticsearch_8: Server) -> Iterator[Elasticsearch]:
    with Elasticsearch(elasticsearch_8.url) as client:
        yield client


def ranking(backend: object, query: ExpandedQuery, k: int = 100) -> Ranking:
    (answer,) = backend.search([query], k)  # type: ignore[attr-defined]
    assert isinstance(answer, Ranking), answer
    return answer


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


def test_an_index_is_never_overwritten_unasked(elasticsearch_8: Server) -> None:
    name = made(elasticsearch_8, DOCUMENTS[:1])
    first = opened(elasticsearch_8, name, analysis="standard")
    before = first.fingerprint()
    with pytest.raises(LeserError, match=r"There is an index .* -o existing=recreate .* existing=append"):
        first.index(DOCUMENTS[1:3])
    appending = opened(elasticsearch_8, name, analysis="standard", existing="append")
    assert appending.index(DOCUMENTS[1:3]) == 2
    assert appending.check()["documents"] == 3
    assert appending.fingerprint().split()[-1] != before.split()[-1]
    recreating = opened(elasticsearch_8, name, analysis="standard", existing="recreate")
    assert recreating.index(DOCUMENTS[1:3]) == 2
    assert recreating.check()["documents"] == 2


def test_appending_keeps_what_others_noted_in_the_mapping(elasticsearch_8: Server, cluster: Elasticsearch) -> None:
    name = made(elasticsearch_8, DOCUMENTS[:1])
    cluster.indices.put_mapping(index=name, meta={"owner": "us"})
    opened(elasticsearch_8, name, existing="append").index(DOCUMENTS[1:2])
    meta = cluster.indices.get(index=name)[name]["mappings"]["_meta"]
    assert meta == {"owner": "us"}


def test_a_failed_append_leaves_the_index_as_usable_as_it_was(elasticsearch_8: Server, cluster: Elasticsearch) -> None:
    """The index is hers: no mark that shuts it, and no advice that deletes what it held."""

    def broken() -> Iterator[Document]:
        yield DOCUMENTS[2]
        raise RuntimeError("disk on fire")

    theirs = f"theirs-{uuid4().hex}"
    cluster.indices.create(index=theirs, mappings={"_meta": {"owner": "us"}})
    cluster.index(index=theirs, id="own", document={"contents": "sofa"}, refresh=True)
    ours = made(elasticsearch_8, DOCUMENTS[:1])
    for name, meta in ((theirs, {"owner": "us"}), (ours, {"leser": {"complete": True}})):
        appending = opened(elasticsearch_8, name, existing="append")
        with pytest.raises(LeserError) as caught:
            appending.index([DOCUMENTS[1], Document("meta", {"_id": "a reserved name"})])
        said = str(caught.value)
        assert f"refused 1 of 2 documents; the other 1 are in the index '{name}'" in said
        assert "recreate" not in said
        with pytest.raises(RuntimeError, match="disk on fire"):
            appending.index(broken())
        assert cluster.indices.get(index=name)[name]["mappings"]["_meta"] == meta
        cluster.indices.refresh(index=name)
        assert appending.check()["documents"] == 2
        assert appending.index(DOCUMENTS[1:3]) == 2
        assert cluster.indices.get(index=name)[name]["mappings"]["_meta"] == meta
    cluster.indices.delete(index=theirs)


def test_an_unfinished_index_is_not_added_to(elasticsearch_8: Server, cluster: Elasticsearch) -> None:
    name = made(elasticsearch_8, DOCUMENTS[:1])
    cluster.indices.put_mapping(index=name, meta={"leser": {"complete": False}})
    with pytest.raises(LeserError, match=r"not filled to the end .* nothing is added to it") as caught:
        opened(elasticsearch_8, name, existing="append").index(DOCUMENTS[1:3])
    assert "recreate" not in str(caught.value)
    cluster.indices.refresh(index=name)
    assert cluster.count(index=name)["count"] == 1


@pytest.mark.parametrize("existing", ["append", "recreate", "refuse"])
def test_only_one_index_is_written_to(elasticsearch_8: Server, cluster: Elasticsearch, existing: str) -> None:
    """A name that stands for several indices is refused before anything is written, in whatever mode."""
    first, second = made(elasticsearch_8, DOCUMENTS[:1]), made(elasticsearch_8, DOCUMENTS[1:2])
    alias = f"{first}-both"
    for name in (first, second):
        cluster.indices.put_alias(index=name, name=alias)
    before = cluster.indices.get(index=alias).body
    with pytest.raises(LeserError, match=f"'{alias}' at .* stands for 2 indices"):
        opened(elasticsearch_8, alias, existing=existing).index(DOCUMENTS)
    for pattern in ("_all", f"{first}*", f"{first},{second}", f"<{first}>", f"-{first}"):
        with pytest.raises(LeserError, match=r"is the pattern .* needs the name of one index"):
            opened(elasticsearch_8, pattern, existing=existing).index(DOCUMENTS)
    assert cluster.indices.get(index=alias).body == before
    cluster.indices.refresh(index=alias)
    assert cluster.count(index=alias)["count"] == 2
    cluster.indices.delete_alias(index=second, name=alias)
    if existing == "append":
        assert opened(elasticsearch_8, alias, existing=existing).index(DOCUMENTS[1:2]) == 1


def test_an_alias_or_a_pattern_is_not_replaced(elasticsearch_8: Server, cluster: Elasticsearch) -> None:
    name = made(elasticsearch_8)
    cluster.indices.put_alias(index=name, name=f"{name}-alias")
    with pytest.raises(LeserError, match=f"is an alias of {name}: name the index itself"):
        opened(elasticsearch_8, f"{name}-alias", existing="recreate").index(DOCUMENTS)
    with pytest.raises(LeserError, match="is the pattern 'test-\\*'"):
        opened(elasticsearch_8, "test-*").index(DOCUMENTS)


def test_a_document_that_is_refused_fails_the_whole(elasticsearch_8: Server) -> None:
    bad = [Document("x" * 600, {"title": "an id too long"}), Document("meta", {"_id": "a reserved name"})]
    backend = opened(elasticsearch_8, "refusing", analysis="standard", existing="recreate")
    with pytest.raises(LeserError) as caught:
        backend.index([DOCUMENTS[0], bad[0], DOCUMENTS[1], *[bad[1]] * 9])
    said = str(caught.value)
    assert said.startswith("Elasticsearch refused 10 of 12 documents; the index 'refusing' is not whole")
    assert f"\n  {'x' * 50!r}: an id has 1 to 512 bytes" in said
    assert said.count("\n  meta: ") == 4, "the first five, with their reasons"
    with pytest.raises(LeserError, match=r"was not filled to the end. Build it again with: .* -o existing=recreate$"):
        backend.check()


def test_an_index_that_fails_midway_is_not_taken_for_a_whole_one(elasticsearch_8: Server) -> None:
    def broken() -> Iterator[Document]:
        yield from (Document(str(n), {"title": "x"}) for n in range(1500))
        raise RuntimeError("disk on fire")

    backend = opened(elasticsearch_8, "broken", analysis="standard", existing="recreate")
    with pytest.raises(RuntimeError, match="disk on fire"):
        backend.index(broken())
    with pytest.raises(LeserError, match="was not filled to the end"):
        backend.search(SOFA, 1)
    assert backend.index(DOCUMENTS) == 12
    assert ranking(backend, SOFA[0]).ids == ("d01",)


def test_a_busy_server_is_asked_again_while_indexing(elasticsearch_8: Server) -> None:
    with Proxy(elasticsearch_8) as proxy:
        proxy.throttle(times=2, path="_bulk")
        proxy.status(503, times=1, path="_refresh")
        backend = opened(proxy.url, "busy", analysis="standard", existing="recreate")
        assert backend.index(DOCUMENTS) == 12
        assert backend.check()["documents"] == 12
        assert (proxy.counts["throttle"], proxy.counts["status"]) == (2, 1)
        backend.close()


def test_an_analyzer_that_the_server_lacks(elasticsearch_8: Server) -> None:
    with pytest.raises(LeserError, match=r"does not make the index 'greek'.*-o analysis=NAME \(now klingon\)"):
        opened(elasticsearch_8, "greek", analysis="klingon").index(DOCUMENTS)


def test_fields_that_come_late_are_mapped_alike(elasticsearch_8: Server) -> None:
    documents = [Document(str(n), {"title": "sofa"}) for n in range(1200)]
    documents += [
        Document("late", {"title": "couch", "size.cm": "80", "size": "80 cm", "empty": "", "long": "x" * 300})
    ]
    name = made(elasticsearch_8, documents)
    backend = opened(elasticsearch_8, name)
    for condition in (Filter("size.cm", "gte", 80), Filter("size", "eq", "80 cm"), Filter("size.cm", "eq", "80")):
        assert ranking(backend, ExpandedQuery("q", "couch", filters=(condition,))).ids == ("late",)
    for condition in (Filter("size", "gte", 80), Filter("long", "eq", "x" * 300), Filter("size.cm", "in", ())):
        assert ranking(backend, ExpandedQuery("q", "couch", filters=(condition,))).ids == ()
    fetched = backend.fetch(["late"], ["size.cm", "size", "empty", "contents", "none"])["late"]
    assert fetched.fields == {"size.cm": "80", "size": "80 cm", "empty": "", "contents": "couch"}


def test_contents_joins_what_is_named(elasticsearch_8: Server) -> None:
    documents = (
        Document("a", {"title": "one", "brand": "two", "text": "x"}),
        Document("b", {"contents": "own", "title": "one"}),
    )
    backend = opened(elasticsearch_8, made(elasticsearch_8, documents, contents=("title", "brand")))
    assert ranking(backend, ExpandedQuery("q", "", (Term("one two", match="phrase"),))).ids == ("a",)
    assert ranking(backend, ExpandedQuery("q", "own")).ids == ("b",)
    assert ranking(backend, ExpandedQuery("q", "x")).ids == ()


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
