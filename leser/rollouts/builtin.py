"""The rollout engines that come with LESER, offered as a third party's are."""

from __future__ import annotations

from leser.hooks import hookimpl
from leser.rollout import RolloutEngine
from leser.rollouts.own import PolicyRollouts
from leser.rollouts.ray_rollouts import RayRollouts
from leser.rollouts.vllm_colocated import VllmRollouts
from leser.rollouts.vllm_server import VllmServerRollouts


@hookimpl
def leser_rollouts() -> list[type[RolloutEngine]]:
    """The policy itself (the default), vLLM in the trainer's process, vLLM as a server, workers of a Ray."""
    return [PolicyRollouts, VllmRollouts, VllmServerRollouts, RayRollouts]
