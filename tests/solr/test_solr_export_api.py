"""`leser export --load` on a real Solr: the managed synonyms hold what was exported and no more, and searches read them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner, Result
from exported_solr import core, parsed, type_of, with_synonyms
from leser_solr import SolrBackend
from places import ROOT
from servers import Server
from solr_indexes import indexed

from leser.backend import ExpandedQuery
from leser.cli.main import group
from leser.expansion import Expansion
from leser.expansion_store import EntryState, StoredEntry
from leser.stores import open_store
from leser.testing import DOCUMENTS

RESOURCE = "/schema/analysis/synonyms/leser"
ODD = (
    "a/b",
    "50 % wool",
    "x+y",
    "süd ñ",
    "c#",
    "why?",
    "d;e",
    "f,g",
    "h%2fi",
    "../j",
    "k//l",
    "m/",
    "back\\slash",
    "n.o",
    "'p",
)


@pytest.fixture(scope="module")
def backend(solr: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SolrBackend]:
    with indexed(solr, DOCUMENTS) as open_:
        backend = open_()
        empty = tmp_path_factory.mktemp("empty") / "none.json"
        empty.write_text("{}")
        with_synonyms(solr, backend, empty)
        yield backend


def load(backend: SolrBackend, folder: Path, name: str = "leser", **queries: str) -> Result:
    with open_store(str(folder / "head.jsonl"), create=True) as store:
        store.write(
            StoredEntry(query.replace("_", " "), (Expansion(word, 0.5),), state=EntryState.LIVE)
            for query, word in queries.items()
        )
    options = [f"{key}={getattr(backend.options, key)}" for key in ("url", "index")]
    flags = [part for option in options for part in ("-o", option)]
    given = ["export", str(folder / "head.jsonl"), "--format", "solr", "--out", str(folder / "out")]
    return CliRunner().invoke(group, [*given, "--backend", "solr", *flags, "--load", name])


def held(solr: Server, backend: SolrBackend) -> dict[str, list[str]]:
    found: dict[str, list[str]] = solr.get(core(backend) + RESOURCE)["synonymMappings"]["managedMap"]
    return found


def test_a_second_export_takes_the_place_of_the_first(solr, backend, tmp_path):
    first = load(backend, tmp_path, lamp="light", red_sofa="couch", rug="carpet")
    assert first.exit_code == 0, first.output
    assert "Loaded: 3 rules into the managed synonyms 'leser'" in first.output
    second = load(backend, tmp_path, lamp="lantern", rug="carpet")
    assert "Loaded: 2 rules" in second.output
    assert "(before: 3, changed: 1, removed: 1)" in second.output
    assert held(solr, backend) == {"lamp": ["lamp", "lantern"], "rug": ["carpet", "rug"]}
    assert json.loads((tmp_path / "out" / "managed-synonyms.json").read_text()).keys() == held(solr, backend).keys()
    read = parsed(solr, backend, backend.request(ExpandedQuery("q", "lamp"), 10))
    assert "lantern" in read, "searches read it at once"
    assert "light" not in read


def test_signs_of_an_address_are_data(solr, backend, tmp_path):
    assert load(backend, tmp_path, **dict.fromkeys(ODD, "sofa")).exit_code == 0
    assert held(solr, backend) == {odd: sorted([odd, "sofa"]) for odd in ODD}
    done = load(backend, tmp_path, lamp="light")
    assert done.exit_code == 0, done.output
    assert held(solr, backend) == {"lamp": ["lamp", "light"]}


def test_a_schema_without_the_resource_says_what_it_needs(backend, tmp_path):
    done = load(backend, tmp_path, "nobody", lamp="light")
    assert done.exit_code != 0
    assert "has no managed synonyms 'nobody'" in str(done.exception)
    assert "solr.ManagedSynonymGraphFilterFactory with managed='nobody'" in str(done.exception)


def test_a_field_type_as_the_page_has_it_takes_the_rules(solr, tmp_path):
    page = (ROOT / "docs" / "precompute.md").read_text(encoding="utf-8")
    _, said = re.findall(r"^```json\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    changed = json.loads(said)
    first = {**changed["replace-field-type"], "queryAnalyzer": changed["replace-field-type"]["indexAnalyzer"]}
    with indexed(solr, DOCUMENTS) as open_:
        backend = open_()
        solr.request("POST", f"{core(backend)}/schema", {"add-field-type": first})
        solr.request("POST", f"{core(backend)}/schema", changed)
        done = load(backend, tmp_path, lamp="light")
        assert "Loaded: 1 rules" in done.output, done.output
        asked = urlencode(
            {"analysis.fieldtype": "text_shop", "analysis.fieldvalue": "x", "analysis.query": "Lamps lamp"}
        )
        answer = solr.get(f"{core(backend)}/analysis/field?{asked}&wt=json")
        last = answer["analysis"]["field_types"]["text_shop"]["query"][-1]
        assert {token["text"] for token in last} == {"lamp", "light"}


def test_the_type_of_the_searched_field_reads_the_resource(solr, backend):
    kind = solr.get(f"{core(backend)}/schema/fieldtypes/{type_of(solr, backend)}")["fieldType"]
    assert any(f.get("managed") == "leser" for f in kind["queryAnalyzer"]["filters"])
