"""The interval of the gap between groups: it holds the true gap as often as it claims."""

import numpy as np
import pytest

from btfer_builder.evaluate.metrics.gap_interval import gap_interval, rejected, restricted_shares


@pytest.mark.parametrize("groups", [3, 5, 10])
@pytest.mark.parametrize("gap", [0, 0.05, 0.1, 0.2])
def test_the_interval_covers_the_gap(groups, gap):
    rng = np.random.default_rng(groups)
    evenly = np.linspace(0.7 - gap / 2, 0.7 + gap / 2, groups)
    one_lower = np.where(np.arange(groups) == 0, 0.7 - gap / 2, 0.7 + gap / 2)
    sizes = rng.integers(60, 240, groups)
    held = [
        not rejected(rng.binomial(sizes, shares), sizes, gap, draws=300, seed=number)
        for number in range(200)
        for shares in (evenly, one_lower)
    ]
    # Of 400 intervals that hold the gap with 93 to 97 %, the share is within 2.5 points of that in 49 of 50 cases.
    assert 0.905 < np.mean(held) < 0.995


def test_the_interval_is_made_of_the_gaps_that_are_not_rejected():
    hits, sizes = np.array([50, 70, 105, 90]), np.array([100, 110, 120, 130])
    low, high = gap_interval(hits, sizes, draws=500, seed=3)
    said = [
        rejected(hits, sizes, gap, draws=500, seed=3)
        for gap in (0, low - 0.01, low + 0.01, high - 0.01, high + 0.01)
    ]
    assert said == ["too small", "too small", "", "", "too large"]


def test_intervals_of_two_groups_are_those_of_a_difference():
    from statsmodels.stats.proportion import confint_proportions_2indep

    low, high = gap_interval(np.array([150, 110]), np.array([200, 200]), draws=2000, seed=1)
    expected = confint_proportions_2indep(150, 200, 110, 200, method="newcomb")
    assert (low, high) == pytest.approx(expected, abs=0.015)


def test_groups_that_are_all_correct_may_differ_a_little():
    low, high = gap_interval(np.array([50, 50]), np.array([50, 50]), draws=2000, seed=0)
    assert low == 0
    assert high == pytest.approx(1 - 0.025 ** (1 / 50), abs=0.01), "so rare a success is surprising"
    assert gap_interval(np.array([40, 0]), np.array([40, 40]), draws=500, seed=0)[1] == 1


def test_the_restricted_shares_have_the_gap_and_stay_shares():
    shares, sizes = np.array([0.2, 0.5, 0.9, 0.85]), np.array([50, 50, 50, 500])
    for gap in (0, 0.1, 0.5, 0.7, 0.9, 1):
        moved = restricted_shares(shares, sizes, gap)
        assert np.ptp(moved) == pytest.approx(gap)
        assert (moved >= 0).all()
        assert (moved <= 1).all()
    assert restricted_shares(shares, sizes, 0) == pytest.approx(np.full(4, 505 / 650), abs=0.02), "the mean"
