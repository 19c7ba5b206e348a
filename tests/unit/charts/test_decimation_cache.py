"""What the bucket cache costs and forgets."""

from __future__ import annotations

import numpy as np
import pytest

from dettui.domain.series import Series
from dettui.numerics import decimation
from dettui.numerics.decimation import BucketCache, bucketise, level_for


def grown(n: int, seed: int = 0) -> Series:
    values = np.random.default_rng(seed).normal(size=100_000)[:n]
    steps = np.arange(n)
    return Series("loss/total", steps, values, steps + seed * 1e6)


def test_only_new_points_are_read_when_a_series_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    extend = decimation._Level.extend

    def counting(level: decimation._Level, steps: np.ndarray, values: np.ndarray) -> None:
        read.append(len(steps))
        extend(level, steps, values)

    monkeypatch.setattr(decimation._Level, "extend", counting)
    cache = BucketCache()
    for n in (50_000, 50_010, 50_010, 50_025):
        cache.buckets(grown(n), 0, n - 1, 8)
    assert read == [50_000, 10, 0, 15]


def test_a_coarser_level_is_made_from_the_finer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    cache, series = BucketCache(), grown(5_000)
    cache.buckets(series, 0, 4_999, 4)
    monkeypatch.setattr(decimation._Level, "_fold", None)
    coarse = cache.buckets(series, 0, 4_999, 5)
    monkeypatch.undo()
    expected = bucketise(series.steps, series.values, 5)
    np.testing.assert_array_equal(coarse.high, expected.high)
    np.testing.assert_array_equal(coarse.last, expected.last)
    np.testing.assert_array_equal(coarse.count, expected.count)


def test_another_run_under_the_same_tag_is_read_anew() -> None:
    cache = BucketCache()
    cache.buckets(grown(1_000, seed=1), 0, 999, 3)
    other = grown(2_000, seed=2)
    np.testing.assert_array_equal(cache.buckets(other, 0, 1_999, 3).low, bucketise(other.steps, other.values, 3).low)


def test_a_thinned_history_is_read_anew() -> None:
    cache, whole = BucketCache(), grown(1_000)
    cache.buckets(whole, 0, 999, 3)
    keep = np.r_[0:500:2, 500:1_000]
    thinned = Series(whole.tag, whole.steps[keep], whole.values[keep], whole.times[keep])
    assert cache.buckets(thinned, 0, 999, 3).count.sum() == len(keep)


def test_a_wild_step_number_does_not_ask_for_a_bucket_each() -> None:
    cache, series = BucketCache(), grown(100)
    cache.buckets(series, 0, 99, 0)
    far = Series(
        series.tag, np.append(series.steps, 10**15), np.append(series.values, 1.0), np.append(series.times, 1e9)
    )
    assert len(cache.buckets(far, 0, 99, 0)) == 100
    assert len(cache.buckets(far, 0, 10**15, level_for(0, 10**15, 200))) <= 200


def test_what_was_handed_out_does_not_change_afterwards() -> None:
    cache = BucketCache()
    before = cache.buckets(grown(100), 0, 99, 6)
    last = before.last.copy()
    cache.buckets(grown(128), 0, 127, 6)
    np.testing.assert_array_equal(before.last, last)
