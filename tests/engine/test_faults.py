"""What LESER makes of an engine in trouble: real servers, and a proxy between for what they won't do on demand.

docs/reliability.md is a table of these tests and of those in test_faults_training.py.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from elastic import made, opened
from leser_solr import SolrBackend
from places import ROOT
from servers import Proxy, Server
from servers.elasticsearch import GUEST, GUEST_PASSWORD, guest_revoked
from solr_indexes import index_name, indexed, options_for, remove

from leser.backend import Backend, ExpandedQuery, Ranking, SearchError, Term
from leser.engine import SearchClient, SearchOptions
from leser.environment import Attempt, Environment
from leser.errors import EngineDown
from leser.expansion import Code, ExpansionOptions
from leser.plugins import load_plugins
from leser.scoring import RewardSet
from leser.task import Query, Split
from leser.testing import DOCUMENTS

WORDS = sorted({word for document in DOCUMENTS for word in document.fields["title"].lower().split()})
QUERIES = [ExpandedQuery(f"{first}-{n}", first, (Term(WORDS[n], 0.5),)) for first in WORDS[:6] for n in range(0, 12, 2)]
PATIENT = {"retries": 12, "backoff": 0.001, "cache_size": 0, "deadline": 60.0}
Open = Callable[..., Backend]


@pytest.fixture(params=["elasticsearch", "solr"])
def shop(request: pytest.FixtureRequest) -> Iterator[tuple[Server, Open]]:
    """A server with the kit's documents, and a function that opens a backend on them, at another address if asked."""
    if request.param == "elasticsearch":
        server: Server = request.getfixturevalue("elasticsearch_8")
        index = made(server)
        yield server, lambda url=server.url, **options: opened(url, index, **options)
        server.request("DELETE", f"/{index}?ignore_unavailable=true")
    else:
        server = request.getfixturevalue("solr")
        with indexed(server, DOCUMENTS) as open_:
            yield server, open_


@contextmanager
def client_of(backend: Backend, **options: Any) -> Iterator[SearchClient]:
    """A client with these search options, and its engine opened."""
    backend.check()
    with SearchClient(backend, SearchOptions(**{**PATIENT, **options})) as client:
        yield client


def ids(answers: list[Ranking | SearchError]) -> list[tuple[str, ...]]:
    failed = {answer for answer in answers if isinstance(answer, SearchError)}
    assert not failed
    return [answer.ids for answer in answers if isinstance(answer, Ranking)]


def errors(answers: list[Ranking | SearchError]) -> set[tuple[str, str]]:
    assert all(isinstance(answer, SearchError) for answer in answers), answers
    return {(answer.kind, answer.message) for answer in answers if isinstance(answer, SearchError)}


@pytest.mark.parametrize("fault", ["throttle", "status", "cut", "garble"])
def test_an_answer_spoilt_once_is_asked_for_again(shop: tuple[Server, Open], fault: str) -> None:
    server, open_ = shop
    with client_of(open_()) as client:
        whole = ids(client.search(QUERIES, 5))
    with Proxy(server) as proxy, client_of(open_(url=proxy.url)) as client:
        getattr(proxy, fault)(*([503] if fault == "status" else []), times=2)
        assert ids(client.search(QUERIES, 5)) == whole
        assert proxy.counts[fault] == 2
        assert client.stats().retries > 0
        assert client.stats().errors == 0


def test_answers_keep_their_places_through_a_storm(shop: tuple[Server, Open]) -> None:
    server, open_ = shop
    with client_of(open_()) as client:
        whole = ids(client.search(QUERIES, 5))
        assert len(set(whole)) > 10
    with Proxy(server, seed=5) as proxy, client_of(open_(url=proxy.url), batch_size=4, concurrency=2) as client:
        proxy.throttle(0, probability=0.05)
        proxy.status(503, probability=0.05)
        proxy.cut(probability=0.05)
        proxy.garble(probability=0.05)
        for _ in range(3):
            assert ids(client.search(QUERIES, 5)) == whole
        assert min(proxy.counts[fault] for fault in ("throttle", "status", "cut", "garble")) > 0


@pytest.mark.parametrize(
    ("fault", "told"),
    [("throttle", "429"), ("cut", "answer|closed|chunk|ncomplete"), ("garble", "JSON|read|serializ|decode")],
)
def test_answers_that_stay_spoilt_are_transient_errors(shop: tuple[Server, Open], fault: str, told: str) -> None:
    server, open_ = shop
    with Proxy(server) as proxy, client_of(open_(url=proxy.url), retries=1) as client:
        getattr(proxy, fault)()
        ((kind, message),) = errors(client.search(QUERIES[:1], 5))
        assert kind == "transient"
        assert re.search(told, message), message
        proxy.clear()
        assert ids(client.search(QUERIES[:1], 5)) == ids(open_().search(QUERIES[:1], 5))


