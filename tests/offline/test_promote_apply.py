"""`leser promote OLD NEW --apply`: a promoted store becomes the old one's next generation, and decisions of people stay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from settings import small_task

from leser.cli.main import group
from leser.expansion import Expansion
from leser.expansion_store import EntryState, StoredEntry
from leser.stores import open_store

BEFORE, AFTER = "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_task(tmp_path_factory.mktemp("task") / "shop")


@pytest.fixture
def held_out(task: Path) -> list[str]:
    return [json.loads(line)["text"] for line in (task / "queries.jsonl").read_text().splitlines()][:3]


def entry(query: str, word: str, state: EntryState = EntryState.LIVE, time: str = BEFORE) -> StoredEntry:
    return StoredEntry(query, (Expansion(word, 0.01),), state=state, time=time)


def store(place: Path, *entries: StoredEntry) -> str:
    with open_store(str(place), create=True) as made:
        made.write(entries)
    return str(place)


def promoted(task: Path, old: str, new: str, *more: str) -> tuple[int, str]:
    given = ["--task", str(task), "--backend", "memory", "--split", "train", *more]
    done = CliRunner().invoke(group, ["promote", old, new, *given], standalone_mode=False)
    return (2 if done.exception else done.return_value), done.output + str(done.exception or "")


def words(place: str) -> dict[str, tuple[str, str]]:
    with open_store(place) as opened:
        opened.verify()
        return {e.query: (e.expansions[0].text, str(e.state)) for e in opened.entries()}


def test_a_promoted_store_is_the_next_generation_and_can_be_rolled_back(task, held_out, tmp_path):
    old = store(tmp_path / "live.db", entry(held_out[0], "zebra"))
    new = store(tmp_path / "new.db", entry(held_out[0], "quagga"), entry("rare lamp", "light"))
    code, said = promoted(task, old, new, "--apply")
    assert code == 0, said
    assert "The new store's entries are generation 2 of the old one now." in said
    assert words(old) == {held_out[0]: ("quagga", "live"), "rare lamp": ("light", "live")}
    with open_store(old) as opened:
        assert opened.current().note == f"promoted from {new}"
        opened.rollback()
    assert words(old) == {held_out[0]: ("zebra", "live")}


def test_decisions_of_people_stay_and_the_later_of_two_holds(task, held_out, tmp_path):
    withdrawn, approved = EntryState.WITHDRAWN, EntryState.APPROVED
    old = store(
        tmp_path / "live.db",
        entry(held_out[0], "zebra", withdrawn),
        entry(held_out[1], "zebra", withdrawn, AFTER),
        entry(held_out[2], "zebra", approved),
        entry("only here", "zebra", approved),
    )
    new = store(
        tmp_path / "new.db",
        entry(held_out[0], "quagga"),
        entry(held_out[1], "quagga", approved),
        entry(held_out[2], "quagga", approved, AFTER),
    )
    code, said = promoted(task, old, new, "--apply", "--json")
    assert code == 0, said
    verdict = json.loads(said)
    assert verdict["generation"] == 2
    assert verdict["new"]["expanded"] == 1, "what people withdrew counts as withdrawn in the new one, too"
    assert words(old) == {
        held_out[0]: ("zebra", "withdrawn"),
        held_out[1]: ("zebra", "withdrawn"),
        held_out[2]: ("quagga", "approved"),
        "only here": ("zebra", "approved"),
    }


def test_what_is_not_promoted_is_not_written(task, held_out, tmp_path):
    old = store(tmp_path / "live.db", entry(held_out[0], "zebra"))
    new = store(tmp_path / "new.db", entry(held_out[0], held_out[0].split()[0]))
    code, said = promoted(task, old, new, "--apply")
    assert code == 1
    assert "Not promoted:" in said
    assert words(old) == {held_out[0]: ("zebra", "live")}


def test_without_apply_nothing_is_written(task, held_out, tmp_path):
    old, new = store(tmp_path / "live.db", entry(held_out[0], "zebra")), store(tmp_path / "n.db", entry("a", "b"))
    assert promoted(task, old, new)[0] == 0
    assert words(old) == {held_out[0]: ("zebra", "live")}


def test_stores_without_a_held_out_query_compare_nothing(task, tmp_path):
    old, new = (store(tmp_path / name, entry("nobody judged this", "zebra")) for name in ("old.db", "new.db"))
    code, said = promoted(task, old, new, "--apply")
    assert code == 1
    assert "Neither expands any of the held-out queries, so nothing was compared." in said


def test_only_a_store_can_take_over_a_store(task, tmp_path):
    new = store(tmp_path / "new.db", entry("a", "b"))
    code, said = promoted(task, "original", new, "--apply")
    assert code == 2
    assert "--apply writes the store NEW into the store OLD, and 'original' is not a store." in said
