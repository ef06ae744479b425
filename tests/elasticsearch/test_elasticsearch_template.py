"""The user's own query stays what it was, and what it excludes never comes back, wherever its parts stand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from elastic import made, opened
from elasticsearch import Elasticsearch
from leser_elasticsearch import ElasticsearchBackend
from servers.server import Server

from leser.backend import Document, ExpandedQuery, Filter, Ranking, Term
from leser.errors import LeserError
from leser.testing import DOCUMENTS
from leser.testing.documents import HOSTILE

ASKED = {"multi_match": {"query": "$query", "fields": ["title^2", "text"], "type": "most_fields"}}
TITLE, TEXT = {"match": {"title": "$query"}}, {"match": {"text": {"query": "$query"}}}
OURS = {"terms": {"brand.keyword": ["Nordhem", "Lumo"]}}
CHEAP = {"range": {"price.number": {"lt": 500}}}
DEAR = {"range": {"price.number": {"gte": 500}}}
LAMPS = {"match": {"title": "lamp"}}

# every one of them lets through only what is of Nordhem or Lumo and costs less than 500
RESTRICTED: dict[str, dict[str, Any]] = {
    "filter": {"bool": {"must": [ASKED], "filter": [OURS, CHEAP]}},
    "must": {"bool": {"must": [ASKED, OURS], "must_not": DEAR}},
    "should": {"bool": {"should": [TITLE, TEXT], "minimum_should_match": 1, "filter": [OURS, CHEAP]}},
    "optional should": {"bool": {"must": ASKED, "should": [LAMPS, TITLE], "filter": [OURS, CHEAP]}},
    "required should": {
        "bool": {
            "must": [TITLE],
            "should": [TEXT, OURS],
            "minimum_should_match": 1,
            "filter": [OURS],
            "must_not": [DEAR],
        }
    },
    "constant should": {"bool": {"must": [ASKED], "should": [OURS], "minimum_should_match": 1, "filter": [CHEAP]}},
    "everything": {"bool": {"should": [TITLE, LAMPS], "filter": [OURS, CHEAP]}},
    "nested": {"bool": {"must": [{"bool": {"must": [ASKED], "filter": [CHEAP]}}], "filter": OURS}},
    "two that must": {
        "bool": {"must": [{"bool": {"must": [TITLE], "filter": [CHEAP]}}, {"bool": {"should": [TEXT, TITLE]}}, OURS]}
    },
    "branches": {
        "bool": {
            "should": [
                {"bool": {"must": [TITLE], "filter": [OURS, CHEAP]}},
                {"bool": {"must": [TEXT], "must_not": [DEAR], "filter": [OURS]}},
            ]
        }
    },
    "one branch": {"bool": {"should": [{"bool": {"must": [ASKED], "filter": [OURS, CHEAP]}}]}},
    "two thirds": {
        "bool": {"should": [TITLE, TEXT, ASKED], "minimum_should_match": 2, "filter": [OURS], "must_not": [DEAR]}
    },
    "best of": {"dis_max": {"queries": [{"bool": {"must": [one], "filter": [OURS, CHEAP]}} for one in (TITLE, TEXT)]}},
    "constant score": {"constant_score": {"filter": {"bool": {"must": [ASKED], "filter": [OURS, CHEAP]}}}},
    "functions": {
        "function_score": {
            "query": {"bool": {"must": [ASKED], "filter": [OURS, CHEAP]}},
            "functions": [{"filter": LAMPS, "weight": 2}],
            "boost_mode": "multiply",
        }
    },
    "boosting": {
        "boosting": {
            "positive": {"bool": {"must": [ASKED], "filter": [OURS, CHEAP]}},
            "negative": LAMPS,
            "negative_boost": 0.5,
        }
    },
    "filter asks": {"bool": {"filter": [ASKED, OURS, CHEAP], "should": [LAMPS]}},
    "marked": {"bool": {"should": [ASKED, "$expansions"], "minimum_should_match": 1, "filter": [OURS, CHEAP]}},
    "marked deep": {
        "function_score": {
            "query": {"bool": {"must": [{"dis_max": {"queries": [ASKED, "$expansions"]}}], "filter": [OURS, CHEAP]}},
            "weight": 3,
        }
    },
}
NARROW = ("everything", "filter asks")
"""Their own filter decides all that matches, so expansions can't add to it."""
LET_THROUGH = {d.id for d in DOCUMENTS if d.fields["brand"] in ("Nordhem", "Lumo") and float(d.fields["price"]) < 500}
TEXTS = ("lamp", "chair lamp", "sofa couch", "settee", "reading", "")
TERMS = (Term("couch", 2.0), Term("lamp"), Term("table", 0.5), Term("bottle trainers", match="any"), Term("guests"))


@pytest.fixture(scope="module")
def index(elasticsearch_8: Server) -> str:
    return made(elasticsearch_8)


@pytest.fixture
def templated(elasticsearch_8: Server, index: str, tmp_path: Path) -> Callable[..., ElasticsearchBackend]:
    """A backend with this search body for a template."""

    def with_body(body: Any, **options: object) -> ElasticsearchBackend:
        path = tmp_path / "query.json"
        path.write_text(body if isinstance(body, str) else json.dumps(body))
        return opened(elasticsearch_8, index, template=path, **options)

    return with_body


