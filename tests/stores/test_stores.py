"""Stores: what each kind must hold to, with SQLite, JSON lines and a real Redis."""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from served import entry, free_port

from leser.errors import LeserError
from leser.expansion_store import EntryState, Store, query_key
from leser.stores import open_store

Opener = Callable[[], Store]


@pytest.fixture(scope="module")
def redis_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = shutil.which("redis-server")
    assert server, "these tests need redis-server: apt-get install redis-server"
    port = free_port()
    command = [server, "--port", str(port), "--save", "", "--dir", str(tmp_path_factory.mktemp("redis"))]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while True:
            try:
                open_store(f"redis://127.0.0.1:{port}/0").close()
                break
            except LeserError:
                assert time.monotonic() < end
                time.sleep(0.1)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(params=["sqlite", "jsonl", "redis"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    if request.param == "redis":
        address = request.getfixturevalue("redis_address")
        return lambda: open_store(address, options={"key": tmp_path.name})
    ending = {"sqlite": "db", "jsonl": "jsonl"}[request.param]
    return lambda: open_store(str(tmp_path / f"head.{ending}"), create=True)


def test_a_generation_is_read_back_whole(opener: Opener) -> None:
    given = [entry("red sofa", "couch", "loveseat"), entry("lamp"), entry("red sofa", "divan", platform="de")]
    with opener() as store:
        assert store.current() is None
        assert store.get("red sofa") is None
        made = store.write(given, note="nightly")
        assert (made.number, made.entries, made.note) == (1, 3, "nightly")
        store.verify()
    with opener() as again:
        assert again.current() == made
        assert sorted(again.entries(), key=lambda e: e.key) == sorted(given, key=lambda e: e.key)
        assert again.get("  RED   Sofa ") == given[0]
        assert again.get("red sofa", "de") == given[2]
        assert again.get("red") is None


def test_of_two_entries_with_one_key_the_later_holds(opener: Opener) -> None:
    with opener() as store:
        assert store.write([entry("Lamp", "light"), entry("lamp", "torch")]).entries == 1
        found = store.get("lamp")
        assert found is not None
        assert [e.text for e in found.expansions] == ["torch"]
        store.verify()


def test_edits_are_seen_by_others_and_counted(opener: Opener) -> None:
    with opener() as store, opener() as other:
        store.write([entry("tv", "television", state=EntryState.PROPOSED)])
        proposed = other.get("tv")
        assert proposed is not None
        assert proposed.served == ()
        other.put([proposed.in_state("approved")])
        other.put([entry("new", "newer")])
        seen, generation = store.get("tv"), store.current()
        assert seen is not None
        assert generation is not None
        assert [e.text for e in seen.served] == ["television"]
        assert (generation.entries, generation.edits) == (2, 2)
        assert [e.query for e in store.changes(0)] == ["tv", "new"]
        assert [e.query for e in store.changes(1)] == ["new"]
        store.verify()


def test_decisions_survive_a_refresh_and_new_decisions_replace_them(opener: Opener) -> None:
    with opener() as store:
        store.write([entry("a", "a1"), entry("b", "b1"), entry("c", "c1"), entry("d", "d1")])
        store.put([entry("a", "a1", state=EntryState.APPROVED), entry("b", "b1", state=EntryState.WITHDRAWN)])
        store.put([entry("d", "d1", state=EntryState.APPROVED)])
        store.write([entry("a", "a2"), entry("b", "b2"), entry("d", "d2", state=EntryState.WITHDRAWN)])
        store.verify()
        found = {e.query: (str(e.state), [x.text for x in e.expansions]) for e in store.entries()}
        assert found == {"a": ("approved", ["a1"]), "b": ("withdrawn", ["b1"]), "d": ("withdrawn", ["d2"])}
        store.write([entry("a", "a3")], keep_decided=False)
        assert [(e.query, str(e.state)) for e in store.entries()] == [("a", "live")]


def test_rollback_goes_to_the_generation_before_with_its_edits(opener: Opener) -> None:
    with opener() as store:
        with pytest.raises(LeserError, match="no generation before"):
            store.rollback()
        store.write([entry("a", "a1")])
        store.put([entry("b", "b1")])
        store.write([entry("a", "a2")])
        assert store.rollback().number == 1
        store.verify()
        assert {e.query for e in store.entries()} == {"a", "b"}
        assert store.rollback().number == 2
        assert store.write([entry("c")]).number == 3
        assert [g.number for g in store.generations()] == [3, 2]


def test_an_edit_needs_a_generation_and_an_entry_a_query(opener: Opener) -> None:
    with opener() as store:
        with pytest.raises(LeserError, match="no generation yet"):
            store.put([entry("a")])
        with pytest.raises(LeserError, match="without a query"):
            store.write([entry(" ")])
        with pytest.raises(LeserError, match="1001 characters"):
            store.write([entry("a" * 1001)])
        assert store.current() is None


def _write_many(place: str, start: int) -> None:
    with open_store(place, create=True) as store:
        for at in range(start, start + 20):
            store.put([entry(f"q{at}", "x")])


@pytest.mark.parametrize("ending", ["db", "jsonl"])
def test_edits_of_several_processes_are_all_kept(tmp_path: Path, ending: str) -> None:
    place = str(tmp_path / f"head.{ending}")
    with open_store(place, create=True) as store:
        store.write([entry("a")])
        context = multiprocessing.get_context("spawn")
        writers = [context.Process(target=_write_many, args=(place, start)) for start in (0, 100)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(120)
        assert len(list(store.entries())) == 41
        store.verify()


def test_addresses(tmp_path: Path) -> None:
    with pytest.raises(LeserError, match="Write NAME:PLACE with one of jsonl, redis, sqlite"):
        open_store(str(tmp_path / "head"))
    with pytest.raises(LeserError, match="There is no store"):
        open_store(str(tmp_path / "head.db"))
    with pytest.raises(LeserError, match="may not hold a password"):
        open_store("redis://:secret@localhost/0")
    with pytest.raises(LeserError, match="does not answer"):
        open_store(f"redis://127.0.0.1:{free_port()}/0")
    with open_store(f"sqlite:{tmp_path / 'any'}", create=True) as store:
        assert store.name == "sqlite"


def test_queries_are_compared_by_composed_folded_words() -> None:
    assert query_key("  STRASSE\tCafe\u0301 ") == query_key("straße café") == "strasse café"
