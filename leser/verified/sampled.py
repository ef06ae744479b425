"""A policy's own samples as candidates: verified search proves of what it writes the words that help, and adds others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from leser.expansion import ParseError, parse
from leser.task import Query

if TYPE_CHECKING:
    from leser.rollout import Sample
    from leser.sampler import Sampler


class PolicyWords:
    """Expansions out of a policy's greedy answer and `samples` sampled ones, those of most answers first.

    What cannot be read gives none. Of equally many answers the order is that of the greedy one, then of the sampled ones.
    """

    def __init__(self, sampler: Sampler, samples: int, seed: int = 0) -> None:
        self._sampler, self.samples, self._seed = sampler, samples, seed

    def __call__(self, queries: Sequence[Query]) -> list[list[str]]:
        """One list per query, in order."""
        if not queries:
            return []
        sampler = self._sampler
        greedy = sampler.sample(queries, 1, seed=self._seed, step=0, temperature=0.0)
        sampled = sampler.sample(queries, self.samples, seed=self._seed, step=0, temperature=1.0)
        sampler.forget(len(queries))
        return [self._counted([*first, *others]) for first, others in zip(greedy, sampled, strict=True)]

    def _counted(self, answers: Sequence[Sample]) -> list[str]:
        counts: Counter[str] = Counter()
        for answer in answers:
            text = self._sampler.policy.decode(answer.tokens)
            read = parse(text, self._sampler.environment.expansion, finished=answer.finished)
            if not isinstance(read, ParseError):
                counts.update(dict.fromkeys((expansion.text for expansion in read.expansions), 1))
        return [text for text, _ in counts.most_common()]  # stable: equal ones as they were first written
