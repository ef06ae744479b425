"""Targets out of the best completions of an earlier run's rollouts, each proven once more."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tomli_w
from inspected_runs import refused, said
from settings import small
from verified_shop import SPLIT, environment_of

from leser.errors import LeserError
from leser.warmup.options import WarmupOptions
from leser.warmup.replayed import replayed_targets


def rollouts(path: Path, *rows: tuple[str, str, float | None, str]) -> Path:
    texts = {"q1": "couch", "q2": "rug", "q3": "desk"}
    table = [
        {"step": step, "query_id": id_, "query": texts[id_], "completion": said, "reward": reward, "code": code}
        for step, (id_, said, reward, code) in enumerate(rows)
    ]
    pq.write_table(pa.Table.from_pylist(table), path)
    return path


def options(path: Path, **values: object) -> WarmupOptions:
    return WarmupOptions.model_validate({"from_rollouts": path, "targets_per_query": 2, "min_share": 0.5, **values})


def test_the_best_completions_that_gain_become_targets_once_each(tmp_path: Path) -> None:
    path = rollouts(
        tmp_path / "r.parquet",
        ("q1", "sofa; leather", 0.9, "ok"), ("q1", "leather; sofa", 0.9, "ok"), ("q1", "sofa", 0.8, "ok"),
        ("q1", "cover", 0.7, "ok"), ("q1", "none", 0.5, "none"), ("q2", "wool", 0.4, "ok"), ("q3", "lamp", 0.1, "ok"),
        ("q3", "lamp tall", None, "engine_error"),
    )  # fmt: skip
    targets = replayed_targets(environment_of(), SPLIT, options(path), 1)
    said_of = {query: [t.completion for t in targets if t.query.id == query] for query in ("q1", "q2", "q3")}
    assert len(said_of["q1"]) == 2, "one set of terms is one target, in whatever order it was sampled"
    assert "sofa" in said_of["q1"]
    assert "sofa; leather" in said_of["q1"]
    assert said_of["q2"] == [], "wool gains nothing: rugs are found already, and that proves nothing of others"
    assert said_of["q3"] == ["lamp"]
    assert all(target.gain >= 0.005 for target in targets)


def test_a_margin_that_none_reaches_says_so_and_nothing_is_learned(tmp_path: Path) -> None:
    path = rollouts(tmp_path / "r.parquet", ("q1", "sofa", 0.9, "ok"))
    with pytest.raises(LeserError, match=r"none of the 1 best completions of 1 queries earns 0\.95 more"):
        replayed_targets(environment_of(), SPLIT, options(path, min_gain=0.95), 1)


def test_rollouts_without_a_search_are_refused(tmp_path: Path) -> None:
    path = rollouts(tmp_path / "r.parquet", ("q1", "x", 0.0, "parse_error"), ("q1", "none", 0.1, "none"))
    with pytest.raises(LeserError, match="none of the 2 stored completions was searched with"):
        replayed_targets(environment_of(), SPLIT, options(path), 1)


def test_one_source_of_targets_at_a_time(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="targets_file and from_rollouts both bring targets"):
        options(tmp_path / "r.parquet", targets_file=tmp_path / "t.jsonl")


def test_a_run_starts_from_another_runs_rollouts(made: Path, tmp_path: Path) -> None:
    task = {"name": str(made.parent / "task")}
    config = tmp_path / "run.toml"
    config.write_text(tomli_w.dumps(small(tmp_path / "run", task=task, training={"steps": 0})), encoding="utf-8")
    assert "holds no rollouts" in refused("run", "--config", config, "--from-rollouts", tmp_path, "--dry-run")
    said("run", "--config", config, "--from-rollouts", made)
    targets = [json.loads(line) for line in (tmp_path / "run" / "targets.jsonl").read_text().splitlines()]
    sampled = {row["completion"] for file in (made / "rollouts").glob("*") for row in pq.read_table(file).to_pylist()}
    assert targets
    assert all(row["gain"] > 0 for row in targets)
    terms = {frozenset(completion.split("; ")) for completion in sampled}
    assert all(frozenset(row["completion"].split("; ")) in terms for row in targets)