def ids(backend: ElasticsearchBackend, text: str, *terms: Term, filters: tuple[Filter, ...] = ()) -> list[str]:
    (answer,) = backend.search([ExpandedQuery("q", text, terms, filters)], 100)
    assert isinstance(answer, Ranking), answer
    return list(answer.ids)


@pytest.mark.parametrize("name", RESTRICTED)
@pytest.mark.parametrize("match", ["widen", "rerank"])
def test_what_a_template_excludes_never_comes_back(
    templated: Callable[..., ElasticsearchBackend], elasticsearch_8: Server, index: str, name: str, match: str
) -> None:
    query = RESTRICTED[name]
    backend = templated({"query": query}, match=match, fields="title^2,text")
    for text in TEXTS:
        own = _raw(elasticsearch_8, index, query, text)
        (answer,) = backend.search([ExpandedQuery("q", text)], 100)
        assert isinstance(answer, Ranking)
        assert [(hit.id, hit.score) for hit in answer.hits] == own, "without expansions it is the template itself"
        assert set(answer.ids) <= LET_THROUGH
        widened = set(ids(backend, text, *TERMS))
        if match == "rerank" or name in NARROW:
            assert widened == {id for id, _ in own}
        else:
            assert widened == set(answer.ids) | {"d07", "d08", "d09"}
        assert set(ids(backend, text, *TERMS, Term("clip", negate=True))) == widened - {"d08"}
        only = (Filter("brand", "eq", "Lumo"),)
        assert set(ids(backend, text, *TERMS, filters=only)) == widened - {"d06", "d09"}


def _raw(server: Server, index: str, query: Any, text: str) -> list[tuple[str, float]]:
    """What the template finds by itself, put together by hand."""
    body = json.loads(json.dumps(query).replace('"$expansions"', '{"match_none": {}}').replace("$query", text))
    with Elasticsearch(server.url) as client:
        found = client.search(index=index, query=body, size=100)["hits"]["hits"]
    return [(hit["_id"], hit["_score"]) for hit in found]


@pytest.mark.parametrize("name", ["filter", "functions", "should", "marked deep"])
def test_a_term_counts_as_the_users_words_do(templated: Callable[..., ElasticsearchBackend], name: str) -> None:
    backend = templated({"query": RESTRICTED[name]}, **({} if name != "should" else {"fields": "title,text"}))
    together, beside = backend.search(
        [ExpandedQuery("q", "lamp table"), ExpandedQuery("q", "lamp", (Term("table"),))], 10
    )
    assert isinstance(together, Ranking)
    assert isinstance(beside, Ranking)
    assert set(beside.ids) == {"d07", "d08", "d09"}
    if name != "marked deep":  # the best of both, as its own dis_max says
        assert beside.ids == together.ids
        assert [hit.score for hit in beside.hits] == pytest.approx([hit.score for hit in together.hits], rel=1e-5)


def test_fields_and_type_come_from_the_template(templated: Callable[..., ElasticsearchBackend]) -> None:
    facts = templated({"query": {"bool": {"must": [ASKED], "filter": [TITLE, OURS]}}}).check()
    assert facts["searched"] == "title^2 text^1 (most_fields)"
    assert "warnings" not in facts
    for one, searched in (("title", "title^1"), ("title^3", "title^3")):
        assert templated({"query": {"multi_match": {"query": "$query", "fields": one}}}).check()["searched"] == searched
    best = {"multi_match": {"query": "$query", "fields": ["title", "text^0.5"]}}
    assert templated({"query": best}).check()["searched"] == "title^1 text^0.5 (best_fields)"
    assert (
        templated({"query": {"bool": {"should": [TITLE, TEXT]}}}).check()["searched"] == "title^1 text^1 (most_fields)"
    )
    assert templated({"query": best}, fields="brand").check()["searched"] == "brand^1"


@pytest.mark.parametrize("text", [*HOSTILE[:-2], "$query", "$expansions", '"}}, {"match_all": {}}'])
def test_slots_are_filled_with_data(templated: Callable[..., ElasticsearchBackend], text: str) -> None:
    backend = templated({"query": RESTRICTED["marked"]})
    assert ids(backend, text, Term("$query"), Term("$expansions"), Term(text, match="phrase")) == []
    assert set(ids(backend, f"lamp {text}", Term(text))) == {"d07", "d08"}


def test_the_rest_of_the_body_stays(templated: Callable[..., ElasticsearchBackend]) -> None:
    body = {
        "query": ASKED,
        "post_filter": OURS,
        "min_score": 0.1,
        "size": 1,
        "from": 3,
        "aggs": {"a": {"terms": {"field": "x"}}},
    }
    assert set(ids(templated(body), "couch", Term("lamp"))) == {"d01", "d07", "d08"}
    rescored = {"query": ASKED, "rescore": {"window_size": 9, "query": {"rescore_query": {"match": {"title": "desk"}}}}}
    assert ids(templated(rescored), "lamp")[0] == "d07"


