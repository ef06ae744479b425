"""Targets that say the words which a prompt shows: the start for a policy that is to leave words out (`policy.tiny.copying`).

With `prompt.nearest` these are the words of the baseline `encoder-feedback`, so that training starts where that baseline stands.
Each target is searched with once: a query that its words harm is taught to be left alone. No label is needed for it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from math import isnan
from statistics import fmean

from leser.environment import SEARCHES_AT_ONCE, Attempt, Environment
from leser.expansion import Expansion
from leser.prompt import Observation, PromptOptions
from leser.task import Split
from leser.warmup.targets import Target

log = logging.getLogger(__name__)


def say_shown(environment: Environment, seen: Observation, options: PromptOptions) -> str:
    """The completion that says all shown words in their order, as many as an answer may hold; "none" where none is shown."""
    count = min(options.terms, environment.expansion.max_expansions)
    return environment.say([Expansion(word) for word in seen.terms[:count]])


def shown_targets(
    environment: Environment, split: Split, seen: Sequence[Observation], prompt: PromptOptions
) -> list[Target]:
    """One target per query: its shown words, or "none" where they lower the reward or there are none.

    Queries to which no reward applies, or of which a search failed, have no target. Logs a warning where the words lower the
    reward on average: such a policy would begin below the engine.
    """
    targets, changes = [], []
    for first in range(0, len(seen), SEARCHES_AT_ONCE // 2):
        part = seen[first : first + SEARCHES_AT_ONCE // 2]
        said = [say_shown(environment, o, prompt) for o in part]
        alone = environment.say()
        attempts = [
            Attempt(o.query, number, completion)
            for number, (o, words) in enumerate(zip(part, said, strict=True))
            for completion in (alone, words)
        ]
        scores = environment.score(environment.judge(attempts, split))
        totals = [None if out or isnan(t) else float(t) for t, out in zip(scores.total, scores.excluded, strict=True)]
        for observation, words, before, after in zip(part, said, totals[::2], totals[1::2], strict=True):
            if before is None or after is None:
                continue
            changes.append(after - before)
            harmed = words == alone or after - before < 0
            targets.append(
                Target(observation.query, alone, 0.0) if harmed else Target(observation.query, words, after - before)
            )
    if changes and fmean(changes) < 0:
        log.warning(
            "The shown words lower the reward by %.4f on average over %d train queries: a policy that begins by saying them "
            "begins below the engine. Show fewer (prompt.terms), or set warmup.targets=search and policy.tiny.copying=false.",
            -fmean(changes),
            len(changes),
        )
    return targets
