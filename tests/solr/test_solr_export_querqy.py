"""querqy's own plugin in a real Solr reads the exported rules, and ranks with them as LESER does."""

from __future__ import annotations

import string
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from exported_shop import ExportedShop, exported_shop, overlap
from exported_solr import AS_LESER, parsed, querqy_request, searched_by_querqy, with_querqy
from leser_solr import SolrBackend
from servers import Server, start_solr
from solr_indexes import indexed

from leser.engine.words import EngineWords
from leser.expansion import Expansion
from leser.expansion_store import EntryState, StoredEntry
from leser.export.forms import export
from leser.export.rules import querqy_rule


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ExportedShop:
    return exported_shop(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with start_solr(tmp_path_factory.mktemp("querqy"), querqy=True) as solr:
        yield solr


@pytest.fixture(scope="module")
def backend(server: Server, store: ExportedShop) -> Iterator[SolrBackend]:
    with indexed(server, store.documents) as open_:
        yield open_()


def test_rules_keep_the_whole_gain_where_fields_and_words_are_added_up(server, backend, store, tmp_path):
    done = export(store.entries, "querqy", tmp_path, analyse=EngineWords(backend).analyze)
    assert "tie=1.0" in done.remark
    with_querqy(server, backend, (tmp_path / "rules.txt").read_text())
    queries = store.queries.queries
    plain, ruled = (searched_by_querqy(server, backend, queries, AS_LESER, rules=rules) for rules in (False, True))
    before, leser = (store.searched(backend, weighted=weighted) for weighted in (False, True))
    gain = store.ndcg(leser) - store.ndcg(before)
    assert gain > 0.05
    assert store.ndcg(ruled) - store.ndcg(plain) > 0.9 * gain
    assert overlap(leser, ruled) > 0.9


def test_an_expansion_stands_at_each_word_of_exactly_this_query_with_its_share_of_the_weight(server, backend):
    with_querqy(server, backend, str(querqy_rule(entry("small room", "loveseat"))))

    def read(text: str) -> str:
        return parsed(server, backend, querqy_request(backend, text, AS_LESER, 10, True))

    assert read("Small  Room").count("contents:loveseat") == 2
    for other in ("small", "small room lamp", "room small"):
        assert "loveseat" not in read(other), other
    alone = searched_score(server, backend, "small room")
    with_querqy(server, backend, str(querqy_rule(entry("loveseat", "settee"))))
    assert alone == pytest.approx(0.5 * searched_score(server, backend, "loveseat"), rel=1e-5)


def searched_score(server: Server, backend: SolrBackend, text: str) -> float:
    """The score of a document that holds nothing of the query but the word loveseat."""
    asked = {
        **querqy_request(backend, text, AS_LESER, 1, True),
        "fq": "-contents:small -contents:room +contents:loveseat",
    }
    answer = server.get(f"/{backend.options.index}/select?{urlencode(asked)}&wt=json")
    return float(answer["response"]["docs"][0]["score"])


def entry(query: str, *words: str) -> StoredEntry:
    return StoredEntry(query, tuple(Expansion(word, 0.5) for word in words), state=EntryState.LIVE)


def test_every_sign_that_a_rule_may_hold_is_read_as_it_stands(server, backend):
    rules = {}
    for sign in string.punctuation:
        for query, word in ((f"q{sign}y lamp", "sofa"), (f"{sign} lamp", "sofa"), ("small lamp", f"so{sign}fa sofa")):
            rules[f"{query} {sign}".strip()] = querqy_rule(entry(f"{query} {sign}".strip(), word))
    said = {query: rule for query, rule in rules.items() if isinstance(rule, str)}
    assert len(said) > 50
    with_querqy(server, backend, "\n\n".join(said.values()))
    for query in said:
        assert "contents:sofa" in parsed(server, backend, querqy_request(backend, query, AS_LESER, 10, True)), query
    operator = parsed(server, backend, querqy_request(backend, "-lamp sofa", AS_LESER, 10, True))
    assert operator == "-contents:lamp contents:sofa"  # why a rule for such a query is refused
