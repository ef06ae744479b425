"""The rows of verified search in benchmarks.without_labels: a command makes them, with an arm's judge and without a policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import without_labels
from benchmarks.searched_teachers import keep, search_row, search_rows, searched
from benchmarks.without_labels import READER, SEARCHED, arms, shown, table
from leser.config.build import complete
from leser.config.load import config_of
from leser.errors import LeserError
from leser.plugins import load_plugins


def searched_arm(arm: str, folder: Path, **more: object) -> dict[str, list[object]]:
    registry = load_plugins([READER])
    given = without_labels.values(1, arm, folder)
    given["task"]["train"], given["verified"] = 120, {**given["verified"], **more}
    return searched(complete(config_of(given), registry), registry, "nDCG@10", limit=6)


def test_the_search_of_a_learned_arm_is_measured_on_the_true_labels_that_it_never_read(tmp_path: Path) -> None:
    found = searched_arm("judged-learned", tmp_path, budget=40)
    assert len(found) == 6
    assert sum(float(str(after)) - float(str(before)) for before, after, _ in found.values()) > 0.1
    assert all(before == after for before, after, alone in found.values() if alone)


def test_an_arm_that_knows_labels_alone_has_no_row(tmp_path: Path) -> None:
    with pytest.raises(LeserError, match="says anything of a query without its judgments"):
        searched_arm("judged", tmp_path, budget=4)
    assert set(SEARCHED) < set(arms(Path(), Path()))
    assert "judged" not in SEARCHED


def test_a_row_by_hand_and_its_place_in_the_table(tmp_path: Path) -> None:
    assert search_row([[0.5, 1.0, False], [0.5, 0.25, False], [0.0, 0.0, True], [0.0, 0.75, False]]) | {"gain": []} == {
        "original": 0.25,
        "search": 0.5,
        "gain": [],
        "left_alone": 0.25,
        "hurt": 0.25,
    }
    keep(tmp_path, 21, "encoder", {"q": [0.5, 1.0, False], "r": [0.5, 0.5, True]})
    keep(tmp_path, 22, "encoder", {"q": [0.0, 0.5, False], "r": [0.0, 0.0, True]})
    (row,) = search_rows(tmp_path, [21, 22, 23], ["encoder", "ctr-learned"]).values()
    assert (row["original"], row["search"], row["gain"][0], row["left_alone"]) == (0.25, 0.5, 0.25, 0.5)
    whole = table([21, 22], ["encoder"], tmp_path)
    assert whole["search"] == {"encoder": row}
    assert '"left_alone": 0.5' in shown(whole)
