"""Slots: which choice each token of a completion belongs to. Read from token ids, in time linear in their number.

A separator is one character of one byte, so it lies in one token whatever stands around it, even where a letter is spread over
several tokens that show nothing by themselves. The end is the policy's end token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from leser.expansion import MARKER

if TYPE_CHECKING:
    from leser.sampler import Sampler

SEPARATOR = ";"


def slot_of_token(sampler: Sampler, tokens: Sequence[int], terms: int) -> np.ndarray[Any, Any]:
    """For each token the slot it decides: a term and the separator before it share one, the end has the last; -1: reasoning."""
    policy = sampler.policy
    first, held = _list_start(sampler, tokens)
    separators = {token: policy.decode([token]).count(SEPARATOR) for token in set(tokens[first:])}
    slots = np.full(len(tokens), -1)
    counts = held + np.cumsum([separators[token] for token in tokens[first:]], dtype=np.int64)
    slots[first:] = np.minimum(counts, terms)
    if tokens and tokens[-1] in policy.eos_ids and first < len(tokens):
        slots[-1] = terms
    return slots


def written_terms(sampler: Sampler, tokens: Sequence[int]) -> list[str]:
    """The pieces between separators as they were written, readable or not."""
    text = sampler.policy.decode(tokens)
    if sampler.environment.expansion.reasoning:
        text = text.rpartition(MARKER)[2]
    return text.split(SEPARATOR)


def _list_start(sampler: Sampler, tokens: Sequence[int]) -> tuple[int, int]:
    """Where the list of expansions begins, and the separators that the token before it holds after the marker.

    The last marker ends the reasoning, as the parser reads it; how often it stands in the first n tokens never falls with n, so
    bisection finds it. All tokens are reasoning where there is none.
    """
    if not sampler.environment.expansion.reasoning:
        return 0, 0
    decode = sampler.policy.decode
    markers = decode(tokens).count(MARKER)
    if not markers:
        return len(tokens), 0
    low, high = 1, len(tokens)
    while low < high:
        middle = (low + high) // 2
        if decode(tokens[:middle]).count(MARKER) < markers:
            low = middle + 1
        else:
            high = middle
    return low, decode(tokens[:low]).rpartition(MARKER)[2].count(SEPARATOR)
