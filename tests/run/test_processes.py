"""A whole run on two processes, as a launcher starts them: it makes what one process makes, and a killed one loses nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import tomli_w
from run_digests import TIMES, facts
from settings import small, small_task

STEPS = 6
LAUNCHERS = {
    "torchrun": ["torch.distributed.run", "--standalone", "--nproc-per-node={}"],
    "accelerate": ["accelerate.commands.accelerate_cli", "launch", "--multi_gpu", "--num_processes={}", "--num_machines=1",
                   "--mixed_precision=no", "--dynamo_backend=no", "--main_process_port=0"],
}  # fmt: skip
"""Both start processes that find no GPU as well; what accelerate calls multi_gpu are several processes of any kind."""
NOT_ALIKE = (*TIMES, "passes")
SHARDED = ("-o", "policy.shard=fsdp")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warm-up of eight updates, then GRPO at a rate at which rounding changes no draw."""
    folder = tmp_path_factory.mktemp("two")
    tables = small(
        folder / "unused",
        task={"name": str(small_task(folder / "task"))},
        warmup={"max_evaluations": 1, "samples": 0},
        training={"steps": STEPS},
        grpo={"learning_rate": 1e-5, "group_size": 4, "kl": 0.05, "credit": "prefix"},
        evaluation={"baselines": ["original"], "best_of": 0, "prompted": False, "warmup_plus": False},
    )
    tables.pop("out")
    file = folder / "run.toml"
    file.write_text(tomli_w.dumps(tables))
    return file


def start(config: Path, out: Path, count: int = 2, *more: str, launcher: str = "torchrun") -> subprocess.Popen[bytes]:
    """`leser run` in so many processes."""
    launched = [*(word.format(count) for word in LAUNCHERS[launcher]), "-m"] if count > 1 else []
    command = [sys.executable, "-m", *launched, "leser", "run", "--config", str(config), "--out", str(out), *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with out.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment)


def said(out: Path) -> str:
    return out.with_suffix(".log").read_text(encoding="utf-8")


def alike(found: Path, expected: Path) -> None:
    """The same metrics within rounding, and the same completions with the same rewards."""
    ours, rows = facts(found)
    theirs, wanted = facts(expected)
    for a, b in zip(ours, theirs, strict=True):
        assert a.keys() == b.keys()
        for name in a.keys() - set(NOT_ALIKE):
            assert a[name] == (pytest.approx(b[name], rel=2e-3, abs=2e-4) if isinstance(b[name], float) else b[name]), (
                name
            )
    for one, other in zip(rows, wanted, strict=True):
        assert {k: v for k, v in one.items() if not isinstance(v, float)} == {
            k: v for k, v in other.items() if not isinstance(v, float)
        }
        assert one["reward"] == pytest.approx(other["reward"], rel=1e-6)


@pytest.fixture(scope="module")
def alone(config: Path) -> Path:
    """The run of one process."""
    out = config.parent / "alone"
    assert start(config, out, 1).wait() == 0, said(out)[-3000:]
    return out


@pytest.mark.timeout(300)
def test_a_run_of_two_is_the_run_of_one(config: Path, alone: Path) -> None:
    out = config.parent / "both"
    assert start(config, out).wait() == 0, said(out)[-3000:]
    alike(out, alone)
    systems = [json.loads((run / "evaluation.json").read_text())["systems"] for run in (out, alone)]
    assert systems[0] == systems[1]
    assert said(out).count("Report:") == 1, "the main process alone speaks"
    assert sorted(p.name for p in out.iterdir()) == sorted(p.name for p in alone.iterdir())


def killed(config: Path, out: Path, rank: str) -> None:
    """Start a run on two processes, and kill one of them in GRPO, as soon as there is a checkpoint of it."""
    launcher = start(config, out)
    while f"grpo {STEPS // 3}:" not in said(out):
        assert launcher.poll() is None, said(out)[-3000:]
        time.sleep(0.02)
    processes = {p.environ()["RANK"]: p for p in psutil.Process(launcher.pid).children()}
    processes[rank].send_signal(signal.SIGKILL)
    assert launcher.wait(60) != 0
    assert not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes.values())
    assert "Another process of this run has ended" in said(out) or "The launcher ended this process" in said(out)
    assert not (out / "evaluation.json").exists()


@pytest.mark.timeout(300)
def test_when_one_is_killed_the_other_stops_and_one_process_goes_on(config: Path, alone: Path) -> None:
    out = config.parent / "killed-1"
    killed(config, out, "1")
    assert "Stopped. Resume with:" in said(out)
    assert start(config, out, 1, "--resume").wait() == 0, said(out)[-3000:]
    assert "Resumed at step-" in said(out)
    alike(out, alone)


@pytest.mark.timeout(300)
def test_when_the_main_one_is_killed_the_other_stops(config: Path) -> None:
    killed(config, config.parent / "killed-0", "0")


@pytest.mark.timeout(300)
def test_a_run_of_one_goes_on_in_two(config: Path, alone: Path) -> None:
    out = cut_back(alone, config.parent / "grown")
    assert start(config, out, 2, "--resume").wait() == 0, said(out)[-3000:]
    assert "Resumed at step-" in said(out)
    alike(out, alone)


def checkpoints(run: Path) -> list[Path]:
    return sorted((run / "checkpoints").iterdir(), key=lambda p: int(p.name.removeprefix("step-")))


def cut_back(run: Path, out: Path) -> Path:
    """The run without its end: the evaluation, and all checkpoints but the one before the last."""
    shutil.copytree(run, out)
    (out / "evaluation.json").unlink()
    shutil.rmtree(checkpoints(out)[-1])
    return out


@pytest.fixture(scope="module")
def in_shards(config: Path) -> Path:
    """The run of two processes that split the weights, started by accelerate."""
    out = config.parent / "shards"
    assert start(config, out, 2, *SHARDED, launcher="accelerate").wait() == 0, said(out)[-3000:]
    return out


@pytest.mark.timeout(300)
def test_a_run_in_shards_is_the_run_of_one(in_shards: Path, alone: Path) -> None:
    alike(in_shards, alone)
    assert "2 processes share the work" in said(in_shards)
    assert said(in_shards).count("Report:") == 1
    sizes = [sum(f.stat().st_size for f in checkpoints(run)[-1].glob("*.safetensors")) for run in (in_shards, alone)]
    files = sorted(p.name for p in checkpoints(in_shards)[-1].iterdir())
    assert [name.partition("-model")[0] for name in files] == ["shard-00001", "shard-00002", "state.json"]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.1), "each process writes its own share"


@pytest.mark.timeout(300)
def test_shards_go_on_in_one_process(config: Path, in_shards: Path, alone: Path) -> None:
    out = cut_back(in_shards, config.parent / "joined")
    assert start(config, out, 1, "--resume").wait() == 0, said(out)[-3000:]
    assert "Resumed at step-" in said(out)
    alike(out, alone)


@pytest.mark.timeout(300)
def test_a_run_of_one_goes_on_in_shards(config: Path, alone: Path) -> None:
    out = cut_back(alone, config.parent / "split")
    assert start(config, out, 2, "--resume", *SHARDED).wait() == 0, said(out)[-3000:]
    assert "Resumed at step-" in said(out)
    alike(out, alone)
