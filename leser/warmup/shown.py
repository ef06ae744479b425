"""Targets that say the words which a prompt shows: the start for a policy that is to leave words out (`policy.tiny.copying`).

With `prompt.nearest` these are the words of the baseline `encoder-feedback`, so that training starts where that baseline stands.
Each target is searched with once: a query that its words harm is taught to be left alone. No label is needed for it. With
`warmup.shown=harmless` each word is tried alone first, as `encoder-proven` does, and left out where it lowers the value.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from math import isnan
from statistics import fmean

from leser.environment import SEARCHES_AT_ONCE, Attempt, Environment
from leser.expansion import Expansion
from leser.precompute import sources_of
from leser.prompt import Observation, PromptOptions
from leser.task import Split, Task
from leser.verified.candidates import Candidate
from leser.verified.judging import Judge, Trial
from leser.verified.opinions import Opinions
from leser.verified.options import VerifiedOptions
from leser.verified.ready import not_losing
from leser.warmup.targets import Target

log = logging.getLogger(__name__)
Choice = Callable[[Sequence[Observation]], list[list[str]]]
"""The words that are taught of those that each prompt shows, in their order."""


def say_shown(environment: Environment, seen: Observation, options: PromptOptions) -> str:
    """The completion that says all shown words in their order, as many as an answer may hold; "none" where none is shown."""
    return _said(environment, seen.terms[: options.terms])


def _said(environment: Environment, words: Sequence[str]) -> str:
    return environment.say([Expansion(word) for word in words[: environment.expansion.max_expansions]])


class HarmlessWords:
    """Of the shown words those that alone, at the heaviest of `verified.weights`, do not lower the value of verified search."""

    def __init__(self, environment: Environment, task: Task, prompt: PromptOptions, options: VerifiedOptions) -> None:
        self._environment, self._split, self._most, self._options = environment, task.train, prompt.terms, options
        self._opinions = Opinions.of(environment, sources_of(environment, options, task), options)

    def __call__(self, seen: Sequence[Observation]) -> list[list[str]]:
        """The words of each prompt that pass, in their order; none where the query itself was not scored."""
        limits = self._environment.expansion
        judge = Judge(self._environment, [o.query for o in seen], self._split, self._options, self._opinions)
        before = judge.read([Trial(row) for row in range(len(seen))])
        scored = [row for row, reading in enumerate(before) if reading.value is not None]
        words = [[Candidate(word, word) for word in seen[row].terms[: self._most]] for row in scored]
        heaviest = min(self._options.weights[-1] / limits.weight, limits.max_weight)
        kept = not_losing(judge, [(row, before[row].value or 0.0) for row in scored], words, heaviest, {})
        found: list[list[str]] = [[] for _ in seen]
        for row, own in zip(scored, kept, strict=True):
            found[row] = [candidate.text for candidate in own]
        return found


def shown_targets(
    environment: Environment,
    split: Split,
    seen: Sequence[Observation],
    prompt: PromptOptions,
    choice: Choice | None = None,
) -> list[Target]:
    """One target per query: its shown words, or of these the `choice`; "none" where they lower the reward or there are none.

    Queries to which no reward applies, or of which a search failed, have no target. Logs a warning where the words lower the
    reward on average: such a policy would begin below the engine.
    """
    targets, changes = [], []
    for first in range(0, len(seen), SEARCHES_AT_ONCE // 2):
        part = seen[first : first + SEARCHES_AT_ONCE // 2]
        words_of = choice(part) if choice else [list(o.terms[: prompt.terms]) for o in part]
        said = [_said(environment, words) for words in words_of]
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
