"""Credit: what each term of a completion is worth, asked of the engine.

A completion's advantage pays all its tokens alike, the good term and the bad one. A completion is a row of choices, slot by
slot: this term, another one, or the end. A search costs far less than a sampled completion, so the engine is asked:

- prefix: each prefix of the terms is searched. Slot j has the return R_j = r - r(terms before j): what followed from the choice,
  against what was there already. r(terms before j) depends on earlier choices only, so it is a valid baseline, and so is the
  mean of R_j over the other completions that reached slot j: the gradient is that of the reward, on average, with less noise.
  What a gated completion loses is paid by the slot that broke it, because the prefix before it could still be read.
  With `gated_below` it counts as less than every readable prefix too, by the same margin: else the slot that broke it would
  earn something where the prefix was worse than what the group's others said.
- leave-one-out: a slot's worth is r - r(without its term), less the group's mean in the slot. A term's worth there depends on
  terms that come later, so the gradient is biased: of two terms with one meaning neither is paid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from leser.environment import Attempt
from leser.expansion import MARKER, Code
from leser.grpo.advantage import divisor, with_term_credit, worst_readable, zero_variance_groups
from leser.grpo.slots import slot_of_token, written_terms
from leser.policy.generate import Sample
from leser.reward import Outcome
from leser.task import Query, Split

if TYPE_CHECKING:
    from leser.grpo.options import GrpoOptions
    from leser.sampler import Sampler
    from leser.scoring import Scores

__all__ = ["slot_of_token", "term_credit"]
Array = np.ndarray[Any, Any]
READABLE = (Code.OK, Code.NONE, Code.NOTHING_FOUND)


@dataclass(frozen=True, slots=True)
class Gates:
    """What gated completions count as: `margin` less than `worst` (B * G,), the worst readable reward of each one's group.

    Without a margin, or where nothing in the group can be read, their rewards count.
    """

    worst: Array
    margin: float | None

    def counted(self, index: int, rewards: Sequence[float], gated: Sequence[bool]) -> list[float]:
        """Rewards of a completion's prefixes, shortest first, with those of gated ones below every readable one before them."""
        least, found = float(self.worst[index]), list(rewards)
        if self.margin is None or np.isinf(least):
            return found
        for place, (reward, shut) in enumerate(zip(rewards, gated, strict=True)):
            if shut:
                found[place] = least - self.margin
            else:
                least = min(least, reward)  # NaN, a search that failed, leaves it as it is
        return found


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

    With c = `credit_share`, a token of slot j gets (1 - c) * A + c * credit_j, credit_j divided by what A was divided by;
    reasoning, excluded completions and zero-variance groups keep A, and so does a slot whose search failed. Under leave-one-out
    gated completions keep A too.
    """
    flat = [s for row in samples for s in row]
    per_token = np.repeat(advantages[..., None], max(len(s.tokens) for s in flat), axis=2)
    shape, size = advantages.shape, advantages.shape[1]
    totals, usable = scores.total.reshape(shape), ~scores.excluded.reshape(shape)
    divisors = divisor(totals, usable, options.scale)
    alive = np.repeat(~zero_variance_groups(totals, usable, options.zero_variance_range), size)
    chosen = [i for i in range(len(flat)) if alive[i] and not scores.excluded[i]]
    worst = worst_readable(totals, scores.gated.reshape(shape), usable)
    gates = Gates(np.repeat(worst[:, 0], size), options.gated_below)
    if options.credit == "prefix":
        worth = _returns(sampler, split, flat, outcomes, scores, chosen, gates)
    else:
        worth = _worths(sampler, split, outcomes, scores, chosen, gates)
    for row in range(len(samples)):
        members = {i: worth[i] for i in range(row * size, (row + 1) * size) if i in worth}
        prefix = options.credit == "prefix"
        credits = against_others(members, options.baseline) if prefix else against_mean(members)
        for index, credit in credits.items():
            slots = slot_of_token(sampler, flat[index].tokens, len(credit) - 1).tolist()
            scaled = [value / float(divisors[row, 0]) for value in credit]
            values = with_term_credit(float(advantages[row, index % size]), slots, scaled, options.credit_share)
            per_token[row, index % size, : len(values)] = values
    return per_token


def _returns(
    sampler: Sampler,
    split: Split,
    flat: Sequence[Sample],
    outcomes: Sequence[Outcome],
    scores: Scores,
    chosen: Sequence[int],
    gates: Gates,
) -> dict[int, list[float]]:
    """For each completion chosen, r - r(terms before the slot) by slot, the end's last; NaN where a search failed."""
    said = {index: _prefixes(sampler, flat[index], outcomes[index]) for index in chosen}
    asked: dict[tuple[str, str], Query] = {}
    for index, prefixes in said.items():
        query = outcomes[index].query
        asked |= dict.fromkeys(((query.id, prefix) for prefix in prefixes), query)  # prefixes shared in a group: once
    attempts = [Attempt(query, number, text) for number, ((_, text), query) in enumerate(asked.items())]
    if not attempts:
        return {}
    judged = sampler.environment.score(sampler.environment.judge(attempts, split))  # NaN where the search failed
    known = dict(zip(asked, zip(judged.total.tolist(), judged.gated.tolist(), strict=True), strict=True))
    returns: dict[int, list[float]] = {}
    for index, prefixes in said.items():
        query = outcomes[index].query
        grown = [
            *(known[query.id, prefix] for prefix in prefixes),
            (float(scores.total[index]), bool(scores.gated[index])),
        ]
        *before, total = gates.counted(index, [reward for reward, _ in grown], [shut for _, shut in grown])
        returns[index] = [total - reward for reward in before]
        if outcomes[index].code in READABLE or flat[index].finished:
            returns[index].append(0.0)  # nothing follows the end
    return returns


