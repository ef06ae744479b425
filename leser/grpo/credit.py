"""Term credit: what each term of a completion is worth, asked of the engine by leaving it out.

A completion's advantage pays all its tokens alike, the good term and the bad one. A search costs far less than a sampled
completion, so each completion is searched again without each of its terms; what the reward loses is that term's worth,
and to stop is worth 0. A completion is a row of choices, slot by slot: this term, another one, or the end. The mean worth
of what the group's completions chose in a slot is that slot's baseline, as the group's mean reward is a completion's; so a
filler loses against a term that helps, in the same slot, and the end loses where another term would have helped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from leser.environment import Attempt
from leser.expansion import MARKER, Code
from leser.grpo.advantage import with_term_credit
from leser.policy.generate import Sample
from leser.reward import Outcome
from leser.task import Split

if TYPE_CHECKING:
    from leser.grpo.options import GrpoOptions
    from leser.sampler import Sampler
    from leser.scoring import Scores

Array = np.ndarray[Any, Any]


def term_credit(
    sampler: Sampler,
    split: Split,
    samples: Sequence[Sequence[Sample]],
    outcomes: Sequence[Outcome],
    scores: Scores,
    advantages: Array,
    options: GrpoOptions,
) -> Array:
    """Advantages of single tokens, (B, G, C), from (B, G) ones: the tokens of a slot share what was chosen there.

    With c = `term_credit`, a token of slot j gets (1 - c) * A + c * (worth - mean worth of the group in slot j); reasoning,
    and completions that were gated or not searched, keep A. A leave-one-out search that failed leaves that term with A.
    """
    flat = [s for row in samples for s in row]
    longest = max(len(s.tokens) for s in flat)
    per_token = np.repeat(advantages[..., None], longest, axis=2)
    worth = _worths(sampler, split, outcomes, scores)
    size = advantages.shape[1]
    for row in range(len(samples)):
        members = {i: worth[i] for i in range(row * size, (row + 1) * size) if i in worth}
        for index, relative in _against_slot(members).items():
            slots = slot_of_token(sampler, flat[index].tokens, len(relative) - 1).tolist()
            values = with_term_credit(float(advantages[row, index % size]), slots, relative, options.term_credit)
            per_token[row, index % size, : len(values)] = values
    return per_token


def _worths(sampler: Sampler, split: Split, outcomes: Sequence[Outcome], scores: Scores) -> dict[int, list[float]]:
    """For each completion that was searched, what its reward loses without each term, then 0 for the end."""
    readable = (Code.OK, Code.NONE, Code.NOTHING_FOUND)
    worth: dict[int, list[float]] = {}
    asked: list[int] = []
    attempts: list[Attempt] = []
    for index, outcome in enumerate(outcomes):
        if outcome.code not in readable or scores.gated[index] or scores.excluded[index]:
            continue
        worth[index] = []
        for term in range(len(outcome.expansions)):
            rest = outcome.expansions[:term] + outcome.expansions[term + 1 :]
            asked.append(index)
            attempts.append(Attempt(outcome.query, len(attempts), sampler.environment.say(rest)))
    if attempts:
        without = sampler.environment.score(
            sampler.environment.judge(attempts, split)
        ).total  # NaN where the search failed
        for index, total in zip(asked, without, strict=True):
            worth[index].append(float(scores.total[index] - total))
    return {index: [*terms, 0.0] for index, terms in worth.items()}


def _against_slot(members: dict[int, list[float]]) -> dict[int, list[float]]:
    """Each worth less the mean of what the members chose in the same slot (those that had ended before have no say)."""
    relative: dict[int, list[float]] = {index: [] for index in members}
    for slot in range(max((len(worth) for worth in members.values()), default=0)):
        chosen = {index: worth[slot] for index, worth in members.items() if slot < len(worth)}
        known = [value for value in chosen.values() if not np.isnan(value)]
        baseline = float(np.mean(known)) if known else 0.0
        for index, value in chosen.items():
            relative[index].append(value - baseline)
    return relative


def slot_of_token(sampler: Sampler, tokens: Sequence[int], terms: int) -> Array:
    """For each token the slot it decides: a term and the separator before it share one, the end has the last; -1: reasoning."""
    decode = sampler.policy.decode
    start = 0  # characters before the list of expansions: the last marker ends the reasoning, as the parser reads it
    if sampler.environment.expansion.reasoning:
        start = decode(tokens).rfind(MARKER) + len(MARKER)
    slots = np.full(len(tokens), -1)
    before = ""
    for position in range(len(tokens)):
        through = decode(tokens[: position + 1])
        if through == before and position:  # the end token decodes to nothing
            slots[position] = terms
        elif len(through) > start:
            slots[position] = min(through[start:].count(";"), terms)
        before = through
    return slots
