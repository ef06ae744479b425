"""Solr: refusals, facts, documents and options."""

from __future__ import annotations

from pathlib import Path

import pytest
from leser_solr import SolrBackend
from servers import Server
from solr_answers import Open, search
from solr_indexes import indexed

from leser.backend import Document, ExpandedQuery, Filter, SearchError, Term
from leser.errors import LeserError
from leser.options import validate_options
from leser.testing import DOCUMENTS


def test_refusals_name_what_there_is(shop: Open) -> None:
    batch = [
        ExpandedQuery("1", "sofa", filters=(Filter("prize", "eq", 1),)),
        ExpandedQuery("2", "sofa", (Term("sofa", field="body"),)),
        ExpandedQuery("3", "sofa", (Term("sofa", -1.0),)),
        ExpandedQuery("4", "leather"),
    ]
    answers = shop().search(batch, 5)
    assert [isinstance(answer, SearchError) and answer.kind for answer in answers] == ["query"] * 3 + [False]
    assert answers[0] == SearchError(
        "No field 'prize' to filter by. Available: brand, id, price, text, title.", "query"
    )
    assert answers[1] == SearchError(
        "No field 'body' to search. Available: brand, contents, price, text, title.", "query"
    )


def test_strings_are_compared_by_code_point_and_may_be_missing(solr: Server) -> None:
    shelf = tuple(
        Document(f"n{n}", {"title": "thing", "size": size}) for n, size in enumerate(["L", "M", "it's, 10\" \\wide"])
    )
    with indexed(solr, (*shelf, Document("n9", {"title": "thing"}))) as open_:
        backend = open_()
        assert search(backend, "thing", filters=(Filter("size", "lt", "M"),)) == ("n0",)
        assert search(backend, "thing", filters=(Filter("size", "lte", "M"),)) == ("n0", "n1")
        assert search(backend, "thing", filters=(Filter("size", "gte", "M"),)) == ("n1", "n2")
        assert search(backend, "thing", filters=(Filter("size", "eq", "it's, 10\" \\wide"),)) == ("n2",)
        assert search(backend, "thing", filters=(Filter("size", "in", ("L", 3.0)),)) == ("n0",)
        assert search(backend, "thing", filters=(Filter("size", "lt", 3.0),)) == ()


def test_facts_and_fingerprint(shop: Open, solr: Server, own_query: Path) -> None:
    facts = shop().check()
    assert facts["version"] == solr.version
    assert facts["mode"] == "one server"
    assert facts["fields"] == ["brand", "contents", "price", "text", "title"]
    assert facts["analysis"] == {"contents": "leser_english_0_9_0_4"}
    assert shop().fingerprint() != shop(template=own_query).fingerprint()


def test_ids_of_any_kind_are_fetched(solr: Server) -> None:
    odd = ("a,b", "c d", "{!x}", "${y}", "\u001f", "é", '"', "*")
    with indexed(solr, tuple(Document(id, {"title": f"title of {id}"}) for id in odd)) as open_:
        found = open_().fetch([*odd, "a", "b", "none"], ["title", "id", "title}", "price"])
        assert {id: document.fields["title"] for id, document in found.items()} == {id: f"title of {id}" for id in odd}


def test_many_terms_and_documents_at_once(shop: Open) -> None:
    assert shop().doc_freq(["lamp", "1,5", "sofa"] * 400)[:3] == [2, 0, 1]
    assert len(shop().fetch([f"d{n:02}" for n in range(2000)], ["title"])) == len(DOCUMENTS)


def test_unknown_fields_are_named_with_those_there_are(shop: Open) -> None:
    with pytest.raises(
        LeserError,
        match=r"Unknown field 'titel' of the index 'leser-\d+-\d+' \(option fields\). Did you mean 'title'\? Available: ",
    ):
        shop(fields="titel").check()


@pytest.mark.parametrize(
    "url",
    [
        "http://me:hunter2@localhost:8983/solr",
        "leser:hunter2@search:8983",
        "http://leser:hunter/2@search:8983/solr",
        "ftp://leser:hunter2@search",
        " https://hunter2@search",
    ],
)
def test_options_for_a_server_hold_no_secret(url: str) -> None:
    with pytest.raises(LeserError, match="Option url of backend 'solr' has an @ in it") as caught:
        validate_options(SolrBackend.Options, {"url": url}, "backend 'solr'")
    assert "hunter" not in str(caught.value)
