"""Limits of the value axis: robust, and slow to move."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dettui.charts.axes import ValueAxis
from dettui.charts.limits import Extent, settle, wanted


def columns(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return values, values


def test_one_wild_column_does_not_flatten_the_rest() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.1, 200)
    values[77] = 30.0
    extent = wanted(*columns(values), log=False)
    assert extent is not None and extent.high < 1.5


def test_gaussian_noise_is_never_clipped() -> None:
    for seed in range(50):
        values = np.random.default_rng(seed).normal(size=200)
        extent = wanted(*columns(values), log=False)
        assert extent == Extent(values.min(), values.max())


def test_the_first_descent_of_a_loss_is_not_clipped() -> None:
    values = 0.3 + 5 * np.exp(-np.arange(200) / 20)
    extent = wanted(*columns(values), log=False)
    assert extent is not None and extent.high == values.max()


def test_rare_events_of_an_otherwise_constant_count_are_shown() -> None:
    values = np.zeros(200)
    values[50] = 3
    extent = wanted(*columns(values), log=False)
    assert extent == Extent(0, 3)


def test_few_columns_are_all_shown() -> None:
    extent = wanted(*columns(np.array([1.0, 1.1, 1.0, 90.0])), log=False)
    assert extent == Extent(1.0, 90.0)


def test_nothing_finite_asks_for_nothing() -> None:
    assert wanted(*columns(np.array([np.nan, np.nan])), log=False) is None
    assert wanted(*columns(np.array([0.0, -1.0])), log=True) is None


def test_an_axis_stays_while_its_data_fit_and_fill_half_of_it() -> None:
    axis = settle(Extent(0.1, 3.9), None, log=False)
    assert settle(Extent(0.2, 2.5), axis, log=False) is axis
    assert settle(Extent(0.2, 4.5), axis, log=False) is not axis
    assert settle(Extent(0.2, 0.9), axis, log=False) is not axis


def test_a_falling_loss_moves_its_axis_a_handful_of_times() -> None:
    axis, moves = None, 0
    for high in np.linspace(4.0, 0.4, 2_000):
        settled = settle(Extent(0.1, float(high)), axis, log=False)
        moves += settled is not axis
        axis = settled
    assert moves <= 5


def test_a_constant_gets_an_axis_with_a_height() -> None:
    assert settle(Extent(0.01, 0.01), None, log=False) == ValueAxis(0.0, 0.02)
    assert settle(Extent(0.0, 0.0), None, log=False) == ValueAxis(0.0, 1.0)
    assert settle(Extent(-2.0, -2.0), None, log=False) == ValueAxis(-4.0, 0.0)


def test_a_plateau_within_a_hundredth_looks_flat() -> None:
    axis = settle(Extent(0.69310, 0.69320), None, log=False)
    assert 0.005 < axis.high - axis.low < 0.02
    assert settle(Extent(0.69312, 0.69320), axis, log=False) is axis


def test_a_logarithmic_axis_ends_on_decades() -> None:
    axis = settle(Extent(2e-4, 3e-2), None, log=True)
    np.testing.assert_allclose((axis.low, axis.high), (1e-4, 1e-1))


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    ("low", "high"), [(-1e308, 1.7e308), (1e308, 1e308), (1e-320, 2e-320), (1.0, 1.7e308), (5e-324, 1.0)]
)
def test_values_at_the_ends_of_the_floats_still_have_an_axis(low: float, high: float, log: bool) -> None:
    if not log or low >= 1e-12:  # `wanted` asks for no less
        axis = settle(Extent(low, high), None, log=log)
        assert axis.low < axis.high < math.inf
        assert len(axis.ticks(20)) >= 1