def test_the_breaker_names_an_engine_that_only_throttles(shop: tuple[Server, Open]) -> None:
    server, open_ = shop
    with (
        Proxy(server) as proxy,
        client_of(open_(url=proxy.url), retries=0, breaker_window=len(QUERIES)) as client,
    ):
        proxy.throttle()
        with pytest.raises(EngineDown, match=r"failed 36 of the last 36 queries.*429.*resume the run") as caught:
            client.search(QUERIES, 5)
        assert caught.value.exit_code == 75


def test_a_reply_after_the_deadline_is_a_transient_error(shop: tuple[Server, Open]) -> None:
    server, open_ = shop
    with Proxy(server) as proxy, client_of(open_(url=proxy.url), deadline=0.5) as client:
        known = ids(open_().search(QUERIES[:2], 5))
        proxy.delay(3.0)
        assert errors(client.search(QUERIES[:2], 5)) == {("transient", "No answer within 0.5 s (search.deadline)")}
        proxy.clear()
    with Proxy(server) as proxy, client_of(open_(url=proxy.url)) as client:
        assert ids(client.search(QUERIES[:2], 5)) == known


def test_an_engine_that_never_answers_meets_its_timeout(shop: tuple[Server, Open]) -> None:
    server, open_ = shop
    with Proxy(server) as proxy, client_of(open_(url=proxy.url, timeout=0.5), retries=1) as client:
        proxy.hold()
        ((kind, message),) = errors(client.search(QUERIES[:1], 5))
        assert kind == "transient"
        assert re.search(r"time|within 0\.5 s", message), message
        assert proxy.counts["hold"] >= 2


def test_part_of_the_shards_is_no_ranking(elasticsearch_8: Server) -> None:
    first, second = made(elasticsearch_8), made(elasticsearch_8)
    elasticsearch_8.request(
        "POST",
        "/_aliases",
        {"actions": [{"add": {"index": one, "alias": f"both-{first}"}} for one in (first, second)]},
    )
    with client_of(opened(elasticsearch_8, f"both-{first}"), retries=1, breaker_window=1000) as client:
        whole = ids(client.search(QUERIES, 5))
        elasticsearch_8.request("PUT", f"/{second}/_settings", {"index.max_result_window": 1})
        ((kind, message),) = errors(client.search(QUERIES, 5))
        assert kind == "transient"
        assert message.startswith("1 of 2 shards did not answer: Result window is too large")
        elasticsearch_8.request("PUT", f"/{second}/_settings", {"index.max_result_window": None})
        assert ids(client.search(QUERIES, 5)) == whole
    for one in (first, second):
        elasticsearch_8.request("DELETE", f"/{one}")


def test_a_lost_shard_of_a_solr_collection_is_no_ranking(solr_cloud: Server) -> None:
    with index_name(solr_cloud) as names:
        backend = SolrBackend(options_for(solr_cloud, **names, shards=2))
        backend.index(DOCUMENTS)
        with client_of(backend, retries=1) as client:
            assert len(ids(client.search(QUERIES, 5))) == len(QUERIES)
            cores = solr_cloud.get("/admin/cores?action=STATUS&indexInfo=false")["status"]
            lost = next(core for core in cores if core.startswith(f"{names['index']}_shard2"))
            solr_cloud.get(f"/admin/cores?action=UNLOAD&core={lost}")
            state = f"/admin/collections?action=CLUSTERSTATUS&collection={names['index']}"
            while solr_cloud.get(state)["cluster"]["collections"][names["index"]]["shards"]["shard2"]["replicas"]:
                time.sleep(0.05)  # until then Solr asks a core that is not there
            ((kind, message),) = errors(client.search(QUERIES[:4], 5))
            assert kind == "transient", message
            assert "servers hosting shard: shard2" in message


def test_an_index_deleted_during_the_run_ends_it(shop: tuple[Server, Open]) -> None:
    server, open_ = shop
    backend = open_()
    with client_of(backend, breaker_window=4) as client:
        ids(client.search(QUERIES[:3], 5))
        name = backend.options.index  # type: ignore[attr-defined]
        if isinstance(backend, SolrBackend):
            remove(server, name, cloud=False)
        else:
            server.request("DELETE", f"/{name}")
        with pytest.raises(EngineDown, match=r"'(elasticsearch|solr)' failed .*\(engine\).*404.*resume the run"):
            client.search(QUERIES[:4], 5)
        assert client.stats().retries == 0, "no retry brings an index back"


def test_a_fetch_that_finds_the_index_gone_ends_the_run(shop: tuple[Server, Open]) -> None:
    server, open_ = shop
    backend = open_()
    with client_of(backend) as client:
        assert client.fetch(["d01"], ["title"])["d01"].fields["title"]
        name = backend.options.index  # type: ignore[attr-defined]
        if isinstance(backend, SolrBackend):
            remove(server, name, cloud=False)
        else:
            server.request("DELETE", f"/{name}")
        with pytest.raises(EngineDown, match=r"did not give its documents.*Check the engine and resume") as caught:
            client.fetch(["d02"], ["title"])
        assert caught.value.exit_code == 75
        assert "leser index" not in str(caught.value)


