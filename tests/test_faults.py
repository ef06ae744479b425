"""What LESER makes of an engine in trouble: real servers, and a proxy between for what they won't do on demand.

docs/reliability.md is a table of these tests.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import tomli_w
from elastic import made, opened
from leser_solr import SolrBackend
from servers import Proxy, Server, start_elasticsearch, start_solr
from servers.elasticsearch import GUEST, GUEST_PASSWORD, revoke_guest
from settings import small, small_task
from solr_indexes import index_name, indexed, options_for, remove

from leser.backend import Backend, Document, ExpandedQuery, Ranking, SearchError, Term
from leser.config import backend_of, complete, load_config, task_of
from leser.errors import EngineDown
from leser.plugins import load_plugins
from leser.run.runner import run
from leser.search import SearchClient, SearchOptions
from leser.testing import DOCUMENTS

ROOT = Path(__file__).resolve().parent.parent
WORDS = sorted({word for document in DOCUMENTS for word in document.fields["title"].lower().split()})
QUERIES = [ExpandedQuery(f"{first}-{n}", first, (Term(WORDS[n], 0.5),)) for first in WORDS[:6] for n in range(0, 12, 2)]
PATIENT = {"retries": 12, "backoff": 0.001, "cache_size": 0, "deadline": 60.0}
Open = Callable[..., Backend]

SHORT = {
    "warmup": {"max_queries": 40, "max_evaluations": 2, "steps_between_evaluations": 6},
    "evaluation": {"baselines": ["original"], "best_of": 0, "prompted": False, "warmup_plus": False},
    "rewards": {"weights": ["nDCG@10=1.0"]},
}

OBSERVER = '''
"""Does what a test wants done after a step of GRPO."""
from leser.hooks import hookimpl
AFTER, steps = {}, []

@hookimpl
def leser_step(metrics):
    if metrics["phase"] == "grpo" and "reward" in metrics:
        steps.append(metrics)
        AFTER.get(len(steps), lambda: None)()
'''


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


# -- searches ----------------------------------------------------------------------------------------------------------


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
        assert errors(client.search(QUERIES[:2], 5)) == {("transient", "No answer within 0.5 s (deadline)")}
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
    with client_of(opened(elasticsearch_8, f"both-{first}"), retries=1) as client:
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
            ((kind, message),) = errors(client.search(QUERIES[:4], 5))
            assert kind == "transient"
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
        revoke_guest(server)

        def search_on() -> None:
            for _ in range(300):  # the server looks at its file of users once a second
                client.search(QUERIES[:4], 5)
                time.sleep(0.1)

        with pytest.raises(EngineDown, match=r"\(engine\): Elasticsearch answered 401") as caught:
            search_on()
        assert caught.value.exit_code == 75
        assert GUEST_PASSWORD not in str(caught.value)


# -- trainings ---------------------------------------------------------------------------------------------------------


def training(folder: Path, backend: dict[str, Any], **tables: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a training of seconds on an engine."""
    merged = {name: {**SHORT.get(name, {}), **tables.get(name, {})} for name in {*SHORT, *tables}}
    task = {"name": str(folder / "task")}
    return small(folder / "run", task=task, **merged) | {"backend": backend}


def indexed_task(config: Path, documents: Callable[[int], bool] = lambda _: True, **options: str) -> None:
    """Build the index of a configuration, or the part of it that `documents` picks by number."""
    registry = load_plugins()
    resolved = complete(load_config(config, {}, [f"{key}={value}" for key, value in options.items()]), registry)
    engine = backend_of(resolved, registry)
    task = task_of(resolved, registry)
    assert task.documents is not None
    chosen: list[Document] = [document for n, document in enumerate(task.documents()) if documents(n)]
    engine.index(chosen)
    engine.close()


def rollouts(run_folder: Path) -> list[dict[str, Any]]:
    return [row for f in sorted((run_folder / "rollouts").glob("*.parquet")) for row in pq.read_table(f).to_pylist()]


