"""What the service leans on dies while requests come: the answer is a 200 each time, and what is left of it goes on."""

from __future__ import annotations

import shutil
import signal
import time
import tomllib
from pathlib import Path

import tomli_w
from places import ROOT
from redis_server import redis
from served import Served, asking, entry, free_port, serving, write_store

from leser.expansion_store import StoredEntry
from leser.stores import open_store

QUICK = ("-o", "refresh_s=0.1")
GIVEN = {"query": "tv", "state": "approved", "expansions": [{"text": "television", "weight": 0.5}]}


def test_a_dead_engine_is_felt_by_searches_alone_and_comes_back(made: Path, tmp_path: Path) -> None:
    run, dead = shutil.copytree(made, tmp_path / "run"), tmp_path / "dead"
    config = tomllib.loads((run / "config.toml").read_text())
    config["backend"]["name"] = "mortal"
    config["search"]["deadline"] = 5.0
    config["plugins"] = [str(ROOT / "tests" / "support" / "mortal_engine.py")]
    (run / "config.toml").write_text(tomli_w.dumps(config))
    store = write_store(tmp_path / "head.db", entry("red sofa", "couch"))
    options = ("nice=0", "budget_ms=30000", "search_ms=30000", "hung_s=40")
    flags = (*QUICK, "--policy", str(run), *(part for option in options for part in ("-o", option)))
    with serving(tmp_path, store, *flags, MORTAL=str(dead)) as served:
        served.until("/readyz policy", "ready", 300)
        served.search_until_ready()
        policy, engine = served.pid("policy"), served.pid("engine")
        dead.touch()
        with asking(served) as found:
            answer = served.client.get("/v1/search", params={"q": "a blue chair"})
            assert (answer.status_code, "does not answer" in answer.text) == (503, True)
            _until(lambda: found[200, "original", "engine_error"] > 70, served)  # more than the breaker takes
            assert found[200, "store", ""] > 0
        assert {status for status, _, _ in found} == {200}
        assert served.client.get("/v1/expand", params={"q": "green armchair 3"}).json()["reason"] == "engine_error"
        dead.unlink()
        served.search_until_ready()
        _until(lambda: served.expand("green armchair 3")["reason"] != "engine_error", served)
        assert (served.pid("policy"), served.pid("engine")) == (policy, engine)  # neither was started again


def test_a_store_file_that_another_replaces_is_followed(tmp_path: Path) -> None:
    store = write_store(tmp_path / "head.db", entry("red sofa", "couch"))
    other = write_store(tmp_path / "new.db", entry("red sofa", "settee"), entry("lamp"))
    with serving(tmp_path, store, *QUICK) as served, asking(served) as found:
        for ending in ("-wal", "-shm"):
            store.with_name(store.name + ending).unlink(missing_ok=True)
        time.sleep(1.1)  # a generation is known by its number and its second
        write_store(other, entry("red sofa", "settee"), entry("lamp"))
        other.replace(store)
        served.until("/readyz entries", 2)
        assert served.expand("red sofa")["expansions"] == [{"text": "settee", "weight": 0.5}]
    assert {(status, source) for status, source, _ in found} == {(200, "store"), (200, "original")}


def test_a_killed_redis_is_felt_by_decisions_alone_and_comes_back(tmp_path: Path) -> None:
    port = free_port()
    address = f"redis://127.0.0.1:{port}/0"
    with redis(port, tmp_path) as server:
        _write(address, entry("red sofa", "couch"))
        with serving(tmp_path, address, *QUICK) as served, asking(served) as found:
            server.send_signal(signal.SIGKILL)
            server.wait(10)
            _until(lambda: served.client.get("/readyz").json()["store"] != "ok", served)
            answer = served.client.post("/v1/decisions", json=GIVEN)
            assert (answer.status_code, "nothing changed" in answer.text) == (503, True)
            assert served.expand("tv")["reason"] == "unknown"
            assert served.expand("red sofa")["source"] == "store"
            with redis(port, tmp_path):  # it comes back empty: what is served goes on
                _until(lambda: "empty" in served.client.get("/readyz").json()["store"], served)
                assert served.expand("red sofa")["source"] == "store"
                _write(address, entry("red sofa", "settee"))
                served.until("/readyz store", "ok")
                _until(lambda: served.expand("red sofa")["expansions"] == [{"text": "settee", "weight": 0.5}], served)
                assert served.client.post("/v1/decisions", json=GIVEN).status_code == 200
    assert {(status, source) for status, source, _ in found} == {(200, "store"), (200, "original")}


def _write(address: str, *entries: StoredEntry) -> None:
    with open_store(address, create=True) as store:
        store.write(entries)


def _until(said: object, served: Served, seconds: float = 120.0) -> None:
    assert callable(said)
    end = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < end, served.log.read_text()[-3000:]
        time.sleep(0.1)
