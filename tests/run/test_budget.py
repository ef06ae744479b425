"""A run's time: what its stages may take of it, what is kept back, and real runs that end within it, or when dev stands still."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from settings import small, small_task

import leser
from leser.config.load import config_of
from leser.config.training import UNBOUNDED, TrainingOptions
from leser.training.budget import ENDING_S, FIXED_S, FIXED_SHARE, SLACK, Budget, RunTime

KEPT = FIXED_S + FIXED_SHARE * 600
"""Seconds kept back of the ten minutes of these tests, whatever an evaluation takes."""


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def budget(clock: Clock, **values: Any) -> Budget:
    return Budget(**{"limit": 600.0, "evaluations": 8.0, "control": 0.5, "clock": clock, **values})


def test_the_final_evaluation_is_kept_back_by_measured_speed() -> None:
    clock = Clock()
    found = budget(clock)
    assert found.left == pytest.approx(600 - KEPT), "before anything is measured"
    clock.now += 60
    found.note_evaluation(5.0)
    found.note_evaluation(3.0)
    assert found.reserve == pytest.approx(KEPT + SLACK * 8 * 5), "the slowest counts"
    assert found.left == pytest.approx(600 - found.reserve - 60)


def test_tuning_baselines_is_kept_back_by_measured_searches() -> None:
    assert budget(Clock(), searches=19_200, search_s=5e-4).reserve == pytest.approx(KEPT + 9.6)


def test_the_warm_up_gets_its_share_of_what_is_left_when_it_begins() -> None:
    clock = Clock()
    found = budget(clock, evaluations=0.0)
    clock.now += 100 - KEPT  # loading and targets
    assert found.left == pytest.approx(500)
    assert found.warmup_left(0.0) == pytest.approx(200)
    clock.now += 150
    assert found.warmup_left(150.0) == pytest.approx(50), "its own time does not make its share smaller"
    clock.now += 50
    assert found.warmup_left(200.0) == pytest.approx(0)
    assert budget(Clock(), warmup_share=1.0, evaluations=0.0).warmup_left(0.0) == pytest.approx(600 - KEPT), (
        "without GRPO"
    )


def test_grpo_leaves_the_control_the_time_it_will_ask_for() -> None:
    clock = Clock()
    found = budget(clock, evaluations=0.0)
    clock.now += 300 - KEPT
    assert found.left == pytest.approx(300)
    assert found.grpo_left(0.0) == pytest.approx(200), "200 of GRPO and half as much of the control"
    clock.now += 120
    assert found.grpo_left(120.0) == pytest.approx(80)
    clock.now += 80
    assert found.grpo_left(200.0) == pytest.approx(0)
    assert found.control_left() == pytest.approx(100)


def test_the_schedule_spans_the_steps_that_the_time_allows() -> None:
    clock = Clock()
    found = budget(clock, evaluations=0.0, control=0.0)
    assert found.steps(0, 0.0, 90) == 90, "nothing measured yet"
    clock.now += 100 - KEPT
    assert found.steps(10, 50.0, UNBOUNDED) == 10 + 500 // 5
    assert found.steps(10, 50.0, 90) == 90, "whichever comes first"
    clock.now += 499
    assert found.steps(110, 549.0, UNBOUNDED) == 111
    assert Budget().steps(10, 50.0, 90) == 90


def test_without_a_limit_nothing_is_ever_over() -> None:
    clock = Clock()
    found = Budget(clock=clock)
    clock.now += 1e9
    assert (found.left, found.warmup_left(1e8), found.grpo_left(1e8), found.control_left()) == (math.inf,) * 4


def test_time_of_earlier_starts_counts() -> None:
    clock = Clock()
    found = budget(clock, before=540.0)
    clock.now += 30
    assert found.spent == 570
    assert found.left == pytest.approx(30 - KEPT)


def test_a_process_of_its_own_counts_from_its_start_to_its_end() -> None:
    before = time.monotonic()
    alone, within = RunTime.now(own_process=True), RunTime.now(own_process=False)
    age = time.time() - psutil.Process().create_time()
    assert before - alone.started == pytest.approx(age, abs=1.0), "imports are part of the run"
    assert (alone.ending, within.ending) == (ENDING_S, 0.0)
    assert before <= within.started <= time.monotonic()
    assert budget(Clock(), ending=6.0).left == pytest.approx(600 - KEPT - 6)


def test_minutes_alone_let_time_end_grpo_and_beside_steps_whichever_comes_first() -> None:
    assert TrainingOptions(minutes=5).steps == UNBOUNDED
    assert TrainingOptions(minutes=5, steps=7).steps == 7
    assert TrainingOptions().steps == 200
    assert config_of({"training": {"minutes": 2}}).training.steps == UNBOUNDED


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(small_task(tmp_path_factory.mktemp("shop") / "task"))


def trained(out: Path, task: str, *, resume: bool = False, **training: Any) -> list[dict[str, Any]]:
    """Run the small configuration to its end; returns the rows of metrics.jsonl."""
    tables = small(out, task={"name": task}, training=training)
    if "minutes" in training and "steps" not in training:
        tables["training"].pop("steps")
    options = {f"{table}.{key}": value for table in ("policy", "warmup", "training", "grpo", "evaluation")
               for key, value in tables[table].items()}  # fmt: skip
    leser.train(task=task, backend="memory", policy="tiny", out=out, resume=resume, options=options)
    assert (out / "report.html").is_file()
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_a_run_ends_in_its_time_with_its_report(tmp_path: Path, task: str) -> None:
    started = time.monotonic()
    rows = trained(tmp_path / "run", task, minutes=0.5)
    taken = time.monotonic() - started
    assert taken <= 30
    assert taken >= 15, "the time was used"
    steps = [row for row in rows if row["phase"] == "grpo"]
    assert len(steps) > 7, "more than the configuration's 6 steps fitted in"
    assert "dev_reward" in steps[-1], "the last policy was evaluated"
    assert any(row["phase"] == "warmup+" for row in rows)
    assert [row["run_s"] for row in rows] == sorted(row["run_s"] for row in rows)


def test_steps_come_first_and_time_that_is_spent_is_not_given_again(tmp_path: Path, task: str) -> None:
    rows = trained(tmp_path / "few", task, minutes=10, steps=2)
    assert sum(row["phase"] == "grpo" for row in rows) == 3, "the evaluation at its start, and two steps"
    rows = trained(tmp_path / "spent", task, minutes=0.01)
    assert sum(row["phase"] == "grpo" for row in rows) == 1, "no time for a step, but a whole report"
    state = json.loads(max((tmp_path / "few" / "checkpoints").glob("*/state.json")).read_text())["state"]
    assert 0 < state["run_seconds"] < 600


def test_grpo_ends_when_dev_stands_still(tmp_path: Path, task: str) -> None:
    rows = trained(tmp_path / "run", task, steps=40, patience=2, steps_between_evaluations=1)
    looks = [row["dev_reward"] for row in rows if row["phase"] == "grpo" and "dev_reward" in row]
    best = max(range(len(looks)), key=lambda i: (looks[i], -i))
    assert len(looks) < 41
    assert len(looks) == best + 3, "two looks after the best"
