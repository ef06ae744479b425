"""The rollout engines that come with LESER, offered as a third party's are."""

from __future__ import annotations

from leser.hooks import hookimpl
from leser.rollout import RolloutEngine
from leser.rollouts.own import PolicyRollouts


@hookimpl
def leser_rollouts() -> list[type[RolloutEngine]]:
    """The policy itself (the default)."""
    return [PolicyRollouts]
