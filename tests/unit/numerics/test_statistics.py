"""The statistics against scipy where it has them, against closed forms where it has not."""

from __future__ import annotations

import numpy as np
import pytest

from dettui.numerics.autocorrelation import autocorrelations, integrated_time, lag1_z
from dettui.numerics.changepoint import huber_cusum, level_shift_split
from dettui.numerics.oscillation import fisher_g, turning_points_z, wave, whitened
from dettui.numerics.proportions import entropy, wilson_bounds
from dettui.numerics.ranks import mann_whitney_z
from dettui.numerics.robust import (
    are_usable,
    block_means,
    block_medians,
    difference_sigma,
    is_usable,
    mad_sigma,
    median,
    quantile,
    row_medians,
    thin,
    usable_of,
)
from dettui.numerics.trend import detrend, half_median_line, theil_sen

stats = pytest.importorskip("scipy.stats")
RNG = np.random.default_rng(7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 2, 3, 20, 21, 511, 512, 513, 514, 1001])
def test_medians_and_quantiles_are_those_of_numpy_to_the_bit(size: int, dtype: type) -> None:
    values = (1e3 * np.random.default_rng(size).standard_normal((3, size))).astype(dtype)
    for row in values:
        assert median(row) == float(np.median(row))
        assert [quantile(row, q) for q in (0.0, 0.1, 0.25, 0.5, 0.9, 1.0)] == [
            float(np.quantile(row, q)) for q in (0.0, 0.1, 0.25, 0.5, 0.9, 1.0)
        ]
    assert row_medians(values).tolist() == np.median(values, axis=1).tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("odd", [1.0, -3e38, np.nan, np.inf, -np.inf])
def test_usable_values_are_told_at_one_look_as_one_by_one(odd: float, dtype: type) -> None:
    values = np.array([2.0, odd, 0.5], dtype)
    usable = is_usable(values)
    assert usable_of(values).tolist() == values[usable].astype(np.float64).tolist()
    assert are_usable(values) == bool(usable.all())


def test_numbers_whose_squares_overflow_are_unusable_without_a_warning() -> None:
    assert usable_of(np.array([1.0, 1e200])).tolist() == [1.0]
    assert not are_usable(np.array([1.0, 1e200]))


def test_mad_sigma_is_the_scaled_median_deviation() -> None:
    values = RNG.standard_normal(501)
    assert mad_sigma(values) == pytest.approx(stats.median_abs_deviation(values, scale="normal"), rel=1e-3)


def test_mad_sigma_keeps_a_floor_on_constant_values() -> None:
    assert mad_sigma(np.full(10, 5.0)) == pytest.approx(5e-3)


def test_difference_sigma_is_blind_to_a_steep_line() -> None:
    noise = 0.1 * RNG.standard_normal(4000)
    assert difference_sigma(noise + 0.01 * np.arange(4000)) == pytest.approx(0.1, rel=0.06)


def test_thin_keeps_the_newest_value_and_stays_within_its_bound() -> None:
    values = np.arange(1001.0)
    kept = thin(values, 100)
    assert kept[-1] == 1000.0
    assert len(kept) <= 100


def test_blocks_leave_out_the_oldest_remainder() -> None:
    values = np.arange(10.0)
    assert block_medians(values, 3).tolist() == [2.0, 5.0, 8.0]
    assert block_means(values, 3).tolist() == [2.0, 5.0, 8.0]


def test_more_blocks_than_values_is_an_error() -> None:
    with pytest.raises(ValueError, match="do not fill"):
        block_medians(np.arange(3.0), 4)


def test_theil_sen_agrees_with_scipy() -> None:
    values = 0.3 * np.arange(24) + RNG.standard_normal(24)
    assert theil_sen(values).per_point == pytest.approx(stats.theilslopes(values)[0])


def test_the_standard_error_of_theil_sen_is_that_of_many_repetitions() -> None:
    slopes = [theil_sen(RNG.standard_normal(12)) for _ in range(1500)]
    spread = np.std([s.per_point for s in slopes])
    assert np.mean([s.standard_error for s in slopes]) == pytest.approx(spread, rel=0.25)


def test_one_wild_point_does_not_bend_theil_sen() -> None:
    line = 0.5 * np.arange(20.0)
    wild = line.copy()
    wild[5] = 1e6
    assert theil_sen(wild).per_point == pytest.approx(0.5)


