"""The life cycle of entries: CSV out, edited, and in again; single decisions."""

from __future__ import annotations

import csv

import pytest
from click.testing import CliRunner

from leser.cli.main import group
from leser.errors import LeserError
from leser.expansion import Expansion
from leser.expansion_store import EntryState, StoredEntry
from leser.offline.cycle import decide, read_entries, selected, write_entries
from leser.stores import open_store

ENTRIES = [
    StoredEntry("couch", (Expansion("sofa", 0.5), Expansion("love^seat", 1 / 3)), scores={"count": 9, "gain": 0.08}),
    StoredEntry("=cmd()", (Expansion("+1", 1.0),), state=EntryState.LIVE),
    StoredEntry("rug", (), state=EntryState.LIVE, scores={"count": 50}),
    StoredEntry("rug", (Expansion("teppich", 0.5),), platform="de", state=EntryState.LIVE),
]


@pytest.fixture
def place(tmp_path):
    with open_store(str(tmp_path / "head.db"), create=True) as store:
        store.write(ENTRIES)
    return str(tmp_path / "head.db")


def edit(path, **changes):
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row |= changes.get(row["query"].strip() + row["platform"], {})
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)


def test_a_file_that_was_not_edited_changes_nothing(place, tmp_path):
    out = tmp_path / "e.csv"
    with open_store(place) as store:
        assert write_entries(out, selected(store)) == 4
        assert read_entries(out, store) == []
    assert [row[0] for row in csv.reader(out.open(newline=""))] == ["query", "rug", "couch", " =cmd()", "rug"]


def test_edits_are_read_back(place, tmp_path):
    out = tmp_path / "e.csv"
    with open_store(place) as store:
        write_entries(out, selected(store))
        edit(out, couch={"state": "approved"}, rug={"expansions": "carpet ^0.25"}, rugde={"state": "withdrawn"})
        changed = {entry.key: entry for entry in read_entries(out, store)}
        store.put(changed.values())
        assert store.get("couch").expansions == ENTRIES[0].expansions
    assert {key: entry.state for key, entry in changed.items()} == {
        ("", "couch"): EntryState.APPROVED,
        ("", "rug"): EntryState.APPROVED,
        ("de", "rug"): EntryState.WITHDRAWN,
    }
    assert changed["", "rug"].expansions == (Expansion("carpet", 0.25),)
    assert changed["", "rug"].policy == "person"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"state": "perhaps"},
            "line 3: the state 'perhaps' is not valid. Write one of proposed, approved, live, withdrawn",
        ),
        ({"expansions": "sofa;;"}, "line 3: the expansions cannot be read"),
    ],
)
def test_what_cannot_be_read_changes_nothing(place, tmp_path, change, said):
    out = tmp_path / "e.csv"
    with open_store(place) as store:
        write_entries(out, selected(store))
        edit(out, couch=change)
        with pytest.raises(LeserError, match=said):
            read_entries(out, store)


def test_decisions(place):
    with open_store(place) as store:
        decide(store, ["COUCH "], EntryState.APPROVED)
        decide(store, ["never stored"], EntryState.WITHDRAWN)
        assert store.get("couch").served == ENTRIES[0].expansions
        assert store.get("never stored").state is EntryState.WITHDRAWN
        with pytest.raises(LeserError, match="no entry for 'nothing'"):
            decide(store, ["nothing"], EntryState.APPROVED)
        assert [entry.query for entry in selected(store, EntryState.APPROVED)] == ["couch"]


def test_the_commands(place, tmp_path):
    def leser(*arguments):
        done = CliRunner().invoke(group, [*map(str, arguments)])
        assert done.exit_code == 0, done.output
        return done.output

    assert "proposed        9 x  +0.080  couch  ->  sofa ^0.5; love^seat ^0.3333333333333333" in leser(
        "entries", "list", place
    )
    leser("entries", "approve", place, "couch")
    leser("entries", "withdraw", place, "rug", "--platform", "de")
    assert "rug" in leser("entries", "list", place, "--state", "withdrawn")
    leser("entries", "export", place, "--out", tmp_path / "e.csv")
    assert leser("entries", "import", place, tmp_path / "e.csv").startswith("0 entries changed")


def test_a_query_that_is_left_alone_says_which_guard_did_it_and_shows_no_gain_of_what_was_refused(place, tmp_path):
    refused = StoredEntry("lamp", (), state=EntryState.LIVE, scores={"gain": 0.4, "count": 3.0}, reason="nothing_found")
    with open_store(place) as store:
        store.put([refused])
        write_entries(tmp_path / "e.csv", selected(store))
    listed = CliRunner().invoke(group, ["entries", "list", place]).output
    assert "live            3 x          lamp  ->  none (nothing found)" in listed
    (row,) = [row for row in csv.DictReader((tmp_path / "e.csv").open(newline="")) if row["query"] == "lamp"]
    assert (row["gain"], row["count"], row["reason"]) == ("", "3", "nothing_found")
