"""A run's figures in an experiment tracker: TensorBoard's own reader finds what was sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from leser.errors import LeserError
from leser.monitor.tracking import Tracking, check_trackers
from leser.plugins import load_plugins
from leser.store.folder import RunFolder


def test_tensorboard_gets_steps_and_evaluation(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    registry = load_plugins(())
    registry.observe(Tracking(["tensorboard"], {"seed": 1, "task": {"name": "demo", "fields": ["title"]}}))
    registry.notify("leser_run_started", run=folder)
    for step in (1, 2):
        row = {"phase": "grpo", "step": step, "reward": 0.25 * step, "reward_nDCG@10": None, "entropy": float("nan")}
        registry.notify("leser_step", metrics=row)
    registry.notify("leser_evaluated", evaluation={"systems": {"leser": {"nDCG@10": 0.75, "errors": 0.0}}})
    registry.notify("leser_run_ended", run=folder)
    read = EventAccumulator(str(folder.path / "trackers" / "run"))
    read.Reload()
    assert [(e.step, e.value) for e in read.Scalars("grpo/reward")] == [(1, 0.25), (2, 0.5)]
    assert [(e.step, e.value) for e in read.Scalars("test/leser/nDCG@10")] == [(2, 0.75)]
    assert set(read.Tags()["scalars"]) == {"grpo/reward", "test/leser/nDCG@10", "test/leser/errors"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("tensorbord", r"tensorbord.*tensorboard"),
        ("swanlab", r"'swanlab' cannot be used here: its package is not installed"),
    ],
)
def test_tracker_that_cannot_be_used_is_found_at_once(name: str, reason: str) -> None:
    with pytest.raises(LeserError, match=reason):
        check_trackers([name])
