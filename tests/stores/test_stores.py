"""Stores that come with LESER beyond their contract: edits of several processes, addresses, how queries are compared."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from served import entry, free_port

from leser.errors import LeserError
from leser.expansion_store import query_key
from leser.stores import open_store


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
