"""Term credit: what each term of a completion is worth, asked of the engine by leaving it out.

A completion's advantage pays all its tokens alike, the good term and the bad one. A search costs far less than a sampled
completion, so each completion of several terms is searched again without each of them; what the reward loses is that
term's credit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from leser.expansion import MARKER, Code
from leser.grpo.advantage import with_term_credit
from leser.policy.generate import Sample
from leser.reward import Outcome
from leser.task import Split
from leser.teacher import Attempt

if TYPE_CHECKING:
    from leser.grpo.options import GrpoOptions
    from leser.learner import Learner
    from leser.scoring import Scores

Array = np.ndarray[Any, Any]


def term_credit(
    learner: Learner,
    split: Split,
    samples: Sequence[Sequence[Sample]],
    outcomes: Sequence[Outcome],
    scores: Scores,
    advantages: Array,
    options: GrpoOptions,
) -> Array:
    """Advantages of single tokens, (B, G, C), from (B, G) ones: a term's tokens share its leave-one-out credit.

    With c = `term_credit`, a token of term j gets (1 - c) * A + c * (R - R without j); other tokens get A. A leave-one-out
    search that failed leaves that term with A.
    """
    flat = [s for row in samples for s in row]
    longest = max(len(s.tokens) for s in flat)
    per_token = np.repeat(advantages[..., None], longest, axis=2)
    asked: list[int] = []
    attempts: list[Attempt] = []
    for index, outcome in enumerate(outcomes):
        if outcome.code not in (Code.OK, Code.NOTHING_FOUND) or scores.gated[index] or scores.excluded[index]:
            continue
        for term in range(len(outcome.expansions)):
            rest = outcome.expansions[:term] + outcome.expansions[term + 1 :]
            asked.append(index)
            attempts.append(Attempt(outcome.query, len(attempts), learner.teacher.say(rest)))
    if not attempts:
        return per_token
    without = learner.teacher.score(learner.teacher.judge(attempts, split))
    lost: dict[int, list[float]] = {}
    for index, total in zip(asked, without.total, strict=True):  # NaN where the search failed
        lost.setdefault(index, []).append(float(scores.total[index] - total))
    for index, losses in lost.items():
        row, column = divmod(index, advantages.shape[1])
        terms = term_of_token(learner, flat[index].tokens)
        values = with_term_credit(float(advantages[row, column]), terms.tolist(), losses, options.term_credit)
        per_token[row, column, : len(values)] = values
    return per_token


def term_of_token(learner: Learner, tokens: Sequence[int]) -> Array:
    """For each token of a completion the number of the expansion it helps to write; -1 for reasoning and for the end."""
    decode = learner.policy.decode
    start = 0  # characters before the list of expansions: the last marker ends the reasoning, as the parser reads it
    if learner.teacher.expansion.reasoning:
        start = decode(tokens).rfind(MARKER) + len(MARKER)
    owner = np.full(len(tokens), -1)
    for position in range(len(tokens)):
        before, through = decode(tokens[:position]), decode(tokens[: position + 1])
        if through != before and len(through) > start:  # the end token decodes to nothing
            owner[position] = before[start:].count(";")
    return owner
