"""Targets out of the policy's own completions: those that the engine proves better than every target known so far.

What a policy samples, it can say: such a target teaches no word that its prompt doesn't suggest. One round, after the
targets made from relevant documents have been learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from leser.expansion import Code
from leser.task import Split
from leser.teacher import Attempt
from leser.warmup.options import WarmupOptions
from leser.warmup.targets import Target

if TYPE_CHECKING:
    from leser.learner import Learner

BATCH = 256  # queries sampled at a time


def sampled_targets(
    learner: Learner, split: Split, known: Sequence[Target], options: WarmupOptions, seed: int
) -> list[Target]:
    """For each query with a target, the best of `options.samples` completions, where it beats the best target known."""
    best: dict[str, float] = {}
    for target in known:
        best[target.query.id] = max(best.get(target.query.id, 0.0), target.gain)
    queries = list({t.query.id: t.query for t in known}.values())
    teacher, found = learner.teacher, []
    for first in range(0, len(queries), BATCH):
        part = queries[first : first + BATCH]
        rows = learner.sample(part, options.samples, seed=seed, step=-2, temperature=1.0)
        texts = [[learner.policy.decode(s.tokens) for s in row] for row in rows]
        attempts = [
            Attempt(query, group, text, sample.finished)
            for group, (query, row, said) in enumerate(zip(part, rows, texts, strict=True))
            for sample, text in zip(row, said, strict=True)
        ]
        outcomes = teacher.judge(attempts, split)
        totals = teacher.score(outcomes).total
        plain = teacher.score(teacher.judge([Attempt(q, i, teacher.say()) for i, q in enumerate(part)], split)).total
        for group, query in enumerate(part):
            mine = range(group * options.samples, (group + 1) * options.samples)
            usable = [i for i in mine if outcomes[i].code is Code.OK and totals[i] == totals[i]]
            if not usable:
                continue
            top = max(usable, key=lambda i: (totals[i], -i))
            gain = float(totals[top] - plain[group])
            if gain >= best[query.id] + options.min_addition:
                found.append(Target(query, teacher.say(outcomes[top].expansions), gain))
    return found
