"""Advantages against numbers worked by hand, and the properties that must hold for any rewards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from leser.grpo.advantage import EPSILON, group_advantages, spread, with_term_credit, zero_variance_groups
from leser.grpo.options import GrpoOptions

REWARDS = np.array([[1.0, 2.0, 3.0, 6.0], [0.5, 0.5, 0.5, 0.5]])


def options(**values: object) -> GrpoOptions:
    return GrpoOptions.model_validate(values)


def test_mean_baseline_without_scale() -> None:
    got = group_advantages(REWARDS, options=options())
    assert np.allclose(got.advantages, [[-2, -1, 0, 3], [0, 0, 0, 0]])
    assert got.zero_variance.tolist() == [False, True]
    assert got.active.tolist() == [[True] * 4, [False] * 4]


def test_zero_variance_groups_may_stay_in_the_count() -> None:
    got = group_advantages(REWARDS, options=options(zero_variance_groups="count"))
    assert got.active.all()
    assert not got.advantages[1].any()


def test_leave_one_out() -> None:
    got = group_advantages(REWARDS, options=options(baseline="leave_one_out")).advantages
    assert np.allclose(got[0], [1 - 11 / 3, 2 - 10 / 3, 3 - 3, 6 - 2])


def test_group_scale_is_the_unbiased_deviation() -> None:
    got = group_advantages(REWARDS, options=options(scale="group")).advantages
    assert np.allclose(got[0], np.array([-2, -1, 0, 3]) / (np.sqrt(14 / 3) + EPSILON))


def test_batch_scale() -> None:
    got = group_advantages(REWARDS, options=options(scale="batch")).advantages
    assert np.allclose(got[0], np.array([-2, -1, 0, 3]) / (np.std(REWARDS, ddof=1) + EPSILON))


def test_failed_searches_enter_nothing() -> None:
    rewards = np.array([[1.0, 2.0, 3.0, 1000.0], [5.0, np.nan, np.nan, 7.0], [1.0, np.nan, np.nan, np.nan]])
    excluded = np.zeros((3, 4), dtype=bool)
    excluded[0, 3] = True
    got = group_advantages(rewards, excluded=excluded, options=options())
    assert np.allclose(got.advantages, [[-1, 0, 1, 0], [-1, 0, 0, 1], [0, 0, 0, 0]])
    assert got.active.tolist() == [[True, True, True, False], [True, False, False, True], [False] * 4]
    assert got.zero_variance.tolist() == [False, False, True]  # one completion cannot be compared


def test_each_keeps_combinations_apart_that_sum_alike() -> None:
    """Rewards (1, 0) and (0, 1) sum to the same; GDPO tells the rare one from the common one."""
    components = np.array([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]])
    summed = group_advantages(components.sum(-1), options=options())
    assert summed.zero_variance.tolist() == [True]
    got = group_advantages(
        components.sum(-1), components=components, weights=[1.0, 1.0], options=options(combine="each")
    )
    assert got.zero_variance.tolist() == [False]
    one = np.array([0.75, -0.25, -0.25, -0.25]) / (0.5 + EPSILON)
    total = one - one  # equal weights: the two components cancel exactly
    assert np.allclose(got.advantages[0], total)
    weighted = group_advantages(
        components.sum(-1), components=components, weights=[2.0, 1.0], options=options(combine="each")
    )
    raw = 2 * one - one
    assert np.allclose(weighted.advantages[0], (raw - raw.mean()) / (raw.std(ddof=1) + EPSILON))


def test_each_needs_the_components() -> None:
    with pytest.raises(ValueError, match="components"):
        group_advantages(REWARDS, options=options(combine="each"))


@given(arrays(np.float64, (3, 5), elements=st.floats(-1, 1)), st.floats(-5, 5))
def test_a_constant_for_a_query_changes_nothing(rewards: np.ndarray, constant: float) -> None:
    for scale in ("none", "group"):
        a = group_advantages(rewards, options=options(scale=scale, zero_variance_range=1e-3))
        b = group_advantages(rewards + constant, options=options(scale=scale, zero_variance_range=1e-3))
        assume_same = a.zero_variance == b.zero_variance
        assert np.allclose(a.advantages[assume_same], b.advantages[assume_same], atol=1e-6)
        assert np.allclose(a.advantages.sum(1), 0, atol=1e-9)


@given(st.floats(-1e3, 1e3), st.integers(1, 64))
def test_a_constant_group_is_exactly_zero_variance(reward: float, size: int) -> None:
    for scale in ("none", "group", "batch"):
        got = group_advantages(np.full((1, size), reward), options=options(scale=scale))
        assert got.zero_variance.all()
        assert not got.advantages.any()


def test_noise_of_rounding_is_no_range() -> None:
    noisy = np.full((1, 8), 0.3) + np.linspace(0, 1e-9, 8)
    assert zero_variance_groups(noisy, np.ones((1, 8), dtype=bool), 1e-6).all()
    assert not zero_variance_groups(noisy, np.ones((1, 8), dtype=bool), 0.0).any()


def test_term_credit_by_hand() -> None:
    got = with_term_credit(0.4, [0, 0, -1, 1, 2], [0.2, -0.1, float("nan")], share=0.5)
    assert np.allclose(got, [0.3, 0.3, 0.4, 0.15, 0.4])


def test_spread_stops_at_each_end() -> None:
    got = spread([[1.0, -2.0]], [[2, 3]], 3)
    assert got.tolist() == [[[1.0, 1.0, 0.0], [-2.0, -2.0, -2.0]]]
