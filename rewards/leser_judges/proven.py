"""Words of nearest documents that alone cost nothing: `encoder-feedback` with a trial of each word on the engine."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from leser.backend import Ranking, SearchError, Term
from leser.baseline import BaselineContext
from leser.task import Query
from leser.verified.anchor import agreement
from leser.verified.opinions import views_of
from leser.verified.options import VerifiedOptions
from leser_judges.baselines import TOP, EncoderFeedback, clauses_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRIED_AT_ONCE = 64
"""Queries whose words are searched for together: a bound on the rankings in memory."""
SEEN = VerifiedOptions()
"""How hits are looked at, as verified search does by default."""


class EncoderProven(EncoderFeedback):
    """Words of the documents most similar to the query, without those that alone make its results worse; no label is read.

    Each of the first `pool` words is searched for beside the query, heavily (`trial`), and stays where the value does not fall:
    the mean of verified search's four views of the encoder, and `agree` times the engine's own opinion of the hits. The first of
    those that stay are added at a small weight, if dev's mean value rises by it. Each of them is harmless, and what they say
    together is too broad to be luck.

    Use when: most of verified search's gain is wanted on queries as they are typed; it costs some 17 searches and one encoding.
    Beware of: it leaves a query as it is only where no word passes, or dev prefers that for all.
    """

    name = "encoder-proven"
    tuned = False

    class Options(EncoderFeedback.Options):
        """The encoder, the words, the trial of each, and the grid that is searched on dev."""

        terms: tuple[int, ...] = Field((0, 5), min_length=1, description="numbers of words added")
        weights: tuple[float, ...] = Field(
            (0.2,), min_length=1, description="weights of a word; of several the encoder takes too heavy ones"
        )
        agree: float = Field(
            SEEN.agree, ge=0, description="what the engine's own scores of the hits count beside the encoder's views"
        )
        pool: int = Field(16, ge=1, description="words tried for a query, the most telling first")
        trial: float = Field(0.5, gt=0, description="weight at which a word is tried")

    options: EncoderProven.Options

    def fit(self, context: BaselineContext) -> None:
        """Search dev with every setting of the grid and keep the one of the highest mean value; of equal ones the first."""
        self._open(context)
        queries = self._dev(context)
        words = self._words(queries)
        grid, seen = list(product(self.options.terms, self.options.weights)), self._seen(queries)
        means = [
            float(np.mean(self._values(queries, seen, [clauses_of(own, *point) for own in words]))) for point in grid
        ]
        best = int(np.argmax(means))
        self.chosen, self.dev_reward = grid[best], means[best]

    def _words(self, queries: Sequence[Query]) -> list[tuple[str, ...]]:
        telling = self._telling(queries, self.options.pool)
        found: list[tuple[str, ...]] = []
        for first in range(0, len(queries), TRIED_AT_ONCE):
            part = slice(first, first + TRIED_AT_ONCE)
            found += self._harmless(queries[part], telling[part])
        return found

    def _harmless(self, queries: Sequence[Query], words: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
        """Of each query the words that alone do not lower its value; one whose search failed is left out."""
        asked = [query for query, own in zip(queries, words, strict=True) for _ in own]
        clauses = [(Term(word, self.options.trial),) for own in words for word in own]
        answers = iter(self._context.search(asked, clauses))
        kept: list[tuple[str, ...]] = []
        for vectors, own, original in zip(self._seen(queries), words, self._context.originals(queries), strict=True):
            gains = self._gains(vectors, original, [next(answers) for _ in own])
            kept.append(tuple(word for word, gain in zip(own, gains, strict=True) if gain is not None and gain >= 0))
        return kept

    def _seen(self, queries: Sequence[Query]) -> NDArray[np.float32]:
        """The queries' vectors that hits are compared with: all at once, as the nearest documents of a batch cost little more
        than those of one."""
        return self.documents.views([query.text for query in queries], SEEN.feedback)

    def _values(
        self, queries: Sequence[Query], seen: NDArray[np.float32], clauses: Sequence[Sequence[Term]]
    ) -> list[float]:
        """What each query's value rises by with its clauses; 0 where a search failed."""
        rows = zip(seen, self._context.originals(queries), self._context.search(queries, clauses), strict=True)
        return [next(iter(self._gains(vectors, original, [after]))) or 0.0 for vectors, original, after in rows]

    def _gains(
        self, vectors: NDArray[np.float32], original: Ranking | SearchError, found: Sequence[Ranking | SearchError]
    ) -> list[float | None]:
        """What a query's value rises by with each ranking, in the eyes of its vectors; None where a search failed."""
        if not isinstance(original, Ranking):
            return [None] * len(found)
        rankings = [original, *(ranking if isinstance(ranking, Ranking) else original for ranking in found)]
        views = np.concatenate(views_of(self.documents, vectors, original, rankings, SEEN)).mean(axis=0)
        value = views + [self.options.agree * agreement(original, ranking, TOP) for ranking in rankings]
        return [
            float(rise) if isinstance(ranking, Ranking) else None
            for ranking, rise in zip(found, value[1:] - value[0], strict=True)
        ]
