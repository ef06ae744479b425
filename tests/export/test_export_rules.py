"""Rule files: exact forms, escapes, what cannot be said, limits."""

from __future__ import annotations

import csv
import json

import pytest
from settings import small_task

from leser.errors import LeserError
from leser.expansion import Expansion
from leser.expansion_store import EntryState, StoredEntry
from leser.export.forms import export
from leser.export.rules import NotExpressible, querqy_rule, synonym_rule
from leser.stores import open_store


def entry(query: str, *expansions: Expansion, count: int = 1, state: EntryState = EntryState.LIVE) -> StoredEntry:
    return StoredEntry(query, expansions, state=state, scores={"count": count})


COUCH = entry("Couch  grey", Expansion("sofa", 0.5), Expansion("love seat", 0.25), count=7)


def test_querqys_common_rule():
    assert querqy_rule(COUCH) == (
        '"couch grey" =>\n  SYNONYM(0.25): sofa\n  SYNONYM(0.125): love seat\n  @_id: "' + str(querqy_rule(COUCH))[-17:]
    ), "querqy adds a synonym to each of the two words, so each has half of the weight"
    assert "SYNONYM(0.5): sofa" in str(querqy_rule(entry("couch", Expansion("sofa", 0.5))))
    assert str(querqy_rule(entry("a", Expansion("b", 1e-5)))).splitlines()[1] == "  SYNONYM(0.00001): b"


@pytest.mark.parametrize("text", ['12" monitor', "a # b", "wild*", "{x}", "$1", "title:x", "a=>b", "a\\b"])
def test_what_querqy_would_read_as_syntax_is_refused(text):
    assert isinstance(querqy_rule(entry(text, Expansion("b"))), NotExpressible)
    assert isinstance(querqy_rule(entry("a", Expansion(text))), NotExpressible)


@pytest.mark.parametrize("query", ["-black sofa", "sofa +red"])
def test_a_query_that_querqy_reads_as_operators_is_refused(query):
    refused = querqy_rule(entry(query, Expansion("b")))
    assert isinstance(refused, NotExpressible)
    assert "as an operator" in refused.reason
    assert str(querqy_rule(entry("wi-fi c++ a - b", Expansion("-b")))).startswith('"wi-fi c++ a - b" =>')


def test_a_synonym_keeps_the_query_on_the_right_and_escapes_its_signs():
    assert str(synonym_rule(COUCH)) == "couch grey => couch grey, sofa, love seat"
    assert str(synonym_rule(entry("a, b", Expansion("x => y")))) == "a\\, b => a\\, b, x \\=> y"
    assert str(synonym_rule(entry("#1", Expansion("c\\d")))) == "\\#1 => \\#1, c\\\\d"
    assert isinstance(synonym_rule(entry("a", Expansion("b\u200bc"))), NotExpressible)


def test_only_what_is_served_is_exported_most_frequent_first(tmp_path):
    entries = [
        entry("rare", Expansion("x"), count=1),
        entry("often", Expansion("y"), count=5),
        entry("no", Expansion("z"), state=EntryState.PROPOSED),
        entry("gone", Expansion("z"), state=EntryState.WITHDRAWN),
        entry("alone"),
    ]
    done = export(entries, "opensearch", tmp_path)
    assert (tmp_path / "synonyms.txt").read_text() == "often => often, y\nrare => rare, x\n"
    assert done.entries == 2
    with pytest.raises(LeserError, match="nothing to export"):
        export(entries[2:], "querqy", tmp_path)


def test_the_limit_of_rules_leaves_the_rarest_out_and_lists_them(tmp_path):
    entries = [entry(f"query {n}", Expansion("x"), count=n) for n in range(30)]
    done = export(entries, "elasticsearch", tmp_path, limit=10)
    body = json.loads((tmp_path / "synonyms-set.json").read_text())["synonyms_set"]
    assert [rule["synonyms"] for rule in body][:2] == ["query 29 => query 29, x", "query 28 => query 28, x"]
    assert len(body) == done.entries == 10
    listed = list(csv.reader((tmp_path / "left-out.csv").open(newline="")))
    assert listed[0] == ["query", "platform", "reason"]
    assert listed[1] == ["query 19", "", "over the limit of 10 rules"]
    assert len(listed) == 21


def test_solrs_managed_synonyms_hold_the_query_itself(tmp_path):
    export([COUCH], "solr", tmp_path)
    held = json.loads((tmp_path / "managed-synonyms.json").read_text())
    assert held == {"couch grey": ["couch grey", "sofa", "love seat"]}


def test_json_lines_are_read_back_as_the_same_entries(tmp_path):
    odd = entry('12" # a => b, c\\d', Expansion("e^f; g", 1 / 3))
    export([COUCH, odd], "jsonl", tmp_path)
    read = [StoredEntry.of(json.loads(line)) for line in (tmp_path / "entries.jsonl").read_text().splitlines()]
    assert read == [COUCH, odd]


def test_what_an_engine_does_with_a_form_is_said(tmp_path):
    one, several = entry("lamp", Expansion("light")), entry("red lamp", Expansion("light"))
    assert "tie=1.0 and uq.similarityScore=on" in export([one], "querqy", tmp_path).remark
    assert "several words on the left" not in export([one], "solr", tmp_path).remark
    assert "1 of the 2 rules have several words on the left" in export([one, several], "elasticsearch", tmp_path).remark
    assert export([one], "jsonl", tmp_path).remark == ""


def test_a_server_is_given_synonyms_only_where_there_are_some_and_it_has_an_api(tmp_path):
    from click.testing import CliRunner

    from leser.cli.main import group

    with open_store(str(tmp_path / "head.jsonl"), create=True) as store:
        store.write([COUCH])

    def said(*flags: str) -> str:
        command = ["export", str(tmp_path / "head.jsonl"), "--out", str(tmp_path / "out"), "--load", "shop", *flags]
        done = CliRunner().invoke(group, command)
        assert done.exit_code != 0
        return done.output + str(done.exception)

    memory = ("--backend", "memory", "--task", str(small_task(tmp_path / "task")))
    assert "--load needs the server" in said("--format", "solr")
    assert "the format 'querqy' has none" in said("--format", "querqy", *memory)
    assert "The backend 'memory' has no API that takes synonyms" in said("--format", "solr", *memory)
