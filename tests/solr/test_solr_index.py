"""`leser index` into Solr: what it makes, what it leaves alone, and what it says when documents are refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from leser_solr import SolrBackend
from servers import Server
from servers.solr import create_core
from solr_indexes import index_name, indexed, options_for, template_file

from leser.backend import Document, ExpandedQuery, Ranking, Term
from leser.errors import IndexMissing, LeserError
from leser.testing import DOCUMENTS

SOFA = [ExpandedQuery("q", "sofas", ())]


def found(backend: SolrBackend) -> tuple[str, ...]:
    (answer,) = backend.search(SOFA, 10)
    assert isinstance(answer, Ranking), answer
    return answer.ids


def test_an_index_is_never_overwritten_unasked(solr: Server) -> None:
    with index_name(solr) as names:
        one, two = DOCUMENTS[:1], DOCUMENTS[1:3]
        first = SolrBackend(options_for(solr, **names))
        assert first.index(one) == 1
        with pytest.raises(LeserError, match=r"existing=recreate .*existing=append"):
            first.index(two)
        before = first.fingerprint()
        assert SolrBackend(options_for(solr, **names, existing="append")).index(two) == 2
        after = SolrBackend(options_for(solr, **names))
        assert after.check()["documents"] == 3
        assert after.fingerprint() != before
        recreated = SolrBackend(options_for(solr, **names, existing="recreate", analysis="standard", k1=1.2))
        assert recreated.index(two) == 2
        assert recreated.check()["documents"] == 2
        assert recreated.check()["analysis"] == {"contents": "leser_standard_1_2_0_4"}
        assert recreated.analyze(["The sofas"]) == [["the", "sofas"]]
        for backend in (first, after, recreated):
            backend.close()


def test_an_index_that_fails_midway_leaves_nothing(solr: Server) -> None:
    def broken() -> Iterator[Document]:
        yield from DOCUMENTS
        raise RuntimeError("disk on fire")

    with index_name(solr) as names:
        backend = SolrBackend(options_for(solr, **names))
        with pytest.raises(RuntimeError, match="disk on fire"):
            backend.index(broken())
        with pytest.raises(IndexMissing):
            backend.check()


def test_documents_that_are_taken_back_where_the_index_was_there_before(solr: Server) -> None:
    def broken() -> Iterator[Document]:
        yield from DOCUMENTS
        raise RuntimeError("disk on fire")

    with indexed(solr, DOCUMENTS[:2]) as open_:
        with pytest.raises(RuntimeError, match="disk on fire"):
            open_(existing="recreate").index(broken())
        assert open_().check()["documents"] == 2
        assert found(open_()) == ("d01",)


def test_refused_documents_are_named(solr: Server) -> None:
    """A core of the user's own, with a number where a document holds a word."""
    with index_name(solr) as names:
        create_own(solr, names["index"])
        backend = SolrBackend(options_for(solr, **names, existing="append", fields="title"))
        rows = [Document(f"n{n}", {"title": "a sofa", "stock": "7" if n % 3 else "plenty"}) for n in range(40)]
        with pytest.raises(LeserError, match=r"Solr refused 14 of 40 documents, so nothing was committed:") as caught:
            backend.index(rows)
        assert "\n  n0: " in str(caught.value)
        assert "plenty" in str(caught.value)
        assert "and 4 more" in str(caught.value)
        assert backend.check()["documents"] == 0
        assert backend.index(row for row in rows if row.fields["stock"] == "7") == 26
        assert backend.check()["documents"] == 26
        assert backend.fetch(["n1"], ["stock"])["n1"].fields == {"stock": "7"}
        backend.close()


def create_own(solr: Server, name: str) -> None:
    """A core whose schema has a field of its own."""
    solr.get(f"/admin/cores?action=CREATE&name={name}&configSet={name}")
    fields = [
        {"name": "stock", "type": "pint", "stored": True},
        {"name": "title", "type": "text_en", "stored": True, "indexed": True},
    ]
    solr.request("POST", f"/{name}/schema", {"add-field": fields})


def test_a_configset_that_is_shared_is_not_changed_under_another_index(solr: Server) -> None:
    with index_name(solr) as names, index_name(solr) as other:
        SolrBackend(options_for(solr, **names)).index(DOCUMENTS)
        second = {"index": other["index"], "configset": names["configset"]}
        assert SolrBackend(options_for(solr, **second)).index(DOCUMENTS) == len(DOCUMENTS), (
            "the same settings may share"
        )
        third = SolrBackend(options_for(solr, **second, analysis="standard", existing="recreate"))
        third.options = options_for(
            solr, index=f"{other['index']}-3", configset=names["configset"], analysis="standard"
        )
        with pytest.raises(LeserError, match="has a field 'contents' of type leser_english_0_9_0_4 already"):
            third.index(DOCUMENTS)
        with pytest.raises(IndexMissing):
            third.check()


def test_a_configset_that_is_not_there(solr: Server) -> None:
    with index_name(solr) as names:
        backend = SolrBackend(options_for(solr, index=names["index"], configset="nothing-here"))
        with pytest.raises(LeserError, match=r"does not make .* from the configset 'nothing-here'.*bin/solr create"):
            backend.index(DOCUMENTS)


