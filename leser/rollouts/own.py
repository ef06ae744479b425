"""The built-in rollout engine: the trained policy samples by itself, with LESER's own decoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from leser.errors import LeserError
from leser.rollout import RolloutEngine, RolloutPlace, Sample, SamplingRequest, TokenPrompt, TrainedPolicy

if TYPE_CHECKING:
    from leser.policy.policy import Policy


class PolicyRollouts(RolloutEngine):
    """Samples from the trained policy itself: no copy, nothing to install; each completion has a noise of its own."""

    name = "policy"
    _policy: Policy | None = None

    @classmethod
    def of(cls, policy: Policy) -> PolicyRollouts:
        """The engine of this policy, open."""
        engine = cls(cls.Options())
        engine._policy = policy
        return engine

    def open(self, policy: TrainedPolicy, place: RolloutPlace) -> None:  # noqa: ARG002 - it needs no place
        """Keep the policy; its weights are read where they are."""
        whole: Any = policy
        self._policy = whole

    def sync_weights(self, policy: TrainedPolicy, step: int) -> None:
        """Nothing: the weights that are sampled from are those that are trained."""

    def sample(self, prompts: Sequence[TokenPrompt], request: SamplingRequest) -> list[list[Sample]]:
        """The noise of each completion depends on (seed, step, prompt's id, number in the group) alone."""
        from leser.policy.generate import NoiseKey, generate

        if self._policy is None:
            raise LeserError("The rollout engine 'policy' is not open. Call open() before sample().")
        keys = [[NoiseKey(request.seed, request.step, p.id, i) for i in range(request.count)] for p in prompts]
        return generate(
            self._policy,
            [p.tokens for p in prompts],
            keys,
            max_new_tokens=request.max_new_tokens,
            temperature=request.temperature,
        )

    def close(self) -> None:
        """Let go of the policy."""
        self._policy = None
