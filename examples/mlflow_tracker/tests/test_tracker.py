"""A run's figures arrive in MLflow, and a second start goes on in the same run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import leser_mlflow_tracker as tracker
import mlflow
import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A run folder, and MLflow's files beside it."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.toml").write_text('seed = 3\n[grpo]\ngroup_size = 16\nloss = "token"\n')
    (run / "report.html").write_text("<h1>report</h1>")
    return SimpleNamespace(path=run, config_path=run / "config.toml")


def test_a_run_is_followed_from_start_to_end(folder: SimpleNamespace) -> None:
    tracker.leser_run_started(folder)
    for step in (1, 2):
        row = {
            "phase": "grpo",
            "step": step,
            "reward": 0.25 * step,
            "reward_nDCG@10": 0.5,
            "kl": float("nan"),
            "warnings": {},
        }
        tracker.leser_step(row)
    tracker.leser_evaluated({"systems": {"leser": {"nDCG@10": 0.75, "queries": 12}, "bm25+rm3": {"nDCG@10": 0.5}}})
    tracker.leser_run_ended(folder)

    client = mlflow.MlflowClient()
    (found,) = client.search_runs([client.get_experiment_by_name("leser").experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.params == {"seed": "3", "grpo.group_size": "16", "grpo.loss": "token"}
    history = client.get_metric_history(found.info.run_id, "grpo/reward")
    assert [(m.step, m.value) for m in history] == [(1, 0.25), (2, 0.5)]
    assert "grpo/kl" not in found.data.metrics, "what is not a number is left out"
    assert found.data.metrics["test/leser/nDCG_at_10"] == 0.75
    assert found.data.metrics["test/bm25_rm3/nDCG_at_10"] == 0.5
    assert {a.path for a in client.list_artifacts(found.info.run_id)} == {"config.toml", "report.html"}


def test_a_resumed_run_goes_on_in_the_same_run(folder: SimpleNamespace) -> None:
    tracker.leser_run_started(folder)
    tracker.leser_step({"phase": "grpo", "step": 1, "reward": 0.1})
    mlflow.end_run("KILLED")
    tracker.leser_run_started(folder)
    tracker.leser_step({"phase": "grpo", "step": 2, "reward": 0.2})
    tracker.leser_run_ended(folder)
    client = mlflow.MlflowClient()
    (found,) = client.search_runs([client.get_experiment_by_name("leser").experiment_id])
    assert [m.step for m in client.get_metric_history(found.info.run_id, "grpo/reward")] == [1, 2]
