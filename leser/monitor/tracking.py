"""Tracking: a run's figures sent to experiment trackers (TensorBoard, Weights & Biases, MLflow ...) through accelerate."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

from leser.errors import LeserError, unknown_name
from leser.hooks import hookimpl
from leser.store.folder import RunFolder

log = logging.getLogger(__name__)


def check_trackers(names: Sequence[str]) -> None:
    """Raise LeserError for a name that accelerate does not know, or whose package is not installed."""
    if not names:
        return
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    known = sorted(str(name) for name in LOGGER_TYPE_TO_CLASS)
    available = {str(name) for name in get_available_trackers()}
    for name in names:
        if name not in known:
            raise LeserError(f"training.trackers: {unknown_name('tracker', name, known)}")
        if name not in available:
            raise LeserError(
                f"training.trackers: '{name}' cannot be used here: its package is not installed. Install it, or take "
                f"'{name}' out."
            )


class Tracking:
    """An observer of one run: each row of metrics.jsonl goes to every tracker, as PHASE/figure; the evaluation at the end.

    A tracker keeps what it was given by an earlier start of the run; a resumed run gives the steps after its checkpoint again.
    """

    def __init__(self, names: Sequence[str], options: dict[str, Any]) -> None:
        self._names = tuple(names)
        self._options = options
        self._trackers: list[Any] = []
        self._step = 0

    @hookimpl
    def leser_run_started(self, run: RunFolder) -> None:
        """Open the trackers; those that write files write into the run's folder."""
        from accelerate import PartialState
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        PartialState()  # trackers ask it whether this is the process that writes
        name = run.path.resolve().name
        for kind in self._names:
            make: Any = LOGGER_TYPE_TO_CLASS[kind]
            folder = {"logging_dir": str(run.path / "trackers")} if make.requires_logging_directory else {}
            tracker = make(name, **folder)
            tracker.start()
            tracker.store_init_configuration(_flat(self._options))
            self._trackers.append(tracker)

    @hookimpl
    def leser_step(self, metrics: dict[str, Any]) -> None:
        """Send one row."""
        phase, self._step = str(metrics.get("phase", "run")), int(metrics.get("step", self._step))
        self._send({f"{phase}/{name}": value for name, value in metrics.items() if name not in ("phase", "step")})

    @hookimpl
    def leser_evaluated(self, evaluation: dict[str, Any]) -> None:
        """Send each system's measures on test."""
        systems = evaluation["systems"]
        self._send({f"test/{system}/{name}": value for system, row in systems.items() for name, value in row.items()})

    @hookimpl
    def leser_run_ended(self, run: RunFolder) -> None:  # noqa: ARG002
        """Close the trackers."""
        for tracker in self._trackers:
            tracker.finish()
        self._trackers = []

    def _send(self, figures: dict[str, Any]) -> None:
        numbers = {
            name: float(value)
            for name, value in figures.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        }
        for tracker in self._trackers:
            tracker.log(numbers, step=self._step)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, str | int | float | bool]:
    """Options by dotted path, as trackers show them; what is not a number becomes its text."""
    flat: dict[str, str | int | float | bool] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            flat |= _flat(value, f"{name}.")
        else:
            flat[name] = value if isinstance(value, (bool, int, float, str)) else str(value)
    return flat
