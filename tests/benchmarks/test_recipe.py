"""The table of recipes: differences by seed from the first arm, and what it took to reach its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.recipe import ARMS, WHOLE, place, table

FIRST, QUARTER = "32 x 16, whole", "64 x 8, two updates"


def look(completions: int, value: float) -> dict[str, float]:
    return {
        "completions": completions, "value": value, "terms": 1.0, "distinct_terms": 1.0, "zero_variance_groups": 0.1,
        "training_s": 1.0,
    }  # fmt: skip


@pytest.fixture
def out(tmp_path: Path) -> Path:
    ends = {1: (0.70, 0.71, 0.72), 2: (0.68, 0.60, 0.70), 3: (0.69, 0.65, 0.68)}
    for seed, (first, middle, last) in ends.items():
        place(tmp_path, seed, 420, WHOLE, FIRST).write_text(json.dumps([look(0, 0.6), look(51_200, first)]))
        rows = [look(0, 0.6), look(6_400, middle), look(12_800, last)]
        place(tmp_path, seed, 420, WHOLE, QUARTER).write_text(json.dumps(rows))
    return tmp_path


def test_arms_are_compared_seed_by_seed(out: Path) -> None:
    found = table(out, [1, 2, 3], 420, WHOLE)
    assert list(found) == [FIRST, QUARTER], "arms that were not run have no row"
    row = found[QUARTER]
    assert row["over first"]["by seed"] == pytest.approx([0.02, 0.02, -0.01])
    # mean .01, deviation .01732, three seeds: t(.975, 2) = 4.3027 x .01732 / sqrt(3) = .0430
    assert row["over first"]["ci95"] == pytest.approx([-0.033, 0.053], abs=1e-4)
    assert row["completions to first's end"] == [6_400, 12_800, None]


def test_a_quarter_has_a_quarter_of_the_steps_that_its_completions_need() -> None:
    assert ARMS[FIRST].steps(WHOLE) == 100
    assert ARMS[QUARTER].steps(WHOLE) == 25
    assert ARMS["32 x 8, two updates"].steps(WHOLE) == 50