def _prefixes(sampler: Sampler, sample: Sample, outcome: Outcome) -> list[str]:
    """What each slot but the end found written: nothing, the first term, the first two, ... as completions."""
    environment = sampler.environment
    if outcome.code in READABLE:
        terms = outcome.expansions
        return [environment.say(terms[:count]) for count in range(len(terms))]
    written = written_terms(sampler, sample.tokens)
    lead = f"{MARKER} " if environment.expansion.reasoning else ""
    return [environment.say(), *(lead + ";".join(written[:count]).strip() for count in range(1, len(written)))]


def _worths(
    sampler: Sampler, split: Split, outcomes: Sequence[Outcome], scores: Scores, chosen: Sequence[int], gates: Gates
) -> dict[int, list[float]]:
    """For each completion chosen that was searched, what its reward loses without each term, then 0 for the end."""
    worth: dict[int, list[float]] = {}
    asked: list[int] = []
    attempts: list[Attempt] = []
    for index in chosen:
        outcome = outcomes[index]
        if outcome.code not in READABLE or scores.gated[index]:
            continue
        worth[index] = []
        for term in range(len(outcome.expansions)):
            rest = outcome.expansions[:term] + outcome.expansions[term + 1 :]
            asked.append(index)
            attempts.append(Attempt(outcome.query, len(attempts), sampler.environment.say(rest)))
    if attempts:
        without = sampler.environment.score(sampler.environment.judge(attempts, split))  # NaN where the search failed
        for index, total, shut in zip(asked, without.total.tolist(), without.gated.tolist(), strict=True):
            worth[index].append(float(scores.total[index] - gates.counted(index, [total], [shut])[0]))
    return {index: [*terms, 0.0] for index, terms in worth.items()}


def against_others(members: dict[int, list[float]], baseline: str) -> dict[int, list[float]]:
    """Each return less the mean of what the other members have in the same slot, 0 where no other got that far; unbiased.

    Under `baseline` mean this is scaled by (G - 1) / G in every slot, as a group's mean that holds the completion itself scales
    an advantage: with all members in the slot it is the return less the slot's mean.
    """
    scale = 1.0 if baseline == "leave_one_out" else (len(members) - 1) / max(1, len(members))
    relative: dict[int, list[float]] = {}
    for index, values in members.items():
        relative[index] = []
        for slot, value in enumerate(values):
            others = [v[slot] for i, v in members.items() if i != index and slot < len(v) and not np.isnan(v[slot])]
            relative[index].append(scale * (value - (float(np.mean(others)) if others else 0.0)))
    return relative


def against_mean(members: dict[int, list[float]]) -> dict[int, list[float]]:
    """Each worth less the mean of what the members chose in the same slot (those that had ended before have no say)."""
    relative: dict[int, list[float]] = {index: [] for index in members}
    for slot in range(max((len(worth) for worth in members.values()), default=0)):
        chosen = {index: worth[slot] for index, worth in members.items() if slot < len(worth)}
        known = [value for value in chosen.values() if not np.isnan(value)]
        mean = float(np.mean(known)) if known else 0.0
        for index, value in chosen.items():
            relative[index].append(value - mean)
    return relative
