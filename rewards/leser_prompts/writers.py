"""Who writes for a prompt method: the untrained policy, or a model behind an endpoint. A failure is a value per prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from leser.backend import SearchError
from leser.prompt import Message

Prompt = Sequence[Message]
Written = str | SearchError
"""What was written for a prompt, or why nothing was."""


class Writer(Protocol):
    """Writes a text for each prompt, in order; `sample` numbers the different texts for one prompt."""

    def write(self, prompts: Sequence[Prompt], tokens: int, temperature: float, sample: int) -> list[Written]:
        """At most `tokens` tokens for each prompt; greedily at temperature 0."""


class PolicyWriter:
    """The policy as it was before training."""

    def __init__(self, write: Callable[..., list[str]], seed: int) -> None:
        self._write, self._seed = write, seed

    def write(self, prompts: Sequence[Prompt], tokens: int, temperature: float, sample: int) -> list[Written]:
        """What the policy writes; its noise depends on the run's seed, the prompt and the sample alone."""
        return [*self._write(prompts, tokens, temperature=temperature, seed=self._seed, sample=sample)]
