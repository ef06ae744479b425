"""Exports loaded into a real Solr: requests rank as LESER does, synonyms as far as they can."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from exported_shop import ExportedShop, exported_shop
from exported_solr import core, parsed, type_of, with_synonyms
from leser_solr import SolrBackend
from servers import Server
from solr_indexes import indexed

from leser.backend import ExpandedQuery
from leser.engine.words import EngineWords
from leser.evaluation.systems import SystemRun
from leser.expansion import Expansion
from leser.expansion_store import EntryState, StoredEntry
from leser.export.forms import export
from leser.export.rules import synonym_rule

FORMATS = ("synonyms.txt", "managed-synonyms.json")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ExportedShop:
    return exported_shop(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def backend(solr: Server, store: ExportedShop) -> Iterator[SolrBackend]:
    with indexed(solr, store.documents) as open_:
        yield open_()


@pytest.fixture(scope="module")
def files(backend: SolrBackend, store: ExportedShop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    words = EngineWords(backend)
    done = export(store.entries, "solr", folder, analyse=words.analyze, request=backend.request)
    assert done.entries + len(done.left_out) == len(store.entries)
    assert done.entries > 10
    return folder


@pytest.fixture(scope="module")
def runs(backend: SolrBackend, store: ExportedShop) -> tuple[SystemRun, SystemRun]:
    return store.searched(backend, weighted=False), store.searched(backend, weighted=True)


def test_requests_with_the_expansions_in_place_rank_as_leser_does(solr, backend, store, files, runs):
    ids = {}
    queries = {query.text: query.id for query in store.queries.queries}
    for row in map(json.loads, (files / "queries.jsonl").read_text().splitlines()):
        answer = solr.get(f"{core(backend)}/select?{urlencode(row['request'], doseq=True)}&wt=json")
        ids[queries[row["query"]]] = [doc["id"] for doc in answer["response"]["docs"]]
    assert len(ids) > 10
    for query, given in ids.items():
        assert list(runs[1].ranking(query).ids) == given


def test_synonyms_keep_a_small_part_of_the_gain(solr, backend, store, files, runs, record_property):
    """A rule over several words makes them one path of a graph, which Solr asks for as a whole."""
    with_synonyms(solr, backend, files / "synonyms.txt")
    exported = store.searched(backend, weighted=False)
    figures = store.kept(*runs, exported)
    for name, value in figures.items():
        record_property(name, value)
    assert figures["leser"] > 0.05
    assert figures["share"] < 0.6
    assert figures["overlap@10"] < 0.9
    entry = next(e for e in store.entries if e.query in (files / "synonyms.txt").read_text() and " " in e.query)
    asked = backend.request(ExpandedQuery("q", entry.query), 10)
    read = parsed(solr, backend, asked)
    assert read.count("+") == len(entry.query.split()), read  # all of the words, not any


def test_both_forms_of_synonyms_rank_alike(solr, backend, store, files):
    found = []
    for kind in FORMATS:
        with_synonyms(solr, backend, files / kind)
        found.append(store.searched(backend, weighted=False))
    assert [r.ids for r in found[0].rankings.values()] == [r.ids for r in found[1].rankings.values()]


def test_signs_of_the_rule_file_are_data(solr, backend, store, tmp_path):
    odd = [
        StoredEntry(text, (Expansion("sofa"),), state=EntryState.LIVE)
        for text in ("a, b", "x => y", "back\\slash", "# comment", "#1 sofa", "plain")
    ]
    (tmp_path / "synonyms.txt").write_text("".join(f"{synonym_rule(entry)}\n" for entry in odd))
    with_synonyms(solr, backend, tmp_path / "synonyms.txt", tokenizer="solr.WhitespaceTokenizerFactory")
    name = type_of(solr, backend)
    for entry in odd:
        asked = urlencode({"analysis.fieldtype": name, "analysis.fieldvalue": "x", "analysis.query": entry.query})
        answer = solr.get(f"{core(backend)}/analysis/field?{asked}&wt=json")
        query = answer["analysis"]["field_types"][name]["query"]
        last = [token["text"] for token in query[-1]]
        assert any(word.startswith("sofa") for word in last), (entry.query, last)