def test_the_half_median_line_predicts_a_straight_line_exactly() -> None:
    slope, following = half_median_line(3.0 + 0.25 * np.arange(64))
    assert (slope, following) == pytest.approx((0.25, 3.0 + 0.25 * 64))


def test_detrending_a_line_leaves_nothing() -> None:
    assert np.abs(detrend(2.0 - 0.1 * np.arange(101))).max() < 1e-9


def test_integrated_time_is_one_for_white_noise_and_grows_with_memory() -> None:
    white = RNG.standard_normal(4000)
    red = np.convolve(RNG.standard_normal(4020), np.ones(8) / 8, mode="valid")[:4000]
    assert integrated_time(white) < 1.3
    assert integrated_time(red) > 5.0


def test_autocorrelations_of_a_constant_are_zero() -> None:
    assert autocorrelations(np.ones(20), 3).tolist() == [0.0, 0.0, 0.0]


def test_lag1_z_of_an_alternating_series_is_far_below_minus_four() -> None:
    assert lag1_z(np.tile([1.0, -1.0], 64)) < -10


def test_turning_points_of_white_noise_are_standard_normal() -> None:
    z = [turning_points_z(RNG.standard_normal(128)) for _ in range(600)]
    assert abs(np.mean(z)) < 0.2
    assert np.std(z) == pytest.approx(1.0, abs=0.15)


def test_fisher_g_finds_the_period_of_a_sine_in_noise() -> None:
    values = np.sin(2 * np.pi * np.arange(128) / 16) + 0.5 * RNG.standard_normal(128)
    found = fisher_g(values)
    assert found.period == pytest.approx(16.0)
    assert found.p_value < 1e-8


def test_fisher_g_bounds_the_false_alarms_on_white_noise() -> None:
    hits = sum(fisher_g(RNG.standard_normal(128)).p_value < 0.05 for _ in range(1000))
    assert hits < 80


def test_whitening_takes_memory_for_what_it_is_and_keeps_a_true_wave() -> None:
    red = np.zeros(256)
    for i in range(1, 256):
        red[i] = 0.9 * red[i - 1] + RNG.standard_normal()
    sine = np.sin(2 * np.pi * np.arange(256) / 20) + 0.3 * RNG.standard_normal(256)
    assert fisher_g(whitened(red)).p_value > 1e-6
    assert fisher_g(whitened(sine)).p_value < 1e-12


def test_wave_measures_amplitude_and_share_of_a_sine() -> None:
    amplitude, share = wave(3.0 * np.sin(2 * np.pi * np.arange(128) / 16), 16.0)
    assert (amplitude, share) == pytest.approx((3.0, 1.0), rel=1e-6)


def test_cusum_raises_no_alarm_on_ten_thousand_skewed_points() -> None:
    noise = RNG.exponential(1.0, 10_000) - 1.0
    assert huber_cusum(noise) is None


def test_cusum_meets_a_shift_of_six_sigma_in_five_points() -> None:
    z = RNG.standard_normal(300)
    z[200:] += 6.0
    alarm = huber_cusum(z)
    assert alarm is not None
    assert 200 <= alarm <= 206


def test_level_shift_split_finds_the_step() -> None:
    values = np.concatenate([np.zeros(60), np.ones(40)]) + 0.05 * RNG.standard_normal(100)
    split = level_shift_split(values)
    assert split.index == 60
    assert split.after - split.before == pytest.approx(1.0, abs=0.05)
    assert split.gain > 0.9


def test_mann_whitney_agrees_with_scipy() -> None:
    early, late = RNG.standard_normal(20), RNG.standard_normal(25) + 0.7
    u = stats.mannwhitneyu(late, early).statistic
    expected = (u - 250.0) / np.sqrt(20 * 25 * 46 / 12.0)
    assert mann_whitney_z(early, late) == pytest.approx(expected)


def test_entropy_agrees_with_scipy_and_is_zero_for_nothing() -> None:
    counts = np.array([5, 0, 10, 85])
    assert entropy(counts) == pytest.approx(stats.entropy(counts / counts.sum()))
    assert entropy(np.zeros(3, dtype=np.int64)) == 0.0


def test_wilson_bounds_agree_with_scipy() -> None:
    interval = stats.binomtest(7, 50).proportion_ci(confidence_level=0.95, method="wilson")
    assert wilson_bounds(7, 50, 1.959964) == pytest.approx((interval.low, interval.high), rel=1e-4)


def test_wilson_bounds_of_no_trials_say_nothing() -> None:
    assert wilson_bounds(0, 0, 2.0) == (0.0, 1.0)
