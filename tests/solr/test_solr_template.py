"""Solr: a template of the user's own request parameters, and texts beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import Server
from solr_answers import Open, ids, search
from solr_indexes import indexed, template_file

from leser.backend import Document, ExpandedQuery, Ranking, SearchError, Term
from leser.errors import LeserError
from leser.testing.documents import HOSTILE


@pytest.fixture(scope="module")
def brands(solr: Server) -> Iterator[Open]:
    names = ("H&M", "A/S-(1)", "Nordhem")
    with indexed(
        solr, tuple(Document(f"b{n}", {"title": "thing", "brand": name}) for n, name in enumerate(names, 1))
    ) as open_:
        yield open_


@pytest.mark.parametrize("text", [*HOSTILE, "{!term f=brand__keyword}Nordhem", "\ud800", "lamp\\", '"'])
@pytest.mark.parametrize("match", ["any", "all", "phrase"])
def test_hostile_terms_beside_a_template(shop: Open, own_query: Path, text: str, match: Any) -> None:
    query = ExpandedQuery("q", "sofa", (Term(text, match=match), Term(text, 0.5, field="text", match=match)))
    (answer,) = shop(template=own_query).search([query], 100)
    expected = {"d01"} if "lamp" not in text else {"d01", "d07", "d08"}
    assert isinstance(answer, SearchError) or set(answer.ids) <= expected


@pytest.mark.parametrize("text", ["${leser.q}", "${q:sofa}", "sofa${", "${expandMacros:lamp}", "\\${q:lamp}"])
def test_macros_are_not_expanded(shop: Open, solr: Server, own_query: Path, text: str) -> None:
    """Solr replaces ${name:default} in every parameter of a request unless it is told not to."""
    plain = {"d01"} if text.startswith("sofa") or "sofa}" in text else set()
    plain |= {"d07", "d08"} if "lamp" in text else set()
    for backend in (shop(), shop(template=own_query)):
        found = set(search(backend, text))
        assert found <= plain
    # with ${q:lamp} taken for a macro, this would find sofas: the macro's value instead of the words
    assert set(search(shop(), "${leser.t0}", Term("sofa", 0.001, match="phrase"))) == {"d01"}
    assert shop().analyze(["${analysis.fieldname}"])[0] != shop().analyze(["contents"])[0]


def test_the_templates_filter_is_never_widened(shop: Open, tmp_path: Path) -> None:
    own = template_file(
        tmp_path, defType="edismax", q="$query", qf="title^3 text", fq="brand__keyword:Nordhem", mm="100%"
    )
    for match in ("widen", "rerank"):
        backend = shop(template=own, match=match)
        wide = search(backend, "sofa", Term("couch", 9.0), Term("lamp", 9.0), Term("chair", 0.1, field="title"))
        assert set(wide) == ({"d01", "d06"} if match == "widen" else {"d01"})
        assert search(backend, "lamp", Term("lamp", 5.0, match="phrase")) == ()
    assert search(shop(template=own), "settee", Term("swivel")) == ("d06",)


def test_a_template_keeps_its_own_query(shop: Open, tmp_path: Path) -> None:
    """mm, boosts and bq of the template are the original's; expansions stand beside it."""
    strict = shop(template=template_file(tmp_path, defType="edismax", q="$query", qf="contents", mm="100%"))
    assert search(strict, "reading lamp desk") == ("d07",)
    assert set(search(strict, "reading lamp desk", Term("clip"))) == {"d07", "d08"}
    liking = template_file(tmp_path, defType="edismax", q="$query", qf="contents", bq="id:d08^100")
    assert search(shop(template=liking), "lamp") == ("d08", "d07")
    disliking = template_file(
        tmp_path, defType="edismax", q="$query", qf="contents", boost="if(eq(price__number,25),0.1,1)"
    )
    assert search(shop(template=disliking), "lamp") == ("d07", "d08")
    named = template_file(tmp_path, q="{!edismax qf=contents v=$words}", words="$query")
    assert set(search(shop(template=named), "lamp", Term("sofa"))) == {"d01", "d07", "d08"}


def test_operators_are_the_users_only_where_the_template_says_so(shop: Open, own_query: Path) -> None:
    assert set(search(shop(template=own_query), "lamp -clip")) == {"d07", "d08"}
    assert search(shop(template=own_query, escape=False), "lamp -clip") == ("d07",)
    assert search(shop(template=own_query), "brand__keyword:Lumo") == ()
    assert search(shop(template=own_query, escape=False), "brand__keyword:Lumo") == ()
    assert set(search(shop(template=own_query), "lamp AND sofa")) == {"d01", "d07", "d08"}
    assert set(search(shop(template=own_query), "lamp NOT desk")) == {"d07", "d08"}


