"""The hooks: one per kind of plugin, each returning classes; and four for observers of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from leser.backend import Backend
    from leser.baseline import Baseline
    from leser.expansion_store import Store
    from leser.reader import Reader
    from leser.reward import Reward
    from leser.rollout import RolloutEngine
    from leser.rule import Rule

hookspec = pluggy.HookspecMarker("leser")
hookimpl = pluggy.HookimplMarker("leser")


@hookspec
def leser_backends() -> list[type[Backend]]:  # type: ignore[empty-body]
    """Backend classes this plugin offers, one per search engine."""


@hookspec
def leser_rewards() -> list[type[Reward]]:  # type: ignore[empty-body]
    """Reward classes this plugin offers, one per family of measures."""


@hookspec
def leser_rules() -> list[type[Rule]]:  # type: ignore[empty-body]
    """Rule classes this plugin offers: what no expansion may do."""


@hookspec
def leser_readers() -> list[type[Reader]]:  # type: ignore[empty-body]
    """Reader classes this plugin offers, one per format of queries and judgments."""


@hookspec
def leser_baselines() -> list[type[Baseline]]:  # type: ignore[empty-body]
    """Baseline classes this plugin offers: systems the learned policy is compared with."""


@hookspec
def leser_stores() -> list[type[Store]]:  # type: ignore[empty-body]
    """Store classes this plugin offers: where verified expansions are kept for a service."""


@hookspec
def leser_rollouts() -> list[type[RolloutEngine]]:  # type: ignore[empty-body]
    """Rollout engines this plugin offers: what draws the completions that GRPO learns from."""


@hookspec
def leser_run_started(run: Any) -> None:
    """Called once with the run's folder and configuration, before any training."""


@hookspec
def leser_step(metrics: dict[str, Any]) -> None:
    """Called after every training step with the row that metrics.jsonl gets."""


@hookspec
def leser_evaluated(evaluation: dict[str, Any]) -> None:
    """Called with evaluation.json's content once the test split was evaluated."""


@hookspec
def leser_run_ended(run: Any) -> None:
    """Called once when the run has ended and its report is written."""
