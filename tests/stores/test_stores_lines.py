"""Entries as lines, as a service copies them: the same as the entries, counted by the same checksum; damage shows."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from served import entry, write_store

from leser.errors import LeserError
from leser.expansion_store import Checksum, StoredEntry, line_of
from leser.serving.head import Head
from leser.stores import open_store


@pytest.mark.parametrize("ending", ["db", "jsonl"])
def test_lines_are_the_entries_and_what_the_checksum_counts(ending: str, tmp_path: Path) -> None:
    place = write_store(
        tmp_path / f"head.{ending}", entry("Rotes  Sofa", "couch"), entry("b", platform="de"), entry("ü", "ue")
    )
    with open_store(str(place)) as store:
        store.put([entry("b", "changed", platform="de"), entry("new", "neu")])
        found = dict(store.lines())
        assert found == {one.key: line_of(one) for one in store.entries()}
        counted, current = Checksum(), store.current()
        for line in found.values():
            counted.add_line(line)
        assert current is not None
        assert (counted.count, counted.value) == (current.entries, current.checksum) == (4, current.checksum)


def test_a_changed_line_is_not_taken_over(tmp_path: Path) -> None:
    place = write_store(tmp_path / "head.db", entry("a", "a1"), entry("b", "b1"))
    with sqlite3.connect(place) as db:
        db.execute("UPDATE entries SET line = replace(line, 'a1', 'a2')")
    with open_store(str(place)) as store, pytest.raises(LeserError, match="checksum of generation 1 differs"):
        Head(store, 1.0)


@pytest.mark.parametrize("weight", ["Infinity", "NaN", "-Infinity"])
def test_a_weight_that_no_answer_can_hold_is_refused(weight: str) -> None:
    row = {"query": "a", "state": "live", "expansions": [{"text": "b", "weight": float(weight)}]}
    with pytest.raises(LeserError, match="is not a finite number"):
        StoredEntry.of(row)
