"""Follows LESER's runs in MLflow: an observer of four hooks, in a package of its own."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from leser.hooks import hookimpl

KEPT = "mlflow-run"
"""File in the run folder with the MLflow run's id: a resumed run goes on in it."""
MOST_PARAMETERS = 100
"""MLflow takes so many parameters in one request."""
LONGEST = 500
"""Characters of a parameter's value."""


@hookimpl
def leser_run_started(run: Any) -> None:
    """Start a run in MLflow, or go on in the one that this run folder began."""
    import mlflow

    mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", "leser"))
    kept = Path(run.path, KEPT)
    known = kept.read_text(encoding="ascii").strip() if kept.exists() else None
    active = mlflow.start_run(run_id=known, run_name=None if known else run.path.resolve().name)
    if known is None:
        kept.write_text(active.info.run_id + "\n", encoding="ascii")
        settings = tomllib.loads(run.config_path.read_text(encoding="utf-8"))
        mlflow.log_params(dict(list(_flat(settings))[:MOST_PARAMETERS]))
        mlflow.log_artifact(str(run.config_path))


@hookimpl
def leser_step(metrics: dict[str, Any]) -> None:
    """Log a row of metrics.jsonl as PHASE/figure at its step."""
    import mlflow

    phase = metrics.get("phase", "training")
    numbers = {f"{phase}/{_name(key)}": float(v) for key, v in metrics.items() if key != "step" and _is_number(v)}
    mlflow.log_metrics(numbers, step=int(metrics["step"]))


@hookimpl
def leser_evaluated(evaluation: dict[str, Any]) -> None:
    """Log what each system earned on test."""
    import mlflow

    for system, measures in evaluation["systems"].items():
        numbers = {f"test/{_name(system)}/{_name(key)}": float(v) for key, v in measures.items() if _is_number(v)}
        mlflow.log_metrics(numbers)


@hookimpl
def leser_run_ended(run: Any) -> None:
    """Log report and evaluation, and end the run."""
    import mlflow

    for name in ("report.html", "evaluation.json"):
        if (run.path / name).exists():
            mlflow.log_artifact(str(run.path / name))
    mlflow.end_run()


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _name(text: str) -> str:
    """A name as MLflow takes it: letters, digits and / . _ - space."""
    return "".join(sign if sign.isalnum() or sign in "/._- " else "_" for sign in text.replace("@", "_at_"))


def _flat(values: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{at}{key}.")
        else:
            yield f"{at}{key}", str(value)[:LONGEST]