def test_a_training_outlives_a_killed_server_and_a_lost_shard(tmp_path: Path) -> None:
    """Half of the documents are in one index, half in another, searched as one."""
    small_task(tmp_path / "task")
    config = tmp_path / "run.toml"
    observer = tmp_path / "observer.py"
    observer.write_text(OBSERVER)
    with start_elasticsearch(tmp_path / "own") as server, Proxy(server) as proxy:
        backend = {"name": "elasticsearch", "url": proxy.url, "index": "half-*", "analyzer": "standard"}
        search = {"retries": 1, "backoff": 0.05, "breaker_window": 100_000}
        table = training(tmp_path, backend, search=search, training={"steps": 8, "steps_between_evaluations": 4})
        config.write_text(tomli_w.dumps(table))
        indexed_task(config, lambda n: n % 2 == 0, index="half-0")
        indexed_task(config, lambda n: n % 2 == 1, index="half-1")

        def come_back_with_a_shard_less() -> None:
            assert server.folder is not None
            uuid = server_index_uuid
            shutil.rmtree(server.folder / "data" / "indices" / uuid / "0")
            server.probe = "/_cluster/health/half-0?wait_for_status=yellow&timeout=1s"
            server.start()

        def make_it_whole() -> None:
            server.request("DELETE", "/half-1")
            indexed_task(config, lambda n: n % 2 == 1, index="half-1")

        server_index_uuid = server.get("/half-1/_settings")["half-1"]["settings"]["index"]["uuid"]
        registry = load_plugins([observer])
        watch = sys.modules["leser_plugin_observer"]
        watch.AFTER.update(
            {
                4: lambda: proxy.before(server.kill, path="/_msearch"),
                5: come_back_with_a_shard_less,
                6: make_it_whole,
            }
        )
        assert run(complete(load_config(config, {}), registry), registry) == 0

    rows = rollouts(tmp_path / "run")
    steps = sorted({row["step"] for row in rows})
    assert len(steps) == 8
    failed = {step: sum(row["code"] == "engine_error" for row in rows if row["step"] == step) for step in steps}
    assert [step for step in steps if failed[step]] == steps[4:6], failed
    for row in rows:
        lost = row["code"] == "engine_error"
        assert (row["reward"] is None) == lost, row
        assert not lost or row["advantage"] == 0.0
    by_step = {metrics["step"]: metrics for metrics in watch.steps}
    for step in steps:
        assert by_step[step]["engine_errors"] == pytest.approx(failed[step] / 16)
    assert "systems" in json.loads((tmp_path / "run" / "evaluation.json").read_text())


def leser_run(*arguments: str, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from leser.cli.main import run_main; run_main()", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with log.open("wb") as file:
        return subprocess.Popen(command, stdout=file, stderr=file, env=environment)


def test_a_server_killed_for_good_ends_the_run_which_resumes(tmp_path: Path) -> None:
    small_task(tmp_path / "task")
    config, log, metrics = tmp_path / "run.toml", tmp_path / "log", tmp_path / "run" / "metrics.jsonl"
    with start_solr(tmp_path / "own") as server, Proxy(server) as proxy:
        backend = {"name": "solr", "url": proxy.url, "index": "shop", "configset": "leser"}
        search = {"retries": 1, "backoff": 0.05, "breaker_window": 16}
        table = training(tmp_path, backend, search=search, training={"steps": 10, "steps_between_evaluations": 2})
        config.write_text(tomli_w.dumps(table))
        indexed_task(config)
        process = leser_run("--config", str(config), log=log)

        def grpo_steps() -> int:
            text = metrics.read_text() if metrics.exists() else ""
            return sum('"phase": "grpo"' in line and '"reward"' in line for line in text.splitlines())

        while process.poll() is None and grpo_steps() < 3:
            time.sleep(0.02)
        proxy.before(server.kill, path="/select")
        assert process.wait() == 75, log.read_text()
        told = re.sub(r"\s+", " ", log.read_text())
        assert "Error: The engine 'solr' failed" in told
        assert "Check the engine and resume the run." in told
        assert f"leser-run --config {tmp_path / 'run' / 'config.toml'} --resume" in told
        assert "Traceback" not in told
        kept = sorted((tmp_path / "run" / "checkpoints").glob("step-*"))
        assert kept

        server.start()
        assert leser_run("--config", str(config), "--resume", log=log).wait() == 0, log.read_text()
    rows = rollouts(tmp_path / "run")
    assert len({row["step"] for row in rows}) == 10
    assert not any(row["code"] == "engine_error" for row in rows), "the steps that failed were made again"
    assert (tmp_path / "run" / "evaluation.json").exists()
