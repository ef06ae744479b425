"""Bootstrap, permutation and Holm, against scipy and against numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from leser.evaluation.statistics import bootstrap_interval, holm, paired, permutation_p


def columns(n: int, shifts: tuple[float, ...]) -> np.ndarray:
    rng = np.random.default_rng(7)
    return np.stack([rng.normal(shift, 0.2, n) for shift in shifts], axis=1)


def test_interval_agrees_with_scipys_percentile_bootstrap() -> None:
    differences = columns(80, (0.05, 0.0))
    lows, highs = bootstrap_interval(differences, resamples=10_000, seed=3)
    for column, low, high in zip(differences.T, lows, highs, strict=True):
        reference = stats.bootstrap(
            (column,), np.mean, n_resamples=10_000, method="percentile", rng=5
        ).confidence_interval
        assert (low, high) == pytest.approx((reference.low, reference.high), abs=0.003)


def test_sampled_p_agrees_with_scipys_permutation_test() -> None:
    differences = columns(40, (0.06, 0.01))
    for column, p in zip(differences.T, permutation_p(differences, resamples=50_000, seed=1), strict=True):
        reference = stats.permutation_test(
            (column, np.zeros_like(column)),
            lambda x, y, axis: np.mean(x - y, axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=49_999,
            rng=2,
        )
        assert p == pytest.approx(reference.pvalue, abs=0.015)


def test_few_queries_are_counted_out_exactly() -> None:
    """Three equal gains: of eight sign patterns only all plus and all minus are as extreme."""
    assert permutation_p(np.array([[0.1], [0.1], [0.1]]))[0] == 2 / 8
    assert permutation_p(np.array([[0.1], [-0.1], [0.0]]))[0] == 1.0


def test_p_is_never_zero_and_no_difference_is_p_one() -> None:
    assert permutation_p(np.full((100, 1), 0.5), resamples=1000)[0] == pytest.approx(1 / 1001)
    assert permutation_p(np.zeros((100, 1)), resamples=1000)[0] == 1.0


def test_blocks_of_resamples_change_nothing_but_memory() -> None:
    """20,000 queries make several blocks; the interval must still be that of the mean's standard error."""
    differences = np.random.default_rng(0).normal(0.0, 1.0, (20_000, 1))
    low, high = bootstrap_interval(differences, resamples=600)
    assert high[0] - low[0] == pytest.approx(2 * 1.96 / np.sqrt(20_000), rel=0.15)


def test_paired_counts_and_is_seeded() -> None:
    differences = np.array([[0.5], [0.25], [0.0], [1e-12], [-0.25]])
    (result,) = paired(differences, resamples=500, seed=9)
    assert (result.wins, result.ties, result.losses) == (2, 2, 1)
    assert result.delta == pytest.approx(0.1)
    assert result.ci95[0] < 0.1 < result.ci95[1]
    assert paired(differences, resamples=500, seed=9) == [result]


def test_a_column_does_not_depend_on_the_columns_beside_it() -> None:
    differences = columns(60, (0.05, -0.02))
    np.testing.assert_allclose(bootstrap_interval(differences[:, :1])[0], bootstrap_interval(differences)[0][:1])


def test_interval_holds_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(11)
    differences = rng.normal(0.1, 0.3, (60, 300))
    lows, highs = bootstrap_interval(differences, resamples=1000)
    assert 0.90 < np.mean((lows <= 0.1) & (highs >= 0.1)) < 0.98


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


def test_nothing_to_compare_on_is_an_error() -> None:
    with pytest.raises(ValueError, match="no query"):
        paired(np.zeros((0, 1)))
