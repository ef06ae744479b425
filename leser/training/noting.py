"""Log-probabilities of completions under the present policy, by the code that trains it: what a later update compares with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from leser.grpo.batch import GroupBatch
from leser.grpo.options import GrpoOptions
from leser.grpo.update import own_logprobs
from leser.processes import Processes
from leser.rollout import Sample
from leser.sampler import Sampler
from leser.task import Query

Logprobs = list[list[list[float]]]
T = TypeVar("T")


def noted(
    sampler: Sampler,
    queries: Sequence[Query],
    samples: Sequence[Sequence[Sample]],
    options: GrpoOptions,
    processes: Processes,
) -> Logprobs:
    """The log-probability of every token (B, G, C ragged), in nats at the sampling temperature; each process notes its share."""
    numbers = processes.share(list(range(len(queries))))
    own: Logprobs = []
    if numbers:
        completions = [[s.tokens for s in samples[i]] for i in numbers]
        ones = np.ones((len(numbers), len(completions[0])))
        prompts = sampler.prompts([queries[i] for i in numbers])
        own = own_logprobs(sampler.policy, GroupBatch(prompts, completions, ones, ones.astype(bool)), options)
    return in_order(processes.gather(own))


def in_order(parts: Sequence[Sequence[T]]) -> list[T]:
    """All items out of the shares of several processes, in the order that they were dealt in."""
    return [parts[i % len(parts)][i // len(parts)] for i in range(sum(map(len, parts)))]