def test_originals_and_documents_are_asked_for_until_the_deadline(shop: tuple[Server, Open]) -> None:
    server, open_ = shop
    rewards = RewardSet.from_specs(["nDCG@10"], load_plugins().all("reward"))
    with Proxy(server) as proxy, client_of(open_(url=proxy.url), retries=1) as client:
        environment = Environment(client, rewards, ExpansionOptions())
        proxy.throttle(times=5)
        assert environment.originals([LAMP])["q1"].ids
        proxy.throttle(times=5)
        assert client.fetch(["d07"], ["title"])["d07"].fields["title"]
        assert proxy.counts["throttle"] == 10
    with Proxy(server) as proxy, client_of(open_(url=proxy.url), retries=1, deadline=0.5) as client:
        environment = Environment(client, rewards, ExpansionOptions())
        proxy.throttle()
        with pytest.raises(EngineDown, match=r"failed on the original query 'lamp'.*429"):
            environment.originals([LAMP])
        with pytest.raises(EngineDown, match=r"did not give its documents.*429"):
            client.fetch(["d07"], ["title"])


def test_credentials_revoked_during_the_run_end_it(
    elasticsearch_secure: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = elasticsearch_secure
    index = f"revoked-{os.getpid()}"
    body = "".join(
        f'{{"index": {{}}}}\n{json.dumps(dict(d.fields) | {"contents": d.fields["title"]})}\n' for d in DOCUMENTS
    )
    server.request("POST", f"/{index}/_bulk?refresh=true", body)
    monkeypatch.setenv("GUEST_PASSWORD", GUEST_PASSWORD)
    backend = opened(server, index, user=GUEST, password_env="GUEST_PASSWORD", ca_file=server.ca_file)
    with client_of(backend, breaker_window=4) as client:
        ids(client.search(QUERIES[:3], 5))

        def search_on() -> None:
            for _ in range(300):  # the server looks at its file of users once a second
                client.search(QUERIES[:4], 5)
                time.sleep(0.1)

        told = r"\(engine\): Elasticsearch answered 401"
        with guest_revoked(server), pytest.raises(EngineDown, match=told) as caught:
            search_on()
        assert caught.value.exit_code == 75
        assert GUEST_PASSWORD not in str(caught.value)


LAMP = Query("q1", "lamp")
SHELF = Split("train", (LAMP,), {"q1": {"d07": 1}})


def test_an_engine_that_searches_but_analyses_nothing(shop: tuple[Server, Open]) -> None:
    server, open_ = shop
    attempts = [Attempt(LAMP, 0, said) for said in ("sofa", "lamp", "none", "")]
    with Proxy(server) as proxy, client_of(open_(url=proxy.url), retries=1, breaker_window=14) as client:
        rewards = RewardSet.from_specs(["nDCG@10"], load_plugins().all("reward"))
        environment = Environment(client, rewards, ExpansionOptions())
        for path in ("/_analyze", "/analysis/field"):
            proxy.status(503, path=path)
        judged = environment.judge(attempts, SHELF)
        assert [o.code for o in judged] == [Code.ENGINE_ERROR, Code.ENGINE_ERROR, Code.NONE, Code.PARSE_ERROR]
        scores = environment.score(judged)
        assert scores.excluded.tolist() == [True, True, False, False]
        with pytest.raises(EngineDown, match="analyse"):
            environment.analyze(["sofa"])
        proxy.clear()
        assert [o.code for o in environment.judge(attempts, SHELF)][:2] == [Code.OK, Code.RULE_VIOLATION]
        for path in ("/_analyze", "/analysis/field"):
            proxy.status(503, path=path)
        with pytest.raises(EngineDown, match=r"failed \d+ of the last 14 queries.*503.*resume the run"):
            environment.judge([Attempt(LAMP, 0, f"word{n}") for n in range(14)], SHELF)


def test_the_page_names_each_of_these_tests_once() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    sources = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_faults*.py"))]
    here = set(re.findall(r"^def (test_\w+)", "".join(sources), re.MULTILINE)) - {
        "test_the_page_names_each_of_these_tests_once"
    }
    engines, _, plugins = page.partition("## Faults of a plugin")
    assert sorted(re.findall(r"`(test_\w+)` \|$", engines, re.MULTILINE)) == sorted(here)
    everywhere = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)` \|$", plugins, re.MULTILINE)
    assert len(named) > 5
    assert not [name for name in named if f"def {name}(" not in everywhere]
    options = re.findall(r"`search\.(\w+)`", page)
    assert set(options) <= set(SearchOptions.model_fields)
