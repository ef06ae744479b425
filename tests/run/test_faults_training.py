"""Trainings whose engine dies: killed in the middle of a step and started again, and killed for good."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import tomli_w
from servers import Proxy, start_elasticsearch, start_solr
from settings import small, small_task

from leser.backend import Document
from leser.config.build import backend_of, complete, task_of
from leser.config.load import load_config
from leser.plugins import load_plugins
from leser.run.runner import run

SHORT = {
    "evaluation": {"baselines": ["original"], "best_of": 0, "prompted": False, "warmup_plus": False},
    "rewards": {"weights": ["nDCG@10=1.0"]},
}

OBSERVER = '''
"""Does what a test wants done after a step of GRPO."""
from leser.hooks import hookimpl
AFTER, steps = {}, []

@hookimpl
def leser_step(metrics):
    if metrics["phase"] == "grpo" and "reward" in metrics:
        steps.append(metrics)
        AFTER.get(len(steps), lambda: None)()
'''


def training(folder: Path, backend: dict[str, Any], **tables: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a training of seconds on an engine."""
    merged = {name: {**SHORT.get(name, {}), **tables.get(name, {})} for name in {*SHORT, *tables}}
    task = {"name": str(folder / "task")}
    return small(folder / "run", task=task, **merged) | {"backend": backend}


def indexed_task(config: Path, documents: Callable[[int], bool] = lambda _: True, **options: str) -> None:
    """Build the index of a configuration, or the part of it that `documents` picks by number."""
    registry = load_plugins()
    resolved = complete(load_config(config, {}, [f"{key}={value}" for key, value in options.items()]), registry)
    engine = backend_of(resolved, registry)
    task = task_of(resolved, registry)
    assert task.documents is not None
    chosen: list[Document] = [document for n, document in enumerate(task.documents()) if documents(n)]
    engine.index(chosen)
    engine.close()


def rollouts(run_folder: Path) -> list[dict[str, Any]]:
    return [row for f in sorted((run_folder / "rollouts").glob("*.parquet")) for row in pq.read_table(f).to_pylist()]


def test_a_training_outlives_a_killed_server_and_a_lost_shard(tmp_path: Path) -> None:
    """Half of the documents are in one index, half in another, searched as one."""
    small_task(tmp_path / "task")
    config = tmp_path / "run.toml"
    observer = tmp_path / "observer.py"
    observer.write_text(OBSERVER)
    with start_elasticsearch(tmp_path / "own") as server, Proxy(server) as proxy:
        backend = {"name": "elasticsearch", "url": proxy.url, "index": "half-*", "analysis": "standard"}
        search = {"retries": 1, "backoff": 0.05, "breaker_window": 100_000}
        table = training(tmp_path, backend, search=search, training={"steps": 8, "steps_between_evaluations": 4})
        config.write_text(tomli_w.dumps(table))
        indexed_task(config, lambda n: n % 2 == 0, index="half-0")
        indexed_task(config, lambda n: n % 2 == 1, index="half-1")

        def come_back_with_a_shard_less() -> None:
            assert server.folder is not None
            uuid = server_index_uuid
            shutil.rmtree(server.folder / "data" / "indices" / uuid / "0")
            server.probe = "/_cluster/health/half-0?wait_for_status=yellow&timeout=1s"
            server.start()

        def make_it_whole() -> None:
            server.request("DELETE", "/half-1")
            indexed_task(config, lambda n: n % 2 == 1, index="half-1")

        server_index_uuid = server.get("/half-1/_settings")["half-1"]["settings"]["index"]["uuid"]
        registry = load_plugins([observer])
        watch = sys.modules["leser_plugin_observer"]
        watch.AFTER.update(
            {
                4: lambda: proxy.before(server.kill, path="/_msearch"),
                5: come_back_with_a_shard_less,
                6: make_it_whole,
            }
        )
        run(complete(load_config(config, {}), registry), registry)

    rows = rollouts(tmp_path / "run")
    steps = sorted({row["step"] for row in rows})
    assert len(steps) == 8
    failed = {step: sum(row["code"] == "engine_error" for row in rows if row["step"] == step) for step in steps}
    assert [step for step in steps if failed[step]] == steps[4:6], failed
    for row in rows:
        lost = row["code"] == "engine_error"
        assert (row["reward"] is None) == lost, row
        assert not lost or row["advantage"] == 0.0
    by_step = {metrics["step"]: metrics for metrics in watch.steps}
    for step in steps:
        assert by_step[step]["engine_errors"] == pytest.approx(failed[step] / 16)
    assert "systems" in json.loads((tmp_path / "run" / "evaluation.json").read_text())


def leser_run(*arguments: str, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from leser.cli.main import run_main; run_main()", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with log.open("wb") as file:
        return subprocess.Popen(command, stdout=file, stderr=file, env=environment)


def test_a_server_killed_for_good_ends_the_run_which_resumes(tmp_path: Path) -> None:
    small_task(tmp_path / "task")
    config, log, metrics = tmp_path / "run.toml", tmp_path / "log", tmp_path / "run" / "metrics.jsonl"
    with start_solr(tmp_path / "own") as server, Proxy(server) as proxy:
        backend = {"name": "solr", "url": proxy.url, "index": "shop", "configset": "leser"}
        search = {"retries": 1, "backoff": 0.05, "breaker_window": 16}
        table = training(tmp_path, backend, search=search, training={"steps": 10, "steps_between_evaluations": 2})
        config.write_text(tomli_w.dumps(table))
        indexed_task(config)
        process = leser_run("--config", str(config), log=log)

        def grpo_steps() -> int:
            text = metrics.read_text() if metrics.exists() else ""
            return sum('"phase": "grpo"' in line and '"reward"' in line for line in text.splitlines())

        while process.poll() is None and grpo_steps() < 3:
            time.sleep(0.02)
        proxy.before(server.kill, path="/select")
        assert process.wait() == 75, log.read_text()
        told = re.sub(r"\s+", " ", log.read_text())
        assert "Error: The engine 'solr' failed" in told
        assert "Check the engine and resume the run." in told
        assert f"leser-run --config {tmp_path / 'run' / 'config.toml'} --resume" in told
        assert "Traceback" not in told
        kept = sorted((tmp_path / "run" / "checkpoints").glob("step-*"))
        assert kept

        server.start()
        assert leser_run("--config", str(config), "--resume", log=log).wait() == 0, log.read_text()
    rows = rollouts(tmp_path / "run")
    assert len({row["step"] for row in rows}) == 10
    last = max(row["step"] for row in rows)
    assert not any(row["code"] == "engine_error" for row in rows if row["step"] > last - 3)
    assert all((row["reward"] is None) == (row["code"] == "engine_error") for row in rows)
    assert (tmp_path / "run" / "evaluation.json").exists()
