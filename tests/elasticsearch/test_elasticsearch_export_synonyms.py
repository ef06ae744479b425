"""Exported synonyms in a real Elasticsearch: rules of several words become phrases, and cost what LESER gained.

The filter is a plugin of the tests' own on Lucene's parser (the distribution for tests lacks the module that has it).
"""

from __future__ import annotations

import pytest
from elastic import made, opened
from exported_elastic import parsed, with_set, with_synonyms
from exported_shop import ExportedShop, exported_shop
from leser_elasticsearch import ElasticsearchBackend
from servers import Server

from leser.backend import ExpandedQuery
from leser.engine.words import EngineWords
from leser.evaluation.systems import SystemRun
from leser.expansion import Expansion
from leser.expansion_store import EntryState, StoredEntry
from leser.export.forms import export
from leser.export.rules import synonym_rule


@pytest.fixture
def server(elasticsearch_synonyms: Server) -> Server:
    return elasticsearch_synonyms


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ExportedShop:
    return exported_shop(tmp_path_factory.mktemp("store"))


@pytest.fixture
def backend(server: Server, store: ExportedShop) -> ElasticsearchBackend:
    return opened(server, made(server, store.documents))


def test_synonyms_keep_a_small_part_of_the_gain(server, backend, store, tmp_path):
    done = export(store.entries, "elasticsearch", tmp_path, analyse=EngineWords(backend).analyze)
    assert done.entries > 10
    original, weighted = (store.searched(backend, weighted=weighted) for weighted in (False, True))
    with_synonyms(server, backend.options.index, (tmp_path / "synonyms.txt").read_text().splitlines())
    figures = store.kept(original, weighted, store.searched(backend, weighted=False))
    assert figures["leser"] > 0.05
    assert figures["share"] < 0.6
    assert figures["overlap@10"] < 0.9


def test_a_set_of_the_api_ranks_as_the_same_rules_in_the_settings(server, backend, store, tmp_path):
    done = export(store.entries, "elasticsearch", tmp_path, analyse=EngineWords(backend).analyze)
    with_synonyms(server, backend.options.index, list(map(str, done.rules)))
    reader = opened(server, made(server, store.documents))
    reader.put_synonyms("ranked", done.rules)
    with_set(server, reader.options.index, "ranked")
    assert f"Loaded again by: {reader.options.index}." in reader.put_synonyms("ranked", done.rules)
    by_settings, by_set = (store.searched(one, weighted=False) for one in (backend, reader))
    for query in by_set.rankings:  # documents of one score stand in each index's own order
        assert scores(by_set, query) == pytest.approx(scores(by_settings, query))
    assert store.ndcg(by_set) != store.ndcg(
        store.searched(opened(server, made(server, store.documents)), weighted=False)
    )


def test_a_rule_of_one_word_is_another_spelling_and_one_of_several_is_a_phrase(server, backend):
    entries = [
        StoredEntry(query, (Expansion("settee", 0.5),), state=EntryState.LIVE)
        for query in ("sofa", "loveseat room", "x => y, z", "#1 couch")
    ]
    with_synonyms(server, backend.options.index, [str(synonym_rule(entry)) for entry in entries])

    def read(text: str) -> str:
        body = backend.request(ExpandedQuery("q", text), 10)
        assert body is not None
        return parsed(server, backend.options.index, body["query"])

    assert words_of(read("sofa")) == ["contents:settee", "contents:sofa"]
    assert "Synonym(" in read("sofa")
    assert words_of(read("loveseat room")) == ['contents:"loveseat', "contents:settee", 'room"'], "a phrase"
    for query in ("x => y, z", "#1 couch"):  # signs of the rule file are data
        assert "settee" in read(query), query
    assert "settee" not in read("loveseat")


def scores(run: SystemRun, query: str) -> list[float]:
    ranking = run.ranking(query)
    assert ranking is not None
    return [hit.score for hit in ranking.hits]


def words_of(read: str) -> list[str]:
    """In an order of their own: that of alternatives is not the engine's to keep."""
    return sorted(read.removeprefix("Synonym").strip("()").split())
