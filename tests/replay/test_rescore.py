"""Stored completions judged again: by hand in a small shop, and a real run's by its own reward."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from inspected_runs import refused, said
from verified_shop import COUCH, RUG, SPLIT, environment_of

from leser.errors import LeserError
from leser.replay.rescore import rescore, write_rescored
from leser.replay.stored import Stored, queries_of, read_stored
from leser.replay.summary import summarised


def stored(step: int, query: str, completion: str, reward: float | None, code: str = "ok") -> Stored:
    texts = {"q1": "couch", "q2": "rug"}
    return Stored(step, query, texts[query], completion, reward, code)


ROWS = [
    stored(1, "q1", "sofa", 0.2), stored(1, "q1", "none", 0.6, "none"), stored(1, "q1", "lamp", 0.4),
    stored(2, "q2", "none", 0.5, "none"), stored(2, "q2", "none", 0.5, "none"), stored(2, "q2", "wool", None, "engine_error"),
]  # fmt: skip
QUERIES = {"q1": COUCH, "q2": RUG}


def write(path: Path, rows: Sequence[Stored]) -> Path:
    columns = ("step", "query_id", "query", "completion", "reward", "code")
    pq.write_table(pa.Table.from_pylist([{name: getattr(row, name) for name in columns} for row in rows]), path)
    return path


def test_each_different_completion_is_searched_once_and_scored_as_in_training() -> None:
    environment = environment_of()
    found = rescore(environment, SPLIT, QUERIES, ROWS)
    different = {"couch", "couch+sofa", "couch+lamp", "rug", "rug+wool"}
    assert environment.client.stats().searches == len(different) + len(QUERIES), (
        "and the originals, deeper, for prompts"
    )
    # nDCG@5 of "couch": couch1, couch2 and the cover before it or after them; with sofa all four sofas come in
    assert found.names == ("nDCG@5",)
    assert found.total[0] == found.total[:3].max() > found.original["q1"]
    assert found.total[1] == found.original["q1"]
    assert found.total[3] == found.total[4] == found.original["q2"] == 1.0
    assert found.codes == ("ok", "none", "ok", "none", "none", "ok"), "the search that failed then works now"
    assert found.gain[1] == 0.0


def test_the_summary_by_hand() -> None:
    found = rescore(environment_of(), SPLIT, QUERIES, ROWS)
    summary = summarised(found, 1e-6)
    assert (summary.completions, summary.distinct, summary.queries, summary.groups, summary.failed) == (6, 5, 2, 2, 0)
    assert summary.means["total"] == pytest.approx(float(found.total.mean()))
    assert [(part.first, part.last) for part in summary.parts] == [(1, 1), (2, 2)]
    assert [part.zero_variance_trained for part in summary.parts] == [0.0, 1.0]
    assert summary.parts[1].zero_variance == 1.0, "wool changes nothing: every rug is wool"
    assert summary.parts[0].trained == pytest.approx(0.4)
    assert summary.best is not None
    assert summary.best_by_trained is not None
    assert summary.best.delta == pytest.approx(found.gain[0] / 2), (
        "best of couch's group is sofa, rug has nothing to gain"
    )
    assert summary.best_by_trained.delta == 0.0, "the trained reward liked none best, which gains nothing"
    trained = np.array([0.2, 0.6, 0.4]) - 0.4
    now = found.total[:3] - found.total[:3].mean()
    by_hand = float((trained * now).sum() / np.sqrt((trained**2).sum() * (now**2).sum()))
    assert summary.correlation_in_groups == pytest.approx(by_hand)
    assert by_hand < 0 < float(np.ptp(found.total[:3]))


def test_a_completion_that_was_cut_stays_unreadable() -> None:
    cut = [stored(1, "q1", "sofa", -0.1, "parse_error"), stored(1, "q1", "sofa", 0.4)]
    found = rescore(environment_of(), SPLIT, QUERIES, cut)
    assert found.codes == ("parse_error", "ok")
    assert found.total[0] < found.original["q1"] < found.total[1]


def test_without_any_spread_no_correlation_is_claimed() -> None:
    summary = summarised(rescore(environment_of(), SPLIT, QUERIES, ROWS[3:5]), 1e-6)
    assert summary.correlation is None
    assert summary.correlation_in_groups is None


def test_what_is_written_is_read_again_with_the_new_reward(tmp_path: Path) -> None:
    found = rescore(environment_of(), SPLIT, QUERIES, ROWS)
    write_rescored(tmp_path / "new.parquet", found)
    again = read_stored(tmp_path / "new.parquet")
    assert [row.reward for row in again] == found.total.tolist()
    rows = pq.read_table(tmp_path / "new.parquet").to_pylist()
    assert [row["reward_trained"] for row in rows] == [row.reward for row in ROWS]
    assert rows[0]["original"] == found.original["q1"]


def test_files_that_hold_no_rollouts_say_so(tmp_path: Path) -> None:
    with pytest.raises(LeserError, match=r"no \.parquet file in its folder rollouts"):
        read_stored(tmp_path)
    with pytest.raises(LeserError, match=r"there is no \.parquet file\."):
        read_stored(tmp_path / "missing.parquet")
    (tmp_path / "text.parquet").write_text("not parquet")
    with pytest.raises(LeserError, match="cannot be read"):
        read_stored(tmp_path / "text.parquet")
    pq.write_table(pa.table({"step": [1]}), tmp_path / "other.parquet")
    with pytest.raises(LeserError, match="lacks the column query_id"):
        read_stored(tmp_path / "other.parquet")


def test_another_task_is_refused() -> None:
    with pytest.raises(LeserError, match=r"train query q1 'couch' is 'sofa' in this task\. Give the task"):
        queries_of(type(SPLIT)("train", (type(COUCH)("q1", "sofa"),), {}), ROWS, Path("run"))
    with pytest.raises(LeserError, match="q2 'rug' is not in this task"):
        queries_of(type(SPLIT)("train", (COUCH,), {}), ROWS, Path("run"))


def test_a_run_judged_by_its_own_reward_earns_what_it_earned(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "again.parquet"
    summary = json.loads(said("rescore", made, "--out", out, "--json"))
    rows = pq.read_table(out).to_pylist()
    assert len(rows) == summary["completions"] == len(read_stored(made))
    assert [row["reward"] for row in rows] == pytest.approx([row["reward_trained"] for row in rows], abs=1e-12)
    assert summary["correlation"] == pytest.approx(1.0)


def test_by_another_reward_in_words(made: Path) -> None:
    text = said("rescore", made, "--reward", "R@100=0.5")
    for part in ("Reward: 0.5 x R@100", "Means: R@100 ", "zero variance, this", "within groups", "best of a group +"):
        assert part in text, part
    assert "is not valid: the file is written as Parquet" in refused("rescore", made, "--out", "new.jsonl")
