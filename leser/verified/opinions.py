"""Second opinions: an encoder's score of ten hits is a noisy judge, so it is averaged with three further views of its own.

The judge sees the hits that are shown, most of them new, and of many words that bring some it prefers the one that it
overrates. Each further view errs for other reasons, needs no label and no other vectors than the judge's own:

- what was known: the discounted mean over the original's first `verified.known` hits alone, in the order in which the
  expanded query ranks them. A word that only fetches what the judge overrates does not put these in order.
- feedback: both again, compared not with the query's vector but with that of the query and its nearest documents together,
  the sum of the two directions (Rocchio's feedback on vectors: Li, Mourad, Zhuang, Koopman and Zuccon, TOIS 41(3), 2023).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Self

import numpy as np

from leser.backend import Ranking
from leser.environment import Environment
from leser.originals import keep_last
from leser.reward import Outcome
from leser.similarity import NearestDocuments, comparing, discounted_mean
from leser.verified.options import VerifiedOptions
from leser.verified.sources import CandidateSource, nearest_in

if TYPE_CHECKING:
    from numpy.typing import NDArray

_QUERIES_KEPT = 1024


class Opinions:
    """What the further views add to the judge's score; `weight` is the encoder's in the rewards' total."""

    def __init__(self, nearest: NearestDocuments, weight: float, options: VerifiedOptions) -> None:
        self.nearest, self.weight, self.options = nearest, weight, options
        self._vectors: dict[str, NDArray[np.float32]] = {}

    @classmethod
    def of(cls, environment: Environment, sources: Sequence[CandidateSource], options: VerifiedOptions) -> Self | None:
        """Those of the encoder that both judges by itself and brings candidates; None where there is none.

        The first that compares documents brings candidates (`nearest_of`). Where it is a factor of a product, what is judged
        is no cosine, and another encoder beside it has other vectors.
        """
        rewards = environment.rewards
        judge: object = comparing(rewards.rewards)
        weight = next((w for r, w in zip(rewards.rewards, rewards.weights, strict=True) if r is judge), 0.0)
        nearest = nearest_in(sources)
        if nearest is None or weight <= 0 or not options.opinions:
            return None
        return cls(nearest, weight, options)

    def read(self, outcomes: Sequence[Outcome]) -> list[float]:
        """For each outcome what is to be added to its score; 0 for one without a ranking. Raises EncodingFailed."""
        places: dict[str, list[int]] = {}
        for place, outcome in enumerate(outcomes):
            if outcome.expanded is not None:
                places.setdefault(outcome.query.id, []).append(place)
        self._prepare({outcomes[own[0]].query.text for own in places.values()})
        added = [0.0] * len(outcomes)
        for own in places.values():
            text = outcomes[own[0]].query.text
            rankings = [r for place in own if (r := outcomes[place].expanded) is not None]
            found = self._added(self._vectors[text], outcomes[own[0]].original, rankings)
            for place, value in zip(own, found.tolist(), strict=True):
                added[place] = value
        return added

    def _prepare(self, texts: Collection[str]) -> None:
        keep_last(self._vectors, _QUERIES_KEPT)
        missing = sorted(text for text in texts if text not in self._vectors)
        if missing:
            self._vectors |= dict(zip(missing, self.nearest.views(missing, self.options.feedback), strict=True))

    def _added(
        self, vectors: NDArray[np.float32], original: Ranking, rankings: Sequence[Ranking]
    ) -> NDArray[np.float64]:
        """Shape (rankings,): `opinions` of the way from the judge's own view to the mean of the others."""
        new, old = views_of(self.nearest, vectors, original, rankings, self.options)
        added: NDArray[np.float64] = self.weight * self.options.opinions * ((new[1] + old[0] + old[1]) / 3 - new[0])
        return added


def views_of(
    nearest: NearestDocuments,
    vectors: NDArray[np.float32],
    original: Ranking,
    rankings: Sequence[Ranking],
    options: VerifiedOptions,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What is shown and how the known is ordered, each in the eyes of `vectors` (one query's `views`): two of shape
    (vectors, rankings), discounted means of cosines from 0 to 1."""
    depth = options.keep_top
    known = original.ids[: options.known]
    shown = [ranking.ids[:depth] for ranking in rankings]
    ordered = [_ordered(known, ranking.ids, depth) for ranking in rankings]
    ids = list(dict.fromkeys(chain(known, *shown, *ordered)))
    # a document without text counts 0, as with the judge; a rank without a document what the original's do on average
    cosines = np.clip(np.nan_to_num(nearest.compare(vectors, ids)), 0.0, 1.0).astype(np.float64)
    own = cosines[:, : len(known[:depth])]
    empty = own.mean(axis=1, keepdims=True) if own.size else np.zeros((len(vectors), 1))
    table, place = np.concatenate([cosines, empty], axis=1), {id: n for n, id in enumerate(ids)}

    def mean(lists: Sequence[Sequence[str]]) -> NDArray[np.float64]:
        rows = np.full((len(lists), depth), len(ids), dtype=np.int64)
        for row, listed in zip(rows, lists, strict=True):
            row[: len(listed)] = [place[id] for id in listed]
        return discounted_mean(table[:, rows], depth)

    return mean(shown), mean(ordered)


def _ordered(known: Sequence[str], ids: Sequence[str], depth: int) -> list[str]:
    """The first `depth` known documents as a ranking orders them; those that it lacks come last, in their old order."""
    wanted = set(known)
    first = list(islice((id for id in ids if id in wanted), depth))
    if len(first) < depth:
        first += [id for id in known if id not in set(first)][: depth - len(first)]
    return first
