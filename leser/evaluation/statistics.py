"""Paired comparisons of two systems on the same queries: bootstrap interval, sign-flip permutation test, Holm's
correction.

The same resamples and the same sign flips serve all columns at once, so a table of comparisons costs a few matrix
products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIE = 1e-9
_CELLS = 4_000_000  # entries of one block of resamples: 32 MB of float64


@dataclass(frozen=True, slots=True)
class Paired:
    """Mean difference, its 95 % interval, two-sided p, and for how many queries the first was better, equal, worse."""

    delta: float
    ci95: tuple[float, float]
    p: float
    wins: int
    ties: int
    losses: int


def paired(
    differences: NDArray[np.float64],
    *,
    resamples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
    replicates: Sequence[NDArray[np.float64]] = (),
) -> list[Paired]:
    """Compare columns: `differences` is (queries, comparisons), first system minus second; needs at least one query.

    `replicates` are the differences once more where the values themselves are estimates (holes filled under bootstrap
    samples of a calibration): the interval is then over queries and estimates together.
    """
    if len(differences) == 0:
        raise ValueError("no query to compare on")
    lows, highs = bootstrap_interval(differences, resamples=resamples, seed=seed, level=level, replicates=replicates)
    ps = permutation_p(differences, resamples=resamples, seed=seed)
    return [
        Paired(
            float(column.mean()),
            (float(low), float(high)),
            float(p),
            int((column > TIE).sum()),
            int((np.abs(column) <= TIE).sum()),
            int((column < -TIE).sum()),
        )
        for column, low, high, p in zip(differences.T, lows, highs, ps, strict=True)
    ]


def bootstrap_interval(
    differences: NDArray[np.float64],
    *,
    resamples: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
    replicates: Sequence[NDArray[np.float64]] = (),
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Percentile interval of each column's mean over resampled queries (Efron and Tibshirani 1993, ch. 13).

    With `replicates`, of the shape of `differences`, each serves its share of the resamples in their place.
    """
    n = len(differences)
    rng = np.random.default_rng([seed, 1])
    means = []
    sources = replicates or (differences,)
    for source in sources:
        for block in _blocks(-(-resamples // len(sources)), n):
            drawn = rng.integers(n, size=(block, n)) + np.arange(block)[:, None] * n
            counts = np.bincount(drawn.ravel(), minlength=block * n).reshape(block, n)
            means.append(counts.astype(np.float64) @ source / n)
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(np.concatenate(means), [tail, 100 - tail], axis=0)
    return low, high


def share_interval(count: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share (JASA 22, 1927): also right where `count` is 0 or all; needs `total` of at least 1."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, shrunk = count / total, 1 + z * z / total
    middle = (share + z * z / (2 * total)) / shrunk
    half = z / shrunk * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, middle - half), min(1.0, middle + half)


def permutation_p(differences: NDArray[np.float64], *, resamples: int = 10_000, seed: int = 0) -> NDArray[np.float64]:
    """Two-sided p of each column's mean under random signs (Fisher's randomisation test; Smucker et al., CIKM 2007).

    Sampled p are (1 + as extreme) / (1 + resamples), so never 0 (Phipson and Smyth 2010); all sign patterns are counted
    where they are no more than `resamples`.
    """
    n = len(differences)
    observed = np.abs(differences.sum(axis=0))
    slack = TIE * np.maximum(1.0, np.abs(differences).sum(axis=0))
    extreme = np.zeros(differences.shape[1])
    if n < 63 and 2**n <= resamples:
        patterns = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        totals = np.abs((1.0 - 2.0 * patterns) @ differences)
        exact: NDArray[np.float64] = (totals >= observed - slack).mean(axis=0)
        return exact
    rng = np.random.default_rng([seed, 2])
    for block in _blocks(resamples, n):
        signs = rng.integers(2, size=(block, n), dtype=np.int8) * 2.0 - 1.0
        extreme += (np.abs(signs @ differences) >= observed - slack).sum(axis=0)
    return (1.0 + extreme) / (1.0 + resamples)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values of one family of tests (Scandinavian Journal of Statistics 6, 1979)."""
    adjusted = [0.0] * len(ps)
    highest = 0.0
    for place, index in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        highest = max(highest, min(1.0, ps[index] * (len(ps) - place)))
        adjusted[index] = highest
    return adjusted


def _blocks(total: int, width: int) -> list[int]:
    size = max(1, min(total, _CELLS // width))
    return [min(size, total - start) for start in range(0, total, size)]
