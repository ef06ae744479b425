"""`leser store`: generations in words, the checksum, the way back; and what `leser serve` refuses before it starts."""

from __future__ import annotations

from pathlib import Path

from inspected_runs import refused, said
from served import entry, write_store


def test_generations_are_listed_verified_and_rolled_back(tmp_path: Path) -> None:
    place = write_store(tmp_path / "head.jsonl", entry("a", "a1"))
    write_store(place, entry("a", "a2"), entry("b"))
    lines = said("store", "list", place).splitlines()
    assert lines[0].startswith("current  generation 2: 2 entries, 0 edits, written 20")
    assert lines[1].startswith("before   generation 1: 1 entries")
    assert "The checksum holds." in said("store", "verify", place)
    assert "Generation 1 is current again." in said("store", "rollback", place)
    place.write_text(place.read_text().replace("a1", "a9"))
    assert "is damaged" in refused("store", "verify", place)


def test_what_cannot_be_served_is_refused_before_anything_starts(tmp_path: Path) -> None:
    place = write_store(tmp_path / "head.db", entry("a", "a1"))
    assert "is not a run with a policy" in refused("serve", "--store", place, "--policy", tmp_path)
    assert "There is no store" in refused("serve", "--store", tmp_path / "other.db")
    assert "budget" in refused("serve", "--store", place, "-o", "budget=3")
    assert "it has no '='" in refused("serve", "--store", place, "-o", "budget_ms")
