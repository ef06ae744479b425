"""Words of nearest documents that alone cost nothing: `encoder-feedback` with a trial of each word on the engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from leser.backend import Ranking, Term
from leser.task import Query
from leser.verified.anchor import agreement
from leser.verified.opinions import views_of
from leser.verified.options import VerifiedOptions
from leser_judges.baselines import TOP, EncoderFeedback

TRIED_AT_ONCE = 64
"""Queries whose words are searched for together: a bound on the rankings in memory."""
SEEN = VerifiedOptions()
"""How a word's hits are looked at, as verified search does by default."""


class EncoderProven(EncoderFeedback):
    """Words of the documents most similar to the query, without those that alone make its results worse; tuned on dev.

    Each of the first `pool` words is searched for beside the query, heavily (`trial`), and stays where the mean of verified
    search's four views of the encoder and the engine's own scores of the hits (`verified.agree`) does not fall. The first of
    those that stay are added at a small weight, number and weight tuned as for `encoder-feedback`: each of them is harmless,
    and what they say together is too broad to be luck.

    Use when: the gain of verified search is wanted on queries as they are typed; it costs some 16 searches and one encoding.
    Beware of: it leaves a query as it is only where no word passes, or dev prefers that for all.
    """

    name = "encoder-proven"

    class Options(EncoderFeedback.Options):
        """As of encoder-feedback, and the trial of each word."""

        pool: int = Field(16, ge=1, description="words tried for a query, the most telling first")
        trial: float = Field(0.5, gt=0, description="weight at which a word is tried")

    options: EncoderProven.Options

    def _words(self, queries: Sequence[Query]) -> list[tuple[str, ...]]:
        telling = self._telling(queries, self.options.pool)
        found: list[tuple[str, ...]] = []
        for first in range(0, len(queries), TRIED_AT_ONCE):
            part = slice(first, first + TRIED_AT_ONCE)
            found += self._harmless(queries[part], telling[part])
        return found

    def _harmless(self, queries: Sequence[Query], words: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
        """Of each query the words that alone do not lower its value; none where the query's own search failed."""
        places = [row for row, own in enumerate(words) for _ in own]
        clauses = [(Term(word, self.options.trial),) for own in words for word in own]
        answers = self._context.search([queries[row] for row in places], clauses)
        after: list[list[Ranking | None]] = [[] for _ in queries]
        for row, answer in zip(places, answers, strict=True):
            after[row].append(answer if isinstance(answer, Ranking) else None)
        vectors = self.documents.views([query.text for query in queries], SEEN.feedback)
        kept: list[tuple[str, ...]] = []
        for own, tried, original, seen in zip(words, after, self._context.originals(queries), vectors, strict=True):
            if not isinstance(original, Ranking):
                kept.append(())
                continue
            rankings = [original, *(ranking or original for ranking in tried)]
            views = np.concatenate(views_of(self.documents, seen, original, rankings, SEEN)).mean(axis=0)
            agreed = [SEEN.agree * agreement(original, ranking, TOP) for ranking in rankings]
            value = views + np.array(agreed)
            kept.append(
                tuple(
                    word
                    for word, ranking, worth in zip(own, tried, value[1:], strict=True)
                    if ranking is not None and worth >= value[0]
                )
            )
        return kept
