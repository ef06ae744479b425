"""RolloutEngine: what draws the completions that GRPO learns from.

The built-in one samples from the trained policy itself. Another may be a faster inference engine that holds a copy of the
weights: it gets new ones before each batch, and says with which log-probabilities it drew each token, so that the trainer can
see (`sampler_gap`) and correct (`grpo.importance`) where it computes otherwise.

A third party's engine is one class that inherits from `RolloutEngine`, and a hook `leser_rollouts()` that returns it. This
module imports no torch: an engine's heavy packages are imported in its methods.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from leser.options import Options

MOST_SEED = (1 << 48) - 1
"""The greatest seed of a group: JSON holds it exactly, and an engine may add the number of the sample."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A completion: token ids (the end token included when it ended by itself), their log-probabilities at the sampling
    temperature (at 1 for greedy), and whether it ended by itself rather than at the length limit.

    `broken_off` says why the engine gave it up before its end and before the limit. The policy did not write such a
    completion to its end: it leaves baseline, loss and token count, as one does whose search failed.
    """

    tokens: list[int]
    logprobs: list[float]
    finished: bool
    broken_off: str = ""


@dataclass(frozen=True, slots=True)
class TokenPrompt:
    """What is sampled for: the query's id, which noise may depend on, and the prompt's token ids."""

    id: str
    tokens: list[int]


@dataclass(frozen=True, slots=True)
class SamplingRequest:
    """How to sample: `count` completions for each prompt, at most `max_new_tokens` long, from the whole vocabulary.

    `seed` is the run's, `step` counts GRPO's steps from 0. Log-probabilities are those of softmax(logits / temperature).
    """

    count: int
    max_new_tokens: int
    temperature: float
    seed: int
    step: int

    def seed_of(self, prompt: TokenPrompt) -> int:
        """The seed of a prompt's group, a function of (seed, step, prompt's id) alone, from 0 to 2**48 - 1."""
        digest = hashlib.blake2b(repr((self.seed, self.step, prompt.id)).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") & MOST_SEED


class TrainedPolicy(Protocol):
    """What an engine sees of the policy that is trained.

    `eos_ids` end a completion, `max_context` bounds prompt and completion, `precision` is what the trainer computes in
    ("bf16", "tf32" or "fp32").
    """

    @property
    def name(self) -> str:
        """The policy's name in the configuration."""

    @property
    def eos_ids(self) -> tuple[int, ...]:
        """Token ids that end a completion."""

    @property
    def max_context(self) -> int:
        """Most tokens of prompt and completion together."""

    @property
    def precision(self) -> Any:
        """What the trainer's passes compute in."""

    @property
    def configuration(self) -> str:
        """The config.json of the saved model, as a text: for an engine that makes the model anew and reads no files."""

    def save(self, folder: Path) -> None:
        """Write model and tokenizer as save_pretrained does, adapters merged."""

    def weights(self) -> Iterator[tuple[str, Any]]:
        """Names as the saved model has them, and tensors on the trainer's device; adapters merged, a tied weight once."""


@dataclass(frozen=True, slots=True)
class RolloutPlace:
    """Where an engine works: a folder of its own to write in, and the number of this process among `processes`.

    The folder is removed before it opens and after it is closed: a run that was killed leaves it to the next.
    """

    folder: Path
    process: int = 0
    processes: int = 1


class RolloutOptions(Options):
    """Base of every rollout engine's options."""


class RolloutEngine(ABC):
    """Draws completions from a copy of the policy. Opened once per run, before GRPO's first step, and closed after its last.

    With `shared`, one engine serves all processes of a run: each opens and asks it, and the main process alone gives it
    new weights, while the others wait. Without, each process has an engine of its own.
    """

    name: ClassVar[str]
    api: ClassVar[int] = 1
    shared: ClassVar[bool] = False

    class Options(RolloutOptions):
        """Options of this engine."""

    def __init__(self, options: Any) -> None:
        self.options = options

    def check(self) -> str:
        """Say in a few words what will sample, without loading a weight; an empty text for nothing to say.

        Called before anything expensive. Raises LeserError where the engine cannot work here: a package that is missing, a
        server that does not answer. The message says what to do.
        """
        return ""

    @abstractmethod
    def open(self, policy: TrainedPolicy, place: RolloutPlace) -> None:
        """Get ready to sample from this policy. Raises LeserError."""

    @abstractmethod
    def sync_weights(self, policy: TrainedPolicy, step: int) -> None:
        """Take over the policy's weights as they are before step `step`; what is sampled after the return is of these.

        Called before every batch. Keys and values cached with other weights must be forgotten.
        """

    @abstractmethod
    def sample(self, prompts: Sequence[TokenPrompt], request: SamplingRequest) -> list[list[Sample]]:
        """`request.count` completions for each prompt, in the prompts' order. Raises LeserError where the engine fails."""

    def rest(self) -> None:  # noqa: B027 - an engine that has nothing to give back need not say so
        """Nothing is sampled before the next `sync_weights`: called before each update, for memory that training could use."""

    @abstractmethod
    def close(self) -> None:
        """Let go of memory, processes and connections; calling it twice is fine."""
