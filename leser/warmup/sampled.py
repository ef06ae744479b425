"""Targets out of the policy's own completions: those that the engine proves better than every target known so far.

What a policy samples, it can say: such a target teaches no word that its prompt doesn't suggest. One round, after the
targets made from relevant documents have been learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from leser.environment import Attempt
from leser.expansion import MARKER, Code
from leser.task import Split
from leser.warmup.options import WarmupOptions
from leser.warmup.targets import Target

if TYPE_CHECKING:
    from leser.sampler import Sampler

BATCH = 256  # queries sampled at a time


def sampled_targets(
    sampler: Sampler, split: Split, known: Sequence[Target], options: WarmupOptions, seed: int
) -> list[Target]:
    """For each query with a target, the best of `options.samples` completions, where it beats the best target known."""
    best: dict[str, float] = {}
    for target in known:
        best[target.query.id] = max(best.get(target.query.id, 0.0), target.gain)
    queries = list({t.query.id: t.query for t in known}.values())
    environment, found = sampler.environment, []
    for first in range(0, len(queries), BATCH):
        part = queries[first : first + BATCH]
        rows = sampler.sample(part, options.samples, seed=seed, step=-2, temperature=1.0)
        texts = [[sampler.policy.decode(s.tokens) for s in row] for row in rows]
        attempts = [
            Attempt(query, group, text, sample.finished)
            for group, (query, row, said) in enumerate(zip(part, rows, texts, strict=True))
            for sample, text in zip(row, said, strict=True)
        ]
        outcomes = environment.judge(attempts, split)
        totals = environment.score(outcomes).total
        plain = environment.score(
            environment.judge([Attempt(q, i, environment.say()) for i, q in enumerate(part)], split)
        ).total
        for group, query in enumerate(part):
            mine = range(group * options.samples, (group + 1) * options.samples)
            usable = [i for i in mine if outcomes[i].code is Code.OK and totals[i] == totals[i]]
            if not usable:
                continue
            top = max(usable, key=lambda i: (totals[i], -i))
            gain = float(totals[top] - plain[group])
            if gain >= best[query.id] + options.min_addition:
                before, marker, _ = outcomes[top].completion.rpartition(MARKER)
                reasoning = f"{before}{marker}" if environment.expansion.reasoning else ""
                found.append(Target(query, environment.say(outcomes[top].expansions), gain, reasoning))
    return found
