"""What a rollout engine gave, held against its contract: a fault found here would otherwise train on wrong numbers."""

from __future__ import annotations

from collections.abc import Sequence

from leser.errors import LeserError, PluginFault
from leser.rollout import RolloutEngine, Sample, SamplingRequest, TokenPrompt

LEAST = -1000.0
"""Least log-probability that a drawn token can have: engines write -9999 for one that they do not know."""
MOST_ROUNDING = 1e-3
"""A log-probability of a certain token may be this far above 0, in nats: the sum of probabilities was rounded."""


def sampled(
    engine: RolloutEngine, prompts: Sequence[TokenPrompt], request: SamplingRequest, eos_ids: Sequence[int]
) -> list[list[Sample]]:
    """The completions that the engine draws, checked; raises LeserError as it does, PluginFault where an answer is not valid."""
    try:
        found = engine.sample(prompts, request)
    except LeserError:
        raise
    except Exception as error:
        raise PluginFault(f"{_named(engine)} failed in sample(): {type(error).__name__}: {error}") from error
    if len(found) != len(prompts):
        raise PluginFault(f"{_named(engine)} gave {len(found)} groups for {len(prompts)} prompts. Correct the plugin.")
    for prompt, group in zip(prompts, found, strict=True):
        if len(group) != request.count:
            raise PluginFault(
                f"{_named(engine)} gave {len(group)} completions of '{prompt.id}' for {request.count}. Correct the plugin."
            )
        for sample in group:
            if wrong := fault(sample, request, eos_ids):
                raise PluginFault(f"{_named(engine)} gave a completion of '{prompt.id}' that is not valid: {wrong}.")
    return found


def fault(sample: Sample, request: SamplingRequest, eos_ids: Sequence[int]) -> str:
    """What is wrong with a completion; an empty text where nothing is."""
    if len(sample.logprobs) != len(sample.tokens):
        return f"it has {len(sample.tokens)} tokens and {len(sample.logprobs)} log-probabilities"
    if not all(LEAST <= p <= MOST_ROUNDING for p in sample.logprobs):
        return f"a log-probability is above 0, below {LEAST:g} or not a number: no token is drawn that seldom"
    if sample.broken_off:
        return ""
    if not sample.tokens:
        return "it holds no token"
    if len(sample.tokens) > request.max_new_tokens:
        return f"it has {len(sample.tokens)} tokens, more than {request.max_new_tokens}"
    if sample.finished and sample.tokens[-1] not in eos_ids:
        return "it is said to have ended by itself, and its last token is not one that ends a completion"
    if not sample.finished and len(sample.tokens) < request.max_new_tokens:
        return f"it was cut after {len(sample.tokens)} tokens, before the limit of {request.max_new_tokens}, without a reason"
    return ""


def _named(engine: RolloutEngine) -> str:
    return f"The rollout engine '{engine.name}'"
