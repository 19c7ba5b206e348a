"""What holds of buckets and smoothing for every series."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dettui.domain.series import Series
from dettui.numerics.decimation import BucketCache, bucketise, level_for
from dettui.numerics.smoothing import Ema, SmoothedCache, smooth

values = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([math.nan, math.inf, -math.inf]))
gaps = st.integers(0, 40)
points = st.lists(st.tuples(gaps, values), min_size=1, max_size=120)


def series_of(points: list[tuple[int, float]]) -> Series:
    steps = np.cumsum([gap for gap, _ in points])
    return Series("t", steps, np.array([value for _, value in points]), np.arange(len(points), dtype=float))


def prefix(series: Series, n: int) -> Series:
    return Series(series.tag, series.steps[:n], series.values[:n], series.times[:n])


@given(points, st.integers(0, 8))
def test_every_bucket_holds_the_extremes_of_its_steps(points: list[tuple[int, float]], k: int) -> None:
    series = series_of(points)
    buckets = bucketise(series.steps, series.values, k)
    for i in range(len(buckets)):
        inside = series.values[series.steps >> k == buckets.first + i]
        finite = inside[np.isfinite(inside)]
        assert buckets.count[i] == len(finite)
        assert buckets.nonfinite[i] == len(inside) - len(finite)
        if len(finite):
            assert (buckets.low[i], buckets.high[i], buckets.last[i]) == (finite.min(), finite.max(), finite[-1])
        else:
            assert np.isnan(buckets.low[i]) and np.isnan(buckets.mean[i])


@given(points, st.lists(st.integers(0, 120), max_size=6), st.integers(0, 6))
def test_buckets_grown_piece_by_piece_equal_those_made_at_once(
    points: list[tuple[int, float]], cuts: list[int], k: int
) -> None:
    series, cache = series_of(points), BucketCache()
    last = int(series.steps[-1])
    for n in [*sorted(min(cut, len(series)) for cut in cuts), len(series)]:
        grown = cache.buckets(prefix(series, n), 0, last, k)
        cache.buckets(prefix(series, n), 0, last, k + 1)
    whole, coarse = bucketise(series.steps, series.values, k), bucketise(series.steps, series.values, k + 1)
    for made, expected in ((grown, whole), (cache.buckets(series, 0, last, k + 1), coarse)):
        assert made.first == expected.first
        for name in ("low", "high", "last", "count", "nonfinite"):
            np.testing.assert_array_equal(getattr(made, name), getattr(expected, name))


@given(st.integers(0, 10_000), st.integers(0, 10**9), st.integers(2, 400))
def test_the_level_is_the_finest_that_fits(first: int, steps: int, slots: int) -> None:
    last = first + steps
    k = level_for(first, last, slots)
    assert (last >> k) - (first >> k) + 1 <= slots
    assert k == 0 or (last >> (k - 1)) - (first >> (k - 1)) + 1 > slots


@given(st.integers(0, 19_999), st.integers(20_000, 60_000))
def test_a_spike_of_one_step_always_survives(at: int, n: int) -> None:
    steps, values = np.arange(n), np.zeros(n)
    values[at] = 50.0
    assert bucketise(steps, values, level_for(0, n - 1, 200)).high.max() == 50.0


@given(points)
def test_rewound_steps_keep_their_extremes(points: list[tuple[int, float]]) -> None:
    series = series_of(points)
    twice = np.concatenate([series.steps, series.steps])
    shifted = np.concatenate([series.values, series.values + 1])
    finite = shifted[np.isfinite(shifted)]
    if len(finite):
        buckets = bucketise(twice, shifted, 2)
        assert np.nanmin(buckets.low) == finite.min() and np.nanmax(buckets.high) == finite.max()


@given(st.lists(values, min_size=1, max_size=80), st.sampled_from([0.0, 0.1, 0.6, 0.9, 0.99, 0.9999]))
def test_smoothing_is_tensorboards_and_skips_what_is_not_finite(given_values: list[float], weight: float) -> None:
    smoothed = smooth(np.array(given_values), weight)
    state, seen = 0.0, 0
    for value, got in zip(given_values, smoothed, strict=True):
        if not math.isfinite(value):
            assert not math.isfinite(got)
            continue
        state, seen = weight * state + (1 - weight) * value, seen + 1
        assert math.isclose(got, state / (1 - weight**seen), rel_tol=1e-7, abs_tol=1e-3)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=200), st.integers(1, 199))
def test_smoothing_in_pieces_equals_smoothing_at_once(given_values: list[float], cut: int) -> None:
    array = np.array(given_values)
    ema = Ema(0.9)
    pieces = np.concatenate([ema.extend(array[:cut]), ema.extend(array[cut:])])
    np.testing.assert_allclose(pieces, smooth(array, 0.9), rtol=1e-9, atol=1e-9)


@given(points, st.integers(1, 119))
def test_the_smoothing_cache_grows_with_its_series(points: list[tuple[int, float]], cut: int) -> None:
    series, cache = series_of(points), SmoothedCache()
    cache.series(prefix(series, min(cut, len(series))), 0.6)
    np.testing.assert_allclose(cache.series(series, 0.6).values, smooth(series.values, 0.6), rtol=1e-9, atol=1e-6)