def test_expansions_go_where_the_template_says(shop: Open, tmp_path: Path) -> None:
    placed = template_file(
        tmp_path,
        q="{!bool must=$either filter=$cheap}",
        either="{!bool should=$own should=$expansions}",
        own="{!edismax qf=contents v=$query}",
        cheap="price__number:[* TO 30]",
    )
    widening = shop(template=placed)
    assert search(widening, "lamp") == ("d08",)
    assert set(search(widening, "lamp", Term("bottle"), Term("sofa"))) == {"d08", "d10"}
    assert search(widening, "lamp", Term("bottle"), Term("clip", negate=True)) == ("d10",)
    assert search(shop(template=placed, match="rerank"), "lamp", Term("bottle")) == ("d08",)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"q": "title:$query"}, "amid other text"),
        ({"q": "$query"}, "which parser reads q"),
        ({"defType": "edismax", "q": "sofa"}, "nowhere is the user's text"),
        ({"defType": "edismax", "rows": 5}, "'rows' is set by LESER"),
        ({"defType": "edismax", "group": True}, "cannot be ranked"),
        ({"defType": "edismax", "qf": "${fields}"}, "not expanded"),
        ({"defType": "edismax", "qf": {"title": 3}}, "must be a string"),
        ({"defType": "e{!x}", "q": "$query"}, "is not the name of a parser"),
        ({"query": "$query", "params": {}}, "one JSON object of request parameters"),
        ({"defType": "edismax", "qf": "title^"}, r"qf holds 'title\^', and '' is not a weight"),
        ({"defType": "edismax", "qf": "title^2 text^x"}, r"qf holds 'text\^x'"),
        ({"defType": "edismax", "qf": "title^nan"}, r"qf holds 'title\^nan'"),
        (
            {"q": "{!bool must=$own filter=$f}", "own": "{!edismax qf=title v=$query}", "f": "id:d01"},
            "Say where they go",
        ),
        ({"defType": "lucene", "q": "+{!edismax qf=title v=$query} +id:d01"}, "Say where they go"),
        ({"q": "{!boost b=1 v=$query}"}, "Say where they go"),
        ({"q": "{!edismax qf=title v=$own}", "own": "{!edismax v=$query}"}, "Say where they go"),
    ],
)
def test_a_template_that_cannot_be_used(shop: Open, tmp_path: Path, params: dict[str, Any], message: str) -> None:
    with pytest.raises(LeserError, match=message) as caught:
        shop(template=template_file(tmp_path, **params)).check()
    assert "template" in str(caught.value)


def test_what_a_templates_query_leaves_out_stays_out(shop: Open, tmp_path: Path) -> None:
    """Expansions beside a filter inside q would go round it: they have a place within, or bring no documents in."""
    parts = {"own": "{!edismax qf=contents v=$query}", "f": "brand__keyword:Nordhem"}
    told = template_file(
        tmp_path, q="{!bool must=$all filter=$f}", all="{!bool should=$own should=$expansions}", **parts
    )
    assert set(search(shop(template=told), "sofa", Term("lamp"), Term("chair"))) == {"d01", "d06"}
    left = template_file(tmp_path, q="{!bool must=$own filter=$f}", **parts)
    assert search(shop(template=left, match="rerank"), "sofa", Term("lamp"), Term("chair")) == ("d01",)
    quoted = template_file(tmp_path, q="{!type=edismax qf='contents^2 title' bq='{!term f=id v=d07}' v=$query}")
    assert set(search(shop(template=quoted), "sofa", Term("lamp"))) == {"d01", "d07", "d08"}


def test_a_templates_own_order(shop: Open, tmp_path: Path) -> None:
    """Places stand for scores, which would not fall; the user hears of it."""
    dear = template_file(tmp_path, defType="edismax", qf="contents", sort="price__number desc")
    backend = shop(template=dear)
    (answer,) = backend.search([ExpandedQuery("q", "lamp table", (Term("sofa"),))], 10)
    assert ids(answer) == ("d01", "d09", "d07", "d08")
    assert isinstance(answer, Ranking)
    assert [hit.score for hit in answer.hits] == [0.0, -1.0, -2.0, -3.0]
    assert backend.check()["warnings"] == [
        "the template sorts by something other than the score: expansions add documents and do not move them"
    ]
    own = shop(
        template=template_file(tmp_path, defType="edismax", qf="contents", sort="score desc, price__number desc")
    )
    assert "warnings" not in own.check()
    (answer,) = own.search([ExpandedQuery("q", "lamp")], 10)
    assert isinstance(answer, Ranking)
    assert all(hit.score > 0 for hit in answer.hits)


@pytest.mark.parametrize(
    "params",
    [
        {"q": "{!term f=brand__keyword v=$query}"},
        {"q": "{!field f=brand__keyword v=$query}"},
        {"q": "{!prefix f=brand__keyword v=$query}"},
        {"q": "{!terms f=brand__keyword separator='|' v=$query}"},
        {"q": "{!simple qf=brand__keyword q.operators='' v=$query}"},
        {"q": "{!simple qf=brand__keyword v=$query}"},
        {"q": "{!simple qf=brand__keyword q.operators=$none v=$query}", "none": ""},
        {"q": "{!type=term f=brand__keyword v=$words}", "words": "$query"},
        {"q": "$query", "defType": "simple", "qf": "brand__keyword", "q.operators": ""},
        {"q": "$query", "defType": "edismax", "qf": "brand__keyword"},
        {
            "q": "{!bool should=$name should=$own should=$expansions}",
            "name": "{!term f=brand__keyword v=$query}",
            "own": "{!edismax qf=contents v=$query}",
        },
    ],
)
@pytest.mark.parametrize("text", ["H&M", "A/S-(1)"])
def test_texts_are_escaped_for_parsers_that_know_escapes(brands: Open, tmp_path: Path, params: Any, text: str) -> None:
    backend = brands(template=template_file(tmp_path, **params))
    assert search(backend, text) == ({"H&M": "b1", "A/S-(1)": "b2"}[text],)
    assert search(backend, "*:*") == ()
    assert search(backend, "{!func}1") == ()


def test_a_template_that_is_not_there(shop: Open, tmp_path: Path) -> None:
    with pytest.raises(LeserError, match=r"none\.json\): cannot be read"):
        shop(template=tmp_path / "none.json").check()
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(LeserError, match="is not valid JSON"):
        shop(template=tmp_path / "bad.json").check()
