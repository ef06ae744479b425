"""Targets after a reasoning of the policy's own, where it reasons before it lists expansions.

A target alone would teach the policy to reason nothing at all. So the policy writes a reasoning for each query before any
training, the target stands after it, and only what comes after the reasoning is taught.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from leser.expansion import MARKER
from leser.warmup.targets import Target

if TYPE_CHECKING:
    from leser.policy.policy import Policy
    from leser.sampler import Sampler

BATCH = 256  # queries sampled at a time


def reasoned(sampler: Sampler, targets: Sequence[Target], seed: int) -> list[Target]:
    """The targets, each with a reasoning sampled for its query, short enough to leave room for the target.

    The reasoning goes up to the marker of the expansions where the policy wrote it; where it did not, the marker is taught
    with the target.
    """
    queries = list({t.query.id: t.query for t in targets}.values())
    longest: dict[str, int] = {}
    for target in targets:
        length = len(sampler.policy.encode_completion(target.completion))
        longest[target.query.id] = max(length, longest.get(target.query.id, 0))
    written: dict[str, str] = {}
    for first in range(0, len(queries), BATCH):
        part = queries[first : first + BATCH]
        rows = sampler.sample(part, 1, seed=seed, step=-3, temperature=1.0)
        for query, row in zip(part, rows, strict=True):
            text, marker, _ = sampler.policy.decode_prose(row[0].tokens).partition(MARKER)
            written[query.id] = _fitting(sampler.policy, f"{text}{marker}", sampler.max_new_tokens - longest[query.id])
    return [replace(target, reasoning=written[target.query.id]) for target in targets]


def _fitting(policy: Policy, text: str, room: int) -> str:
    """The start of a reasoning that takes at most `room` tokens; a line break ends one that does not end with the marker."""
    while True:
        kept = text if text.endswith(MARKER) else f"{text.rstrip()}\n"
        if not text or len(policy.encode_completion(kept)) - 1 <= room:
            return kept
        text = text[: len(text) * 4 // 5]


def _after_another(policy: Policy, completion: str) -> list[int]:
    other, both = policy.encode_completion("a;")[:-1], policy.encode_completion(f"a; {completion}")
    return both[len(other) :] if both[: len(other)] == other else policy.encode_completion(completion)


def encoded(policy: Policy, target: Target, *, leading_space: bool = False) -> tuple[list[int], int]:
    """A target's token ids, end token included, and how many of them at its start are reasoning, which is not taught.

    With `leading_space` a target without a reasoning is tokenised as it would be after another expansion; the parser takes
    away the space that it then begins with.
    """
    if leading_space and not target.reasoning:
        return _after_another(policy, target.completion), 0
    answer = target.completion.removeprefix(MARKER) if target.reasoning.endswith(MARKER) else target.completion
    before = policy.encode_completion(target.reasoning)[:-1] if target.reasoning else []
    return [*before, *policy.encode_completion(answer)], len(before)
