"""Mean and spread over seeds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dettui.domain.series import Series
from dettui.numerics.bands import band_over


def curve(values: list[float], first: int = 1) -> Series:
    steps = np.arange(first, first + len(values), dtype=np.int64)
    return Series("t", steps, np.array(values), steps.astype(float))


lists = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=80)


@given(st.lists(lists, min_size=2, max_size=5))
def test_the_mean_lies_within_the_spread(values: list[list[float]]) -> None:
    band = band_over([curve(v) for v in values], "t")
    low, high = band.spread.values[0::2], band.spread.values[1::2]
    assert (low <= high).all()
    assert (band.mean.values >= low - 1e-6).all()
    assert (band.mean.values <= high + 1e-6).all()


def test_a_curve_counts_only_where_it_was() -> None:
    band = band_over([curve([1.0] * 10), curve([3.0] * 20)], "t")
    assert band.mean.values[0] == 2.0
    assert band.mean.values[-1] == 3.0


def test_a_nan_takes_nothing_away() -> None:
    band = band_over([curve([1.0, np.nan, 1.0]), curve([3.0, 3.0, 3.0])], "t")
    assert band.mean.values.tolist() == [2.0, 2.0, 2.0]


def test_places_do_not_move_while_the_curves_grow() -> None:
    short, long = (band_over([curve([0.0] * n), curve([1.0] * n)], "t").mean.steps for n in (1500, 1600))
    assert set(short[1:-1].tolist()) <= set(long.tolist())
