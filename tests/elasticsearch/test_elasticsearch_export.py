"""Exports loaded into a real Elasticsearch: requests rank as LESER does, and the synonyms API takes the rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from elastic import made, opened
from elasticsearch import Elasticsearch
from exported_shop import ExportedShop, exported_shop
from leser_elasticsearch import ElasticsearchBackend
from servers.server import Server

from leser.engine.words import EngineWords
from leser.expansion import Expansion
from leser.expansion_store import EntryState, StoredEntry
from leser.export.forms import export


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ExportedShop:
    return exported_shop(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def backend(elasticsearch_8: Server, store: ExportedShop) -> ElasticsearchBackend:
    return opened(elasticsearch_8, made(elasticsearch_8, store.documents))


@pytest.fixture(scope="module")
def files(backend: ElasticsearchBackend, store: ExportedShop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    done = export(store.entries, "elasticsearch", folder, analyse=EngineWords(backend).analyze, request=backend.request)
    assert done.entries > 10
    return folder


def test_requests_with_the_expansions_in_place_rank_as_leser_does(backend, cluster: Elasticsearch, store, files):
    weighted = store.searched(backend, weighted=True)
    queries = {query.text: query.id for query in store.queries.queries}
    rows = [json.loads(line) for line in (files / "queries.jsonl").read_text().splitlines()]
    for row in rows:
        answer = cluster.search(index=backend.options.index, body=row["request"])
        ids = [hit["_id"] for hit in answer["hits"]["hits"]]
        assert ids == list(weighted.ranking(queries[row["query"]]).ids)
    assert store.ndcg(weighted) > store.ndcg(store.searched(backend, weighted=False)) + 0.05


def test_the_body_of_the_synonyms_api_holds_each_rule_once(files):
    """The test distribution has no module for the API itself: the form is checked here, the rules' syntax by Solr's parser."""
    rules = json.loads((files / "synonyms-set.json").read_text())["synonyms_set"]
    assert [rule["synonyms"] for rule in rules] == (files / "synonyms.txt").read_text().splitlines()
    assert len({rule["id"] for rule in rules}) == len(rules)


def test_a_query_that_the_analysis_takes_for_another_is_left_out(backend, tmp_path):
    entries = [
        StoredEntry(query, (Expansion(word),), state=EntryState.LIVE, scores={"count": count})
        for query, word, count in (
            ("red sofa", "couch", 9),
            ("Red-Sofa", "settee", 5),
            ("!!!", "couch", 4),
            ("lamp", "?!", 3),
        )
    ]
    done = export(entries, "elasticsearch", tmp_path, analyse=EngineWords(backend).analyze)
    reasons = {row.entry.query: row.reason for row in done.left_out}
    assert done.entries == 1
    assert reasons["Red-Sofa"] == "the engine cannot tell it from 'red sofa' (platform ''), which has a rule"
    assert reasons["!!!"] == "the engine's analysis leaves nothing of the query"
    assert reasons["lamp"] == "the engine's analysis leaves nothing of '?!'"
    assert (
        json.loads((tmp_path / "synonyms-set.json").read_text())["synonyms_set"][0]["synonyms"]
        == "red sofa => red sofa, couch"
    )
