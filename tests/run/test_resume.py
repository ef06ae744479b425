"""Killed at any moment and resumed, a run ends with the same policy, bit for bit, and the same metrics and rollouts."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tomli_w
from run_digests import digests, facts
from settings import small, small_task

KILLS = 20


def start(config: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-c",
        "from leser.cli.main import run_main; run_main()",
        "--config",
        str(config),
        "--out",
        str(out),
        "--resume",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with (out.parent / f"{out.name}.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment)


def kill_at_random(process: subprocess.Popen[bytes], out: Path, chance: random.Random) -> bool:
    """Wait until the run works in its folder, then kill it a random moment later; False when it ended before."""
    began = (out / "config.toml").stat().st_mtime if (out / "config.toml").exists() else 0.0
    log = out.parent / f"{out.name}.log"
    before = log.read_text().count("Mean prompt length")
    while process.poll() is None and log.read_text().count("Mean prompt length") == before:
        time.sleep(0.05)
    moment = time.monotonic() + chance.uniform(0, 2.5)
    while process.poll() is None and time.monotonic() < moment:
        time.sleep(0.01)
    if process.poll() is not None:
        assert process.returncode == 0, log.read_text()[-3000:]
        return False
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert began == 0.0 or (out / "config.toml").stat().st_mtime == began
    return True


@pytest.mark.timeout(1500)
def test_twenty_kills_change_nothing(tmp_path: Path):
    config = tmp_path / "run.toml"
    table = small(
        tmp_path,
        task={"name": str(small_task(tmp_path / "task"))},
        evaluation={"baselines": ["original"], "best_of": 0, "prompted": False, "warmup_plus": False},
    )
    table.pop("out")
    config.write_text(tomli_w.dumps(table))
    reference = tmp_path / "reference"
    assert start(config, reference).wait() == 0, (tmp_path / "reference.log").read_text()[-3000:]

    chance, kills, number = random.Random(7), 0, 0
    while kills < KILLS:
        number += 1
        out = tmp_path / f"killed-{number}"
        while kills < KILLS and kill_at_random(start(config, out), out, chance):
            kills += 1
        if not (out / "evaluation.json").exists():
            assert start(config, out).wait() == 0, (tmp_path / f"{out.name}.log").read_text()[-3000:]
        assert digests(out) == digests(reference)
        for mine, theirs in zip(facts(out), facts(reference), strict=True):
            assert len(mine) == len(theirs)
            assert next(((a, b) for a, b in zip(mine, theirs, strict=True) if a != b), None) is None