@pytest.mark.parametrize("name", ["two words", "price__number", "9lives", "_version_"])
def test_field_names_that_solr_cannot_have(solr: Server, name: str) -> None:
    with index_name(solr) as names:
        backend = SolrBackend(options_for(solr, **names))
        with pytest.raises(LeserError, match=f"A document has a field '{name}'"):
            backend.index([Document("1", {"title": "a", name: "b"})])


def test_the_last_of_one_id_stays(solr: Server) -> None:
    twice = (Document("a", {"title": "old sofa"}), Document("a", {"title": "new sofa", "contents": "only a chair"}))
    with index_name(solr) as names:
        backend = SolrBackend(options_for(solr, **names))
        backend.index(twice)
        assert backend.check()["documents"] == 1
        assert found(backend) == ()
        assert backend.fetch(["a"], ["title"])["a"].fields == {"title": "new sofa"}
        backend.close()


def test_more_than_one_batch_and_new_fields_on_the_way(solr: Server) -> None:
    rows = [Document(f"n{n}", {"title": f"sofa {n}", **({"late": "yes"} if n > 1500 else {})}) for n in range(2100)]
    with index_name(solr) as names:
        backend = SolrBackend(options_for(solr, **names, fields="late"))
        assert backend.index(rows) == 2100
        (answer,) = backend.search([ExpandedQuery("q", "yes")], 1000)
        assert isinstance(answer, Ranking)
        assert len(answer.hits) == 599
        backend.close()


def test_a_collection_is_made_and_refilled(solr_cloud: Server) -> None:
    with index_name(solr_cloud) as names:
        backend = SolrBackend(options_for(solr_cloud, **names, shards=2))
        assert backend.index(DOCUMENTS) == len(DOCUMENTS)
        assert backend.check()["mode"] == "SolrCloud"
        assert found(backend) == ("d01",)
        with pytest.raises(LeserError, match="existing=recreate"):
            backend.index(DOCUMENTS)
        assert SolrBackend(options_for(solr_cloud, **names, existing="recreate")).index(DOCUMENTS[1:]) == 11
        assert backend.check()["documents"] == 11
        assert backend.doc_freq(["lamp", "sofa"]) == [2, 0]
        backend.close()
    with index_name(solr_cloud) as names:
        other = SolrBackend(options_for(solr_cloud, **names, analysis="standard"))
        assert other.index(DOCUMENTS) == len(DOCUMENTS), "each collection has a schema of its own"
        assert other.check()["analysis"] == {"contents": "leser_standard_0_9_0_4"}
        assert found(other) == ()
        other.close()


def test_a_core_made_by_hand_is_searched(solr: Server) -> None:
    """Solr's own types and fields; strings and numbers are filtered in the field itself."""
    with index_name(solr) as names:
        create_own(solr, names["index"])
        solr.request("POST", f"/{names['index']}/update?commit=true", [{"id": "x", "title": "Two sofas", "stock": 3}])
        backend = SolrBackend(options_for(solr, **names, fields="title"))
        assert found(backend) == ("x",)
        assert backend.check()["filters"] == ["id", "stock"]
        with pytest.raises(LeserError, match=r"Option fields .* is not given.* has no field 'contents'"):
            SolrBackend(options_for(solr, **names)).check()
        backend.close()


def test_create_core_gives_an_index_to_append_to(solr: Server) -> None:
    with index_name(solr) as names:
        name = f"{names['index']}-own"
        create_core(solr, name)
        backend = SolrBackend(options_for(solr, index=name, existing="append"))
        assert backend.index(DOCUMENTS) == len(DOCUMENTS)
        assert found(backend) == ("d01",)
        backend.close()
        solr.get(f"/admin/cores?action=UNLOAD&core={name}&deleteInstanceDir=true&deleteDataDir=true")


def test_a_handler_that_reads_queries_with_another_parser(solr: Server, tmp_path: Path) -> None:
    """Solr reads `{!...}` in q only where defType is lucene, whatever the handler's own defaults say."""
    with indexed(solr, DOCUMENTS) as open_:
        handler = {
            "name": "/shop",
            "class": "solr.SearchHandler",
            "defaults": {"defType": "edismax", "qf": "title", "q.op": "AND", "mm": "100%"},
        }
        solr.request("POST", f"/{open_().options.index}/config", {"add-requesthandler": handler})
        backend = open_(handler="/shop")
        assert backend.check()["documents"] == len(DOCUMENTS)
        assert found(backend) == ("d01",)
        assert set(backend.fetch(["d01", "d02"], ["title"])) == {"d01", "d02"}
        assert backend.doc_freq(["lamp"]) == [2]
        assert backend.fingerprint().rpartition("}")[2] == open_().fingerprint().rpartition("}")[2]
        own = open_(
            handler="/shop", template=template_file(tmp_path, defType="edismax", q="$query", qf="contents", mm=1)
        )
        assert found(own) == ("d01",)
        (wide,) = own.search(
            [ExpandedQuery("q", "sofa", (Term("lamp", match="phrase"), Term("clip", negate=True)))], 10
        )
        assert isinstance(wide, Ranking)
        assert set(wide.ids) == {"d01", "d07"}
