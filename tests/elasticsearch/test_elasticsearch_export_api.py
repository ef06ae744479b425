"""`leser export --load` on a real Elasticsearch: the synonyms set holds what was exported and no more, and indices read it.

The API is Elasticsearch's own; the filter that reads a set, and the action by which it is emptied, are the tests' plugin.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result
from elastic import made, opened
from exported_elastic import parsed
from leser_elasticsearch import ElasticsearchBackend
from places import ROOT
from servers import Server

from leser.backend import SynonymRule
from leser.cli.main import group
from leser.errors import LeserError
from leser.expansion import Expansion
from leser.expansion_store import EntryState, StoredEntry
from leser.stores import open_store


@pytest.fixture(scope="module")
def backend(elasticsearch_synonyms: Server) -> ElasticsearchBackend:
    return opened(elasticsearch_synonyms, made(elasticsearch_synonyms))


def load(backend: ElasticsearchBackend, folder: Path, name: str, *more: str, **queries: str) -> Result:
    with open_store(str(folder / "head.jsonl"), create=True) as store:
        store.write(
            StoredEntry(query.replace("_", " "), (Expansion(word, 0.5),), state=EntryState.LIVE)
            for query, word in queries.items()
        )
    flags = ["-o", f"url={backend.options.url[0]}", "-o", f"index={backend.options.index}"]
    given = ["export", str(folder / "head.jsonl"), "--format", "elasticsearch", "--out", str(folder / "out")]
    return CliRunner().invoke(group, [*given, "--backend", "elasticsearch", *flags, "--load", name, *more])


def held(server: Server, name: str) -> set[str]:
    answer = server.get(f"/_synonyms/{name}?size=100")
    return {rule["synonyms"] for rule in answer["synonyms_set"]}


def test_a_second_export_takes_the_place_of_the_first(elasticsearch_synonyms, backend, tmp_path):
    first = load(backend, tmp_path, "shop", lamp="light", red_sofa="couch", rug="carpet")
    assert first.exit_code == 0, first.output
    assert "Loaded: 3 rules into the synonyms set 'shop'" in first.output
    assert "(before: 0)" in first.output
    assert "No index reads it yet" in first.output
    second = load(backend, tmp_path, "shop", lamp="lantern", rug="carpet")
    assert "Loaded: 2 rules into the synonyms set 'shop'" in second.output
    assert "(before: 3)" in second.output
    assert held(elasticsearch_synonyms, "shop") == {"lamp => lamp, lantern", "rug => rug, carpet"}


def test_an_index_made_as_the_page_says_searches_with_the_set_at_once(elasticsearch_synonyms, backend, tmp_path):
    load(backend, tmp_path, "leser", lamp="light")
    index = f"page-{uuid4().hex}"
    page = (ROOT / "docs" / "precompute.md").read_text(encoding="utf-8")
    said, _ = re.findall(r"^```json\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    elasticsearch_synonyms.request("PUT", f"/{index}", json.loads(said))
    done = load(backend, tmp_path, "leser", lamp="lantern")
    assert f"Loaded again by: {index}." in done.output, done.output
    read = parsed(elasticsearch_synonyms, index, {"match": {"title": "lamp"}})
    assert sorted(read.removeprefix("Synonym").strip("()").split()) == ["title:lamp", "title:lantern"]


def test_a_name_that_is_no_set_is_refused_before_anything_is_sent(backend, tmp_path):
    done = load(backend, tmp_path, "a/b", lamp="light")
    assert "'a/b' is not a valid name of a synonyms set" in str(done.exception)


def test_more_rules_than_the_server_takes_are_an_error_in_its_words(backend):
    rules = [SynonymRule(f"r{n}", f"w{n}", (f"w{n}", "x"), f"w{n} => w{n}, x") for n in range(10_001)]
    with pytest.raises(LeserError, match=r"does not take the synonyms set 'many': .*10000"):
        backend.put_synonyms("many", rules)


def test_a_server_without_the_api_says_so(elasticsearch_8, tmp_path):
    """The plain distribution for tests takes a set and cannot empty it: the server's own words are shown."""
    plain = opened(elasticsearch_8, made(elasticsearch_8))
    with pytest.raises(LeserError, match="failed to find action"):
        plain.put_synonyms("shop", [SynonymRule("r", "a", ("a", "b"), "a => a, b")])
