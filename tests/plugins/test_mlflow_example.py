"""The MLflow example is an observer that loads without MLflow; without it a run is warned once and goes on."""

from __future__ import annotations

import logging
import sys

import pytest
from places import ROOT

from leser.plugins import load_plugins

TRACKER = ROOT / "examples" / "mlflow_tracker" / "leser_mlflow_tracker.py"


def test_without_mlflow_it_warns_once_and_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    registry = load_plugins([TRACKER])
    with caplog.at_level(logging.WARNING):
        for step in (1, 2):
            registry.notify("leser_step", metrics={"phase": "grpo", "step": step, "reward": 0.5})
    said = [record.message for record in caplog.records if "leser_mlflow_tracker" in record.message]
    assert len(said) == 1
    assert "failed in leser_step()" in said[0]
    assert "The run continues" in said[0]
