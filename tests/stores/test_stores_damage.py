"""Damaged stores: what a crash or a stray hand leaves is known, and never read as if it were whole."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from served import entry, write_store

from leser.errors import LeserError
from leser.stores import open_store


def test_a_changed_entry_is_found(tmp_path: Path) -> None:
    place = write_store(tmp_path / "head.db", entry("a", "a1"), entry("b", "b1"))
    with sqlite3.connect(place) as db:
        db.execute("UPDATE entries SET line = replace(line, 'a1', 'a2')")
    with open_store(str(place)) as store, pytest.raises(LeserError, match="is damaged: generation 1 should hold 2"):
        store.verify()


def test_a_truncated_database_is_an_error(tmp_path: Path) -> None:
    place = write_store(tmp_path / "head.db", *(entry(f"q{n}", "x" * 50) for n in range(500)))
    os.truncate(place, place.stat().st_size // 2)
    with pytest.raises(LeserError, match="cannot be read or written"), open_store(str(place)) as store:
        store.verify()


def test_a_database_that_was_put_in_its_place_is_followed(tmp_path: Path) -> None:
    place, other = (
        write_store(tmp_path / "head.db", entry("a", "a1")),
        write_store(tmp_path / "new.db", entry("b", "b1")),
    )
    with open_store(str(place)) as store:
        assert store.get("a") is not None
        for ending in ("-wal", "-shm"):
            place.with_name(place.name + ending).unlink(missing_ok=True)
        other.replace(place)
        assert store.get("a") is None
        assert store.get("b") is not None


def test_a_killed_writer_leaves_the_old_generation(tmp_path: Path) -> None:
    place = write_store(tmp_path / "head.db", entry("a", "a1"))

    def dies() -> object:
        yield from (entry(f"q{n}") for n in range(6_000))
        raise KeyboardInterrupt

    with open_store(str(place)) as store:
        with pytest.raises(KeyboardInterrupt):
            store.write(dies())  # type: ignore[arg-type]
        store.verify()
        assert [e.query for e in store.entries()] == ["a"]
        assert store.write([entry("b")]).entries == 1
        store.verify()


def test_only_one_writes_a_generation(tmp_path: Path) -> None:
    place = write_store(tmp_path / "head.db", entry("a"))

    def another() -> object:
        yield entry("b")
        with open_store(str(place)) as second, pytest.raises(LeserError, match="Another process writes"):
            second.write([entry("c")])

    with open_store(str(place)) as store:
        assert store.write(another()).entries == 1  # type: ignore[arg-type]


def test_lines_that_were_cut_or_changed(tmp_path: Path) -> None:
    place = write_store(tmp_path / "head.jsonl", entry("a", "a1"), entry("b", "b1"))
    with open_store(str(place)) as store:
        store.put([entry("c", "c1")])
    whole = place.read_bytes()
    place.write_bytes(whole[:-20])  # an edit that was cut by a crash
    with open_store(str(place)) as store:
        assert {e.query for e in store.entries()} == {"a", "b"}
        store.put([entry("d", "d1")])
        assert {e.query for e in store.entries()} == {"a", "b", "d"}
    for damaged in (whole[: len(whole) // 3], whole.replace(b"a1", b"a2"), whole.replace(b"c1", b"c2"), b"", b"{}\n"):
        place.write_bytes(damaged)
        with open_store(str(place)) as store, pytest.raises(LeserError, match=r"damaged|not a store"):
            list(store.entries())
