"""The reference: the policy that GRPO started from, frozen, and what it thinks of completions (for a KL term)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from leser.grpo.batch import GroupBatch, Ragged, select
from leser.grpo.options import GrpoOptions
from leser.policy.adapters import frozen_reference
from leser.policy.packed import group_logprobs
from leser.policy.policy import Policy
from leser.training.state import TrainingState


def opened_reference(state: TrainingState) -> Policy:
    """The policy GRPO started from, frozen."""
    return frozen_reference(state.sampler.policy, state.policies / "warmup")


def referenced(reference: Policy, batch: GroupBatch, groups: Sequence[int], options: GrpoOptions) -> Ragged:
    """The reference's log-probabilities of these groups, nothing for the others."""
    rows: list[list[list[float]]] = [[[] for _ in group] for group in batch.completions]
    part = select(batch, [(group, list(range(len(batch.completions[group])))) for group in groups])
    for group, values in zip(groups, reference_logprobs(reference, part, options.temperature), strict=True):
        rows[group] = values
    return rows


def reference_logprobs(reference: Policy, batch: GroupBatch, temperature: float) -> list[list[list[float]]]:
    """The frozen policy's log-probability of every completion token, few prompts at a time."""
    rows: list[list[list[float]]] = []
    with torch.no_grad():
        for first in range(0, len(batch.prompts), 8):
            part = slice(first, first + 8)
            found = group_logprobs(reference, batch.prompts[part], batch.completions[part], temperature=temperature)
            for values, group in zip(found.logprobs.tolist(), batch.completions[part], strict=True):
                rows.append([row[: len(tokens)] for row, tokens in zip(values, group, strict=False)])
    return rows
