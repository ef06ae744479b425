"""From a judge's score to what a document of that score is worth on average, learned from judged documents.

Isotonic regression (Barlow and others, 1972; for calibration: Zadrozny and Elkan, KDD 2002): the function that never falls and
is nearest to the judgments in squares. It assumes only that a higher score does not mean a worse document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5
BINS = 10
_RESAMPLES = 400


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A function that never falls, by its corners: `worths` at `scores`, straight between them and flat outside."""

    scores: NDArray[np.float64]
    worths: NDArray[np.float64]

    def __call__(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """What documents of these scores are worth; NaN stays NaN."""
        found: NDArray[np.float64] = np.interp(scores, self.scores, self.worths)
        return found

    @classmethod
    def of(cls, scores: NDArray[np.float64], worths: NDArray[np.float64]) -> Calibration:
        """Fit to judged documents, shapes (n,); equal scores count as one document of their mean worth."""
        from scipy.optimize import isotonic_regression

        unique, back, counts = np.unique(scores, return_inverse=True, return_counts=True)
        means = np.bincount(back, weights=worths) / counts
        fitted = isotonic_regression(means, weights=counts.astype(np.float64)).x
        # a corner where the value changes is all there is to know
        changes = np.diff(fitted) != 0
        kept = np.r_[True, changes] | np.r_[changes, True]
        return cls(unique[kept], fitted[kept])


@dataclass(frozen=True, slots=True)
class Bin:
    """Judged documents of like prediction: how many, what was predicted, what people said, and its 95 % interval."""

    documents: int
    predicted: float
    judged: float
    ci95: tuple[float, float]


def resampled(
    scores: NDArray[np.float64], worths: NDArray[np.float64], queries: NDArray[np.int64], count: int, seed: int
) -> list[Calibration]:
    """Calibrations on `count` bootstrap samples of whole queries: how much another set of judgments would change it."""
    rng = np.random.default_rng([seed, 3])
    members = [np.flatnonzero(queries == query) for query in np.unique(queries)]
    made = []
    for _ in range(count):
        drawn = np.concatenate([members[n] for n in rng.integers(len(members), size=len(members))])
        made.append(Calibration.of(scores[drawn], worths[drawn]))
    return made


def reliability(
    scores: NDArray[np.float64], worths: NDArray[np.float64], queries: NDArray[np.int64], seed: int
) -> list[Bin]:
    """Predicted against judged worth in bins of equal size; each document is predicted from other queries' judgments."""
    rng = np.random.default_rng([seed, 4])
    names, number = np.unique(queries, return_inverse=True)
    fold = (rng.permutation(len(names)) % FOLDS)[number]
    predicted = np.full(len(scores), np.nan)
    for part in range(FOLDS):
        held, rest = fold == part, fold != part
        if held.any() and rest.any():
            predicted[held] = Calibration.of(scores[rest], worths[rest])(scores[held])
    known = np.flatnonzero(~np.isnan(predicted))
    order = known[np.argsort(predicted[known], kind="stable")]
    return [_bin(part, predicted, worths, number, rng) for part in np.array_split(order, BINS) if len(part)]


def _bin(
    part: NDArray[np.int64],
    predicted: NDArray[np.float64],
    worths: NDArray[np.float64],
    queries: NDArray[np.int64],
    rng: np.random.Generator,
) -> Bin:
    """Its interval is of whole queries drawn again: documents of one query are alike."""
    names, number = np.unique(queries[part], return_inverse=True)
    sums, counts = np.bincount(number, weights=worths[part]), np.bincount(number)
    drawn = rng.integers(len(names), size=(_RESAMPLES, len(names)))
    low, high = np.percentile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), [2.5, 97.5])
    return Bin(len(part), float(predicted[part].mean()), float(worths[part].mean()), (float(low), float(high)))
