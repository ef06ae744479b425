"""The parts of the benchmark of holes that decide its verdict, on numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.holes import closed, compared, hidden
from leser.backend import Hit, Ranking
from leser.evaluation.systems import SystemRun
from leser.task import Query, Split

A, B = Query("a", "couch"), Query("b", "lamp")
SPLIT = Split("all", (A, B), {"a": {"1": 2, "2": 0, "3": 1, "4": 0}, "b": {"5": 1, "6": 0}})


def ranking(*ids: str) -> Ranking:
    return Ranking(tuple(Hit(id, float(len(ids) - n)) for n, id in enumerate(ids)))


ORIGINAL = SystemRun("original", {"a": ranking("x", "2", "4", "1"), "b": ranking("6")})


def test_a_closed_world_holds_judged_documents_alone() -> None:
    found = closed(ORIGINAL, SPLIT)
    assert found.ranking("a").ids == ("2", "4", "1")  # type: ignore[union-attr]


def test_hidden_by_depth_is_what_the_original_shows_last_or_never() -> None:
    """Of a the first two of the original's order stay, and no relevant document: the query leaves. b keeps 6 of 6, 5."""
    assert hidden(SPLIT, closed(ORIGINAL, SPLIT), "depth", 0).queries == ()
    better = SystemRun("original", {"a": ranking("1", "4", "2"), "b": ranking("5")})
    found = hidden(SPLIT, better, "depth", 0)
    assert found.qrels == {"a": {"1": 2, "4": 0}, "b": {"5": 1}}
    assert found.queries == (A, B)


def test_hidden_at_random_keeps_half_by_the_seed() -> None:
    kept = [hidden(SPLIT, closed(ORIGINAL, SPLIT), "random", seed).qrels for seed in range(20)]
    assert all(len(qrels["a"]) == 2 and len(qrels["b"]) == 1 for qrels in kept)
    assert len({tuple(sorted(qrels["a"])) for qrels in kept}) > 2
    assert kept[3] == hidden(SPLIT, closed(ORIGINAL, SPLIT), "random", 3).qrels


def test_tau_and_the_error_of_gains_are_of_mean_values() -> None:
    full = np.array([[0.1, 0.2, 0.3, 0.4]] * 6)
    swapped = np.array([[0.1, 0.3, 0.2, 0.4]] * 6)
    found = compared(full, {"zero": swapped, "skip": full + 0.2})
    assert found["skip"] == {"tau": 1.0, "ci95": [1.0, 1.0], "over_zero": [pytest.approx(0.333)] * 2, "gain_error": 0.0}
    assert found["zero"]["tau"] == pytest.approx(0.667)
    assert found["zero"]["gain_error"] == pytest.approx(0.2 / 3, abs=1e-4)