def test_a_sort_of_ones_own_keeps_its_order(templated: Callable[..., ElasticsearchBackend]) -> None:
    backend = templated({"query": ASKED, "sort": [{"price.number": "asc"}]})
    assert ids(backend, "lamp", Term("couch", 50)) == ["d08", "d07", "d01", "d02"]
    (warning,) = backend.check()["warnings"]
    assert "sorts by something other than the score" in warning
    (warning,) = templated({"query": ASKED, "sort": {"price.number": "asc", "_score": "desc"}}).check()["warnings"]
    assert "sorts by something other than the score" in warning
    several = templated({"query": ASKED, "sort": {"_score": "desc", "price.number": "asc"}})
    assert "warnings" not in several.check()
    assert set(ids(several, "lamp")) == {"d07", "d08"}
    for fine in (
        [],
        ["_score"],
        "_score",
        [{"_score": "desc"}, {"price.number": "asc"}],
        [{"_score": {"order": "desc"}}],
    ):
        assert "warnings" not in templated({"query": ASKED, "sort": fine}).check()


def test_what_doctors_warn_of(templated: Callable[..., ElasticsearchBackend]) -> None:
    (syntax,) = templated({"query": {"query_string": {"query": "$query", "fields": ["title"]}}}).check()["warnings"]
    assert "puts $query into query_string, which reads query syntax" in syntax
    beside = {"query": {"bool": {"must": [ASKED], "should": ["$expansions"]}}}
    (rerank,) = templated(beside).check()["warnings"]
    assert "there expansions rerank and find nothing new" in rerank
    assert "warnings" not in templated(beside, match="rerank").check()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "is not valid JSON"),
        ({"match": {"title": "$query"}}, 'has no "query". Give a whole search body'),
        ({"query": TITLE, "terminate_after": 1}, 'has "terminate_after", with which .* Take it out'),
        ({"query": {"match": {"title": "sofa"}}}, 'has no "$query" in its query. Write "$query"'),
        ({"query": {"match": {"title": "{{q}}"}}}, "are of search templates"),
        (
            {"query": {"query_string": {"query": "title:($query)"}}},
            "slot inside a longer string, at query.query_string.query",
        ),
        (
            {"query": {"multi_match": {"query": "$query", "fields": [1]}}},
            "a field in multi_match that is not a string: 1",
        ),
        ({"query": {"match": {"$query": "sofa"}}}, "has a slot in a key"),
        ({"query": {"bool": {"must": [TITLE, "$expansions"]}}}, r'has "\$expansions" at query.bool.must'),
        ({"query": {"bool": {"should": [TITLE, "$expansions", "$expansions"]}}}, r'"\$expansions" 2 times'),
        ({"query": {"has_child": {"type": "x", "query": TITLE}}}, r"inside a clause of type has_child.* Mark where"),
        ({"query": {"match": {"title": "$query"}, "bool": {}}}, r"not of the form \{type: ...\}"),
        ({"query": {"matches": {"title": "$query"}}}, "inside a clause of type matches"),
        ({"query": {"match": {"titel": "$query"}}}, "Unknown field 'titel' of the index '.*'. Did you mean 'title'"),
        (
            {"query": {"match": {"title": {"query": "$query", "fuzzines": 1}}}},
            r"A first search with the template .* fails",
        ),
    ],
)
def test_what_is_wrong_with_a_template_is_said(
    templated: Callable[..., ElasticsearchBackend], body: Any, said: str
) -> None:
    with pytest.raises(LeserError, match=said.replace("$query", r"\$query").replace("($", r"\($")):
        templated(body).check()


def test_a_template_that_is_not_there(elasticsearch_8: Server, index: str, tmp_path: Path) -> None:
    with pytest.raises(LeserError, match=r"none.json cannot be read: No such file"):
        opened(elasticsearch_8, index, template=tmp_path / "none.json").check()


def test_nested_documents_keep_their_conditions(elasticsearch_8: Server, tmp_path: Path) -> None:
    index = made(elasticsearch_8, (Document("x", {"title": "none"}),))
    path = tmp_path / "query.json"
    with Elasticsearch(elasticsearch_8.url) as client:
        name = f"{index}-nested"
        offers = {"type": "nested", "properties": {"shop": {"type": "keyword"}, "text": {"type": "text"}}}
        client.indices.create(index=name, mappings={"properties": {"title": {"type": "text"}, "offers": offers}})
        for id, title, shop, text in (
            ("a", "sofa", "here", "new couch"),
            ("b", "couch", "there", "couch"),
            ("c", "couch", "here", "old"),
        ):
            client.index(
                index=name, id=id, document={"title": title, "offers": [{"shop": shop, "text": text}]}, refresh=True
            )
    inner = {"bool": {"must": [{"match": {"offers.text": "$query"}}], "filter": [{"term": {"offers.shop": "here"}}]}}
    path.write_text(json.dumps({"query": {"nested": {"path": "offers", "query": inner}}}))
    backend = opened(elasticsearch_8, name, template=path, fields="title")
    assert ids(backend, "new") == ["a"]
    assert set(ids(backend, "new", Term("couch"))) == {"a", "c"}
