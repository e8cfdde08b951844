"""Interquartile means, bootstrap and Wilson intervals."""

import numpy as np
import pytest
import scipy.stats

from rlcore.errors import ConfigError
from rlcore.statistics import bootstrap_interval, interquartile_mean, wilson_interval


def test_the_middle_half_by_hand():
    assert interquartile_mean([100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -100.0]) == (2 + 3 + 4 + 5) / 4
    assert interquartile_mean([7.0, 1.0, 2.0]) == pytest.approx(10 / 3)  # fewer than four seeds: all of them
    assert type(interquartile_mean([1, 2])) is float


@pytest.mark.parametrize("n", [1, 4, 5, 16, 31])
def test_it_is_scipys_trimmed_mean(n):
    curves = np.random.default_rng(n).normal(size=(n, 7))
    assert interquartile_mean(curves) == pytest.approx(scipy.stats.trim_mean(curves, 0.25, axis=0))


def test_the_interval_is_scipys():
    values = np.random.default_rng(0).exponential(size=40)
    low, high = bootstrap_interval(values, np.mean, n_resamples=20_000)
    expected = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    spread = expected.high - expected.low
    assert abs(low - expected.low) < 0.05 * spread and abs(high - expected.high) < 0.05 * spread


def test_it_covers_the_true_mean_about_as_often_as_said():
    generator, covered = np.random.default_rng(1), 0
    for trial in range(300):
        low, high = bootstrap_interval(generator.normal(size=30), np.mean, 0.8, n_resamples=300, seed=trial)
        covered += low <= 0.0 <= high
    # 300 trials at 0.8: between 0.68 and 0.88 but for a chance of 1e-4; small samples cover a little less
    assert 0.68 < covered / 300 < 0.88


def test_the_same_seed_gives_the_same_interval_and_curves_give_arrays():
    curves = np.random.default_rng(2).normal(size=(12, 5))
    low, high = bootstrap_interval(curves)
    again, _ = bootstrap_interval(curves)
    assert low.shape == high.shape == (5,) and (low < high).all() and np.array_equal(low, again)
    assert not np.array_equal(low, bootstrap_interval(curves, seed=1)[0])


@pytest.mark.parametrize(
    ("values", "arguments", "message"),
    [
        ([], {}, "shape \\(0,\\)"),
        (3.0, {}, "shape \\(\\)"),
        ([1.0, np.nan], {}, "finite numbers"),
        ([[1.0], [1.0, 2.0]], {}, "one length"),
        ([1.0], {"confidence": 1.0}, "below 1"),
        ([1.0], {"n_resamples": 0}, "n_resamples"),
        ([1.0], {"statistic": 3}, "statistic"),
    ],
)
def test_bad_arguments(values, arguments, message):
    with pytest.raises(ConfigError, match=message):
        bootstrap_interval(values, **arguments)


@pytest.mark.parametrize(("wins", "n"), [(0, 10), (10, 10), (3, 7), (950, 1000), (0, 1)])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_the_wilson_interval_is_scipys(wins, n, confidence):
    expected = scipy.stats.binomtest(wins, n).proportion_ci(confidence, method="wilson")
    assert wilson_interval(wins / n, n, confidence) == pytest.approx((expected.low, expected.high))


def test_wilson_intervals_of_arrays_and_of_nothing():
    low, high = wilson_interval([0.5, 0.0], [4, 0])
    assert (low[0], high[0]) == wilson_interval(0.5, 4)
    assert (low[1], high[1]) == (0.0, 1.0)


@pytest.mark.parametrize(("mean", "n", "confidence"), [(1.1, 5, 0.9), (-0.1, 5, 0.9), (0.5, -1, 0.9), (0.5, 5, 1.0)])
def test_wilson_intervals_of_wrong_numbers(mean, n, confidence):
    with pytest.raises(ConfigError):
        wilson_interval(mean, n, confidence)
