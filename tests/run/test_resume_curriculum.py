"""A run whose queries hang on what earlier steps showed is resumed with the same bits: the spreads are in the checkpoint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from run_digests import digests, facts
from settings import small, small_task

from leser.config.build import complete
from leser.config.load import config_of
from leser.plugins import load_plugins
from leser.run.runner import run


def test_a_resumed_curriculum_draws_the_same_queries(tmp_path: Path) -> None:
    registry = load_plugins()
    table = small(
        tmp_path / "whole",
        task={"name": str(small_task(tmp_path / "task"))},
        warmup={"max_evaluations": 1, "max_queries": 30, "samples": 0},
        training={"steps": 6, "keep_checkpoints": 4},
        grpo={
            "curriculum": "spread",
            "refill": 1,
            "credit": "prefix",
            "epochs_per_batch": 2,
            "mini_batches": 2,
        },
        evaluation={"baselines": ["original"], "best_of": 0, "prompted": False, "warmup_plus": False},
    )
    run(complete(config_of(table), registry), registry)
    whole, again = tmp_path / "whole", tmp_path / "again"
    shutil.copytree(whole, again)
    newest = sorted((again / "checkpoints").glob("step-*"), key=lambda p: int(p.name.removeprefix("step-")))
    for checkpoint in newest[-2:]:
        shutil.rmtree(checkpoint)
    state = json.loads((newest[-3] / "state.json").read_text())["state"]
    assert state["spreads"]
    assert state["stage"] == "grpo"
    (again / "evaluation.json").unlink()
    run(complete(config_of({**table, "out": str(again), "resume": True}), registry), registry)
    assert digests(again) == digests(whole)
    for mine, theirs in zip(facts(again), facts(whole), strict=True):
        assert mine == theirs
