"""A copy of the policy in another process: made from a configuration, its weights taken over from plain arrays.

Nothing but text and numbers crosses: no file, no code, no pickled model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leser.errors import LeserError
from leser.policy.options import PolicyOptions
from leser.rollout import Sample, SamplingRequest, TokenPrompt, TrainedPolicy
from leser.rollouts.own import PolicyRollouts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from leser.policy.options import PrecisionName
    from leser.policy.policy import Policy

    Arrays = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Outline:
    """A policy without its weights: what a copy is made from, on whatever device `device` names."""

    name: str
    configuration: str
    eos_ids: tuple[int, ...]
    max_context: int
    precision: PrecisionName
    device: str = "auto"

    @classmethod
    def of(cls, policy: TrainedPolicy, device: str = "auto") -> Outline:
        """The outline of the policy that is trained."""
        return cls(
            policy.name, policy.configuration, tuple(policy.eos_ids), policy.max_context, policy.precision, device
        )

    def policy(self) -> Policy:
        """The policy, with weights that are not its own yet; raises LeserError for a model that transformers does not know."""
        from transformers import AutoConfig, AutoModelForCausalLM

        from leser.policy.loading import prepare, quiet
        from leser.policy.policy import Policy

        quiet()
        values = json.loads(self.configuration)
        make: Any = AutoModelForCausalLM
        try:
            model = make.from_config(AutoConfig.for_model(**values))
        except (ValueError, KeyError, TypeError) as error:
            raise LeserError(
                f"Policy '{self.name}' cannot be made from its configuration alone ({error}): its code comes with its weights. "
                "Set rollout.name=policy, or vllm-server."
            ) from error
        policy = Policy(model, None, self.name, "text", self.eos_ids, self.max_context)
        precision = self.precision if self.device != "cpu" or self.precision != "tf32" else "fp32"
        return prepare(policy, PolicyOptions(device=self.device, precision=precision), 0)


class CopiedPolicy:
    """The copy: takes over weights of a newer version, and samples as the policy itself does."""

    def __init__(self, outline: Outline) -> None:
        self.facts = outline
        self._policy = outline.policy()
        self._engine = PolicyRollouts.of(self._policy)
        self._version = 0

    def work(self, block: Asked, version: int, weights: Arrays) -> list[list[Sample]]:
        """The completions of a block of groups under the weights of a version. Raises LeserError."""
        if version != self._version:
            self._take_over(weights)
            self._version = version
        return self._engine.sample(block.prompts, block.request)

    def _take_over(self, weights: Arrays) -> None:
        import torch

        held = dict(self._policy.model.named_parameters())
        if held.keys() != weights.keys():
            strange = sorted(held.keys() ^ weights.keys())
            raise LeserError(
                f"The weights that arrived are not those of policy '{self.facts.name}' ({strange[0]}). Install the same "
                "versions of LESER and transformers on every machine."
            )
        with torch.no_grad():
            for name, weight in held.items():
                weight.copy_(torch.from_numpy(weights[name].copy()))  # Ray's arrays are shared, and cannot be written


@dataclass(frozen=True, slots=True)
class Asked:
    """Some groups of a batch."""

    prompts: Sequence[TokenPrompt]
    request: SamplingRequest


@contextmanager
def opened(outline: Outline) -> Iterator[CopiedPolicy]:
    """A copy, in the process that samples."""
    yield CopiedPolicy(outline)


def arrays_of(policy: TrainedPolicy) -> dict[str, NDArray[np.float32]]:
    """The policy's weights as arrays of the computer's main memory, in float32: nothing is rounded on the way."""
    return {name: weight.detach().to("cpu").float().numpy() for name, weight in policy.weights()}
