"""Which fields a template of Solr's searches, on real servers: qf in all its forms, aliases, the handler's own; and addresses."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from leser_solr import SolrBackend
from servers import Server
from servers.solr import HERE
from solr_indexes import index_name, indexed, options_for, template_file

from leser.backend import Backend, Document, ExpandedQuery, Ranking, Term
from leser.config.build import backend_of, complete
from leser.config.load import load_config
from leser.errors import LeserError
from leser.plugins import load_plugins

Open = Callable[..., SolrBackend]
SHELF = (
    Document("t", {"title": "oak table", "text": "for the kitchen", "maker": "nordhem"}),
    Document("b", {"title": "lamp", "text": "stands on a table", "maker": "lumo"}),
    Document("m", {"title": "chair", "text": "of beech", "maker": "table works"}),
)
COMMON = {"defType": "edismax", "q": "$query"}


@pytest.fixture(scope="module")
def shelf(solr: Server) -> Iterator[Open]:
    with indexed(solr, SHELF) as open_:
        yield open_


def scores(backend: Backend, text: str, *terms: Term) -> dict[str, float]:
    (answer,) = backend.search([ExpandedQuery("q", text, terms)], 10)
    assert isinstance(answer, Ranking), answer
    return {hit.id: hit.score for hit in answer.hits}


def searched(backend: SolrBackend) -> dict[str, float]:
    return backend._open()._fields


def from_the_command_line(server: Server, template: Path, index: str, *assignments: str) -> SolrBackend:
    given = (f"url={server.url}", f"index={index}", f"template={template}", *assignments)
    registry = load_plugins()
    config = complete(load_config(None, {"backend.name": "solr"}, given), registry)
    backend = backend_of(config, registry)
    assert isinstance(backend, SolrBackend)
    return backend


def test_the_templates_qf_is_searched_from_the_command_line_too(shelf: Open, solr: Server, tmp_path: Path) -> None:
    """The index has a field `contents`: without a look at who gave what, expansions would go there unseen."""
    own = template_file(tmp_path, **COMMON, qf="title^3 text")
    backend = from_the_command_line(solr, own, shelf().options.index)
    assert searched(backend) == {"title": 3.0, "text": 1.0}
    # as the same word of the query scores, and not in maker, which is no field of qf (nor in contents, which has all)
    assert scores(backend, "zebra", Term("table")) == pytest.approx(scores(backend, "table"))
    assert set(scores(backend, "zebra", Term("table"))) == {"t", "b"}
    given = from_the_command_line(solr, own, shelf().options.index, "fields=maker")
    assert set(scores(given, "zebra", Term("table"))) == {"m"}
    backend.close()
    given.close()


@pytest.mark.parametrize(
    ("params", "fields"),
    [
        ({"qf": ["title^3", "text"]}, {"title": 3.0, "text": 1.0}),
        ({"qf": "title^3\n\t text^0.5\r\n"}, {"title": 3.0, "text": 0.5}),
        ({"qf": "title text title^4"}, {"title": 4.0, "text": 1.0}),
        ({"qf": "title^2 text", "pf": "title~2^50 text^9", "pf2": ["title^5", "text"], "ps": 1}, {"title": 2.0, "text": 1.0}),
        ({"qf": "title text^2", "uf": "title -maker"}, {"title": 1.0, "text": 2.0}),
        ({"qf": "all^2", "f.all.qf": "title^3 text", "uf": "* -_query_"}, {"title": 6.0, "text": 2.0}),
        ({"qf": "all maker^5", "f.all.qf": "words title", "f.words.qf": "text^0.5"}, {"text": 0.5, "title": 1.0, "maker": 5.0}),
        ({"df": "text"}, {"text": 1.0}),
    ],
)  # fmt: skip
def test_qf_in_all_its_forms(shelf: Open, tmp_path: Path, params: dict[str, Any], fields: dict[str, float]) -> None:
    backend = shelf(template=template_file(tmp_path, **COMMON, **params, tie=0.3))
    assert searched(backend) == fields
    # without what the template adds to a whole query, a term scores as the word does in the query
    plain = {name: value for name, value in params.items() if not name.startswith(("pf", "ps"))}
    alone = shelf(template=template_file(tmp_path, **COMMON, **plain, tie=0.3))
    assert scores(backend, "zebra", Term("table")) == pytest.approx(scores(alone, "table"))
    assert scores(backend, "zebra", Term("table"))
    assert backend.analyze(["tables"]) == [["tabl"]]
    assert backend.doc_freq(["tabl"])[0] >= 1
    backend.check()


@pytest.mark.parametrize(
    ("params", "fields"),
    [
        ({"q": "{!edismax qf='title^3 text' v=$query}"}, {"title": 3.0, "text": 1.0}),
        ({"q": "{!edismax qf=$mine v=$words}", "mine": "title^2\ntext", "words": "$query"}, {"title": 2.0, "text": 1.0}),
        ({"q": "{!dismax v=$query}", "qf": ["text^2"]}, {"text": 2.0}),
        ({"q": "{!field f=title v=$query}"}, {"title": 1.0}),
        ({"q": "{!simple qf=text v=$query}", "qf": "maker"}, {"text": 1.0}),
        (
            {"q": "{!bool must=$shop should=$own should=$expansions}", "own": "{!edismax qf=title v=$query}", "shop": "id:*"},
            {"title": 1.0},
        ),
    ],
)  # fmt: skip
def test_the_fields_of_the_parser_that_reads_the_query(
    shelf: Open, tmp_path: Path, params: dict[str, Any], fields: dict[str, float]
) -> None:
    assert searched(shelf(template=template_file(tmp_path, **params))) == fields


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, r"neither it nor the handler /select names the fields.*qf or df.*-o fields=title\^3,text. Available: contents"),
        ({"qf": "titel"}, r"field 'titel' of the index '.*' \(the template's qf\). Did you mean 'title'\?"),
        ({"qf": "all", "f.all.qf": "title nothing"}, r"field 'nothing' of the index '.*' \(the template's qf\)"),
        ({"qf": "a", "f.a.qf": "title b", "f.b.qf": "a"}, r"f\.NAME\.qf lead in a circle, a -> b -> a"),
        ({"qf": "all", "f.all.qf": "title^x"}, r"f\.all\.qf holds 'title\^x', and 'x' is not a weight"),
    ],
)  # fmt: skip
def test_fields_that_nobody_has_or_names(shelf: Open, tmp_path: Path, params: dict[str, Any], message: str) -> None:
    with pytest.raises(LeserError, match=f"(?s){message}"):
        shelf(template=template_file(tmp_path, **COMMON, **params)).check()


@pytest.fixture
def foreign(solr: Server) -> Iterator[str]:
    """A core that LESER did not make: a field `name` and no `contents`, a handler with a qf of its own."""
    assert solr.folder is not None
    with index_name(solr) as names:
        conf = solr.folder / "home" / "configsets" / names["configset"] / "conf"
        handler = """<requestHandler name="/shop" class="solr.SearchHandler"><lst name="defaults">
            <str name="defType">edismax</str><str name="qf">every^2</str><str name="f.every.qf">name^3</str></lst>
            </requestHandler></config>"""
        config = conf / "solrconfig.xml"
        config.write_text(config.read_text().replace("</config>", handler))
        schema = conf / "managed-schema.xml"
        field = '<field name="name" type="text_general" indexed="true" stored="true"/><field name="_version_"'
        schema.write_text(schema.read_text().replace('<field name="_version_"', field))
        solr.get(f"/admin/cores?action=CREATE&name={names['index']}&configSet={names['configset']}")
        yield names["index"]


def test_the_handlers_own_qf(solr: Server, foreign: str, tmp_path: Path) -> None:
    body = b'[{"id": "1", "name": "oak table"}]'
    request = urllib.request.Request(
        f"{solr.url}/{foreign}/update?commit=true", body, {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request).close()
    backend = SolrBackend(options_for(solr, index=foreign, handler="/shop", template=template_file(tmp_path, **COMMON)))
    assert searched(backend) == {"name": 6.0}
    assert scores(backend, "zebra", Term("oak")) == pytest.approx(scores(backend, "oak"))
    backend.close()


def test_a_default_that_the_index_lacks_is_not_said_to_be_the_users(solr: Server, foreign: str) -> None:
    with pytest.raises(
        LeserError,
        match=rf"fields of backend 'solr' is not given, and the index '{foreign}' has no field 'contents'.*"
        r"Say which: -o fields=title\^3,text. Available: name\.",
    ):
        SolrBackend(options_for(solr, index=foreign)).check()


def test_a_schema_without_unique_key(solr: Server) -> None:
    assert solr.folder is not None
    with index_name(solr) as names:
        schema = solr.folder / "home" / "configsets" / names["configset"] / "conf" / "managed-schema.xml"
        text = (HERE / "configset" / "managed-schema.xml").read_text()
        schema.write_text(text.replace("<uniqueKey>id</uniqueKey>", ""))
        solr.get(f"/admin/cores?action=CREATE&name={names['index']}&configSet={names['configset']}")
        backend = SolrBackend(options_for(solr, **names, existing="append"))
        said = rf"The schema of '{names['index']}' .* has no uniqueKey.*<uniqueKey>id</uniqueKey>"
        with pytest.raises(LeserError, match=said):
            backend.check()
        with pytest.raises(LeserError, match=said):
            backend.index(SHELF)


def test_ids_that_documents_share_are_warned_of(solr: Server, foreign: str) -> None:
    body = b'[{"id": "1", "name": "oak table"}, {"id": "2", "name": "lamp"}, {"id": "1", "name": "old table"}]'
    request = urllib.request.Request(
        f"{solr.url}/{foreign}/update?commit=true&overwrite=false", body, {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request).close()
    backend = SolrBackend(options_for(solr, index=foreign, fields="name"))
    facts = backend.check()
    assert facts["documents"] == 3
    assert facts["warnings"][0].startswith("1 of 2 ids looked at (e.g. '1') stand for several documents")
    assert backend.fetch(["1", "2"], ["name"])["2"].fields == {"name": "lamp"}
    backend.close()


@pytest.mark.parametrize(
    ("below", "hint"),
    [
        ("/products", "-o url=SOLR -o index=products ?"),
        ("/products/", "-o url=SOLR -o index=products ?"),
        ("/products/select", "-o url=SOLR -o index=products ?"),
        ("/#/products/query", "-o url=SOLR -o index=products ?"),
        ("/#/~cores/products", "-o url=SOLR -o index=products ?"),
        ("/#/", "SOLR?"),
    ],
)
@pytest.mark.filterwarnings("error:solrpy. URL")
def test_the_address_of_a_core_or_of_a_page_is_told_from_the_servers(solr: Server, below: str, hint: str) -> None:
    with pytest.raises(LeserError) as caught:
        SolrBackend(options_for(solr, url=solr.url + below, index="products")).check()
    assert str(caught.value).endswith(f" Did you mean {hint.replace('SOLR', solr.url)}"), caught.value
