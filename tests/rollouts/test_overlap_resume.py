"""A run that samples ahead is killed in the middle and goes on as if nothing had been: the batch that waits is on disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from run_digests import digests, facts
from settings import small, small_task

from leser.report.timeline import timeline_chart
from leser.store.timeline import Timeline, read_timeline


def start(config: Path, out: Path) -> subprocess.Popen[bytes]:
    code = "from leser.cli.main import run_main; run_main()"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with out.with_suffix(".log").open("ab") as log:
        command = [sys.executable, "-c", code, "--config", str(config), "--out", str(out), "--resume"]
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment)


def steps_of(out: Path) -> list[dict[str, Any]]:
    metrics = out / "metrics.jsonl"
    lines = metrics.read_text().split("\n")[:-1] if metrics.exists() else []
    return [row for row in map(json.loads, lines) if row["phase"] == "grpo" and "hidden_s" in row]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run that went through, and one killed with SIGKILL after its first checkpoint of GRPO and resumed."""
    folder = tmp_path_factory.mktemp("overlap")
    table = small(
        folder,
        task={"name": str(small_task(folder / "task"))},
        warmup={"max_evaluations": 1, "max_queries": 30, "samples": 0},
        training={"steps": 16, "overlap": True, "steps_between_evaluations": 3},
        grpo={"curriculum": "spread", "learning_rate": 1e-3, "group_size": 6},
        evaluation={"baselines": ["original"], "best_of": 0, "prompted": False, "warmup_plus": False},
    )
    table.pop("out")
    config, whole, killed = folder / "run.toml", folder / "whole", folder / "killed"
    config.write_text(tomli_w.dumps(table))
    process = start(config, killed)
    while process.poll() is None and len(steps_of(killed)) < 5:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "evaluation.json").exists(), "it ended before it was killed"
    for out in (killed, whole):
        assert start(config, out).wait() == 0, out.with_suffix(".log").read_text()[-3000:]
    return whole, killed


def test_a_killed_run_ends_with_the_same_bits(runs: tuple[Path, Path]) -> None:
    whole, killed = runs
    assert "Resumed at step-" in killed.with_suffix(".log").read_text()
    assert digests(killed) == digests(whole)
    for mine, theirs in zip(facts(killed), facts(whole), strict=True):
        assert mine == theirs


def test_the_batches_were_stale_by_one_update(runs: tuple[Path, Path]) -> None:
    """All steps but the first take a ratio that is not 1; nothing is sampled after the last."""
    first, *rest = steps_of(runs[0])
    assert first["log_ratio_max"] == 0
    assert all(row["log_ratio_max"] > 1e-5 for row in rest if row["tokens"])
    assert any(row["tokens"] for row in rest)
    last = max((runs[0] / "checkpoints").glob("step-*"), key=lambda p: int(p.name.removeprefix("step-")))
    assert json.loads((last / "state.json").read_text())["state"]["waiting"] == {}


def test_the_timeline_has_each_step_once(runs: tuple[Path, Path]) -> None:
    """Also in the run that was killed: what came after its checkpoint was made again, and stands there once."""
    for out in runs:
        lines = read_timeline(out)
        assert [row["step"] for row in lines] == [row["step"] for row in steps_of(out)]
        # sampled while the engine searched for the step before, so before that step was trained
        pairs = [(before, row) for before, row in pairwise(lines) if "sampler" in row]
        assert len(pairs) >= len(lines) - 2, "the one that a resumed run finds waiting was sampled before"
        assert all(row["sampler"][0][1] <= before["trainer"][0][0] for before, row in pairs)
    assert "Who was busy when" in (runs[0] / "report.html").read_text()


def test_a_chart_shows_who_was_busy() -> None:
    rows = [
        {"step": 7, "sampler": [[100.0, 102.0]], "engine": [[102.0, 105.0]], "trainer": [[105.5, 107.0]]},
        {
            "step": 8,
            "sampler": [[102.0, 104.0]],
            "engine": [[107.0, 109.0]],
            "trainer": [[109.0, 110.0]],
            "dev": [[110, 112]],
        },
    ]
    chart = str(timeline_chart(rows))
    assert chart.count("<rect") == 7
    for word in ("sampler", "engine", "trainer", "dev", "step 7", "step 8"):
        assert word in chart
    assert "2 of 5 seconds of searching ran while completions were sampled" in chart
    assert timeline_chart([]) == ""


def test_a_line_cut_short_by_a_kill_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "timeline.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert [row["step"] for row in read_timeline(tmp_path)] == [1, 2]
    Timeline(tmp_path).cut_back(1)
    assert (tmp_path / "timeline.jsonl").read_text() == '{"step": 1}\n'
