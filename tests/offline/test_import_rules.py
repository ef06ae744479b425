"""`leser entries import`: rules are asked about what a person wrote, before anything is stored."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from settings import small_task

from leser.cli.main import group
from leser.expansion import Expansion
from leser.expansion_store import EntryState, StoredEntry
from leser.stores import open_store

ENTRIES = [
    StoredEntry("couch", (Expansion("sofa", 0.5),), state=EntryState.PROPOSED),
    StoredEntry("lamp", (Expansion("light", 0.5),), state=EntryState.LIVE),
    StoredEntry("rug", (Expansion("teppich", 0.5),), platform="de", state=EntryState.LIVE),
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_task(tmp_path_factory.mktemp("task") / "shop")


@pytest.fixture
def place(tmp_path: Path) -> str:
    with open_store(str(tmp_path / "head.db"), create=True) as store:
        store.write(ENTRIES)
    return str(tmp_path / "head.db")


def edited(place: str, **changes: dict[str, str]) -> Path:
    """The store's CSV file with some cells of these queries changed."""
    path = Path(place).with_name("edited.csv")
    done = CliRunner().invoke(group, ["entries", "export", place, "--out", str(path)])
    assert done.exit_code == 0, done.output
    with path.open(newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(row | changes.get(row["query"], {}) for row in rows)
    return path


def imported(place: str, file: Path, *more: object) -> Result:
    return CliRunner().invoke(group, [*map(str, ["entries", "import", place, file, *more])])


def rules(shop: Path) -> tuple[object, ...]:
    return "--task", shop, "--backend", "memory", "-o", "rules.banned.words=['gun', 'sofabed']"


def test_what_breaks_a_rule_is_named_and_nothing_is_imported(place, shop):
    file = edited(
        place, couch={"expansions": "sofa ^0.5; nail gun ^0.25", "state": "live"}, lamp={"expansions": "lantern"}
    )
    done = imported(place, file, *rules(shop))
    assert "'couch' -> 'nail gun': " in str(done.exception)
    assert "(banned)" in str(done.exception)
    assert "'lamp'" not in str(done.exception)
    with open_store(place) as store:
        assert sorted(store.entries(), key=lambda e: e.key) == sorted(ENTRIES, key=lambda e: e.key)


def test_what_keeps_the_rules_is_imported(place, shop):
    file = edited(place, couch={"expansions": "settee ^0.5"}, lamp={"state": "approved"})
    done = imported(place, file, *rules(shop))
    assert done.exit_code == 0, done.exception
    assert done.output.startswith("2 entries changed")
    with open_store(place) as store:
        assert store.get("couch").served == (Expansion("settee", 0.5),)


def test_expansions_that_no_rule_was_asked_about_need_a_word(place, shop):
    file = edited(place, couch={"expansions": "nail gun"}, lamp={"state": "withdrawn"})
    done = imported(place, file)
    assert "No rule was asked about the 1 changed entries with expansions" in str(done.exception)
    assert imported(place, file, "--unchecked").output.startswith("2 entries changed")


def test_a_withdrawal_needs_no_rules(place):
    done = imported(place, edited(place, couch={"state": "withdrawn"}))
    assert done.output.startswith("1 entries changed"), done.exception


def test_rules_of_one_platform_do_not_speak_for_another(place, shop):
    done = imported(place, edited(place, rug={"expansions": "laeufer"}), *rules(shop))
    assert "entries are of the platform 'de', and the rules that were named are those of ''" in str(done.exception)
