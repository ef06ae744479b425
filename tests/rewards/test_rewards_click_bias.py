"""The position bias of a log as shops have it: many documents, each shown some dozens of times, most never clicked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from leser.formats.clicks import ClickOptions, Counts, Shown, judge_clicks, position_bias


def log_of(pairs: int, looked: dict[int, float], seed: int) -> Counts:
    """Each pair is shown 30 times at each of two neighbouring ranks; three in four are liked once in twenty looks."""
    rng = np.random.default_rng(seed)
    counts = {}
    for number in range(pairs):
        first = int(rng.integers(len(looked) - 1))
        liked = 0.05 if rng.random() < 0.75 else 0.5
        counts["q", f"d{number}"] = {
            rank: Shown(30, int(rng.binomial(30, looked[rank] * liked))) for rank in (first, first + 1)
        }
    return counts


def test_the_bias_of_ranks_is_found_among_many_documents_that_are_hardly_clicked() -> None:
    looked = {rank: 1 / (rank + 1) for rank in range(10)}
    assert position_bias(log_of(8000, looked, 1)) == pytest.approx(looked, rel=0.2)


def test_a_rank_that_no_telling_document_stood_at_keeps_the_ratio_of_its_clicks() -> None:
    counts = {
        ("q", "a"): {0: Shown(100, 40), 1: Shown(100, 20)},
        ("q", "b"): {2: Shown(100, 12)},
        ("q", "c"): {0: Shown(100, 0), 1: Shown(100, 0)},
    }
    assert position_bias(counts) == pytest.approx({0: 1.0, 1: 0.5, 2: 0.12 / 0.2}, abs=1e-3)


class Counted(Shown):
    """Counts of a document at a rank, which count how often they are read."""

    reads = 0

    def __getattribute__(self, name: str) -> Any:
        Counted.reads += 1
        return super().__getattribute__(name)


@pytest.mark.parametrize("model", ["coec", "ips", "ctr"])
def test_a_document_s_judgment_costs_no_look_at_all_the_others(model: str) -> None:
    """With a look at the whole log for each document, a log of a hundred thousand took hours."""
    log = log_of(500, {rank: 1 / (rank + 1) for rank in range(10)}, 2)
    counts = {pair: {r: Counted(s.impressions, s.clicks) for r, s in ranks.items()} for pair, ranks in log.items()}
    Counted.reads = 0
    judged = judge_clicks(counts, ClickOptions.model_validate({"model": model}))
    assert len(judged) == 500
    assert Counted.reads < 50 * 2 * 500
