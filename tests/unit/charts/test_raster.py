"""Curves as dots."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dettui.charts.axes import StepAxis, ValueAxis
from dettui.charts.raster import FONTS, bits_of, curve_spans, step_spans
from dettui.charts.view import Glyphs
from dettui.numerics.decimation import bucketise

ROWS = 40


def spans_of(values: list[float], slots: int = 40, steps: list[int] | None = None, *, fixed: bool = False) -> object:
    at = np.arange(len(values)) if steps is None else np.array(steps)
    x = StepAxis.over((int(at[0]), int(at[-1])), slots, fixed=fixed)
    return curve_spans(bucketise(at, np.array(values), x.k), x, ValueAxis(0, 39), ROWS)


def covered(spans: object) -> list[int]:
    return np.flatnonzero(spans.lower >= 0).tolist()  # type: ignore[attr-defined]


def test_a_curve_reaches_from_minimum_to_maximum_in_every_column() -> None:
    values = np.random.default_rng(0).uniform(0, 39, 4_000)
    x = StepAxis.over((0, 3_999), 40, fixed=False)
    buckets = bucketise(np.arange(4_000), values, x.k)
    spans = curve_spans(buckets, x, ValueAxis(0, 39), ROWS)
    for i, slot in enumerate(x.slots_of((buckets.first + np.arange(len(buckets))) << x.k)):
        assert spans.upper[slot] <= round(39 - buckets.high[i])
        assert spans.lower[slot] >= round(39 - buckets.low[i])


def test_neighbouring_columns_touch() -> None:
    spans = spans_of([0.0, 39.0] * 20)
    upper, lower = spans.upper, spans.lower
    assert all(upper[i] <= lower[i + 1] + 1 and upper[i + 1] <= lower[i] + 1 for i in range(39))


def test_steps_that_never_came_are_bridged() -> None:
    assert covered(spans_of([5.0, 6.0, 7.0], steps=[0, 10, 39])) == list(range(40))


def test_a_short_history_is_spread_over_at_least_half_of_the_columns() -> None:
    spans = spans_of([1.0, 2.0, 3.0, 4.0, 5.0], slots=160)
    assert covered(spans)[-1] >= 80


def test_non_finite_values_break_the_curve_and_what_follows_is_drawn() -> None:
    values = [5.0] * 10 + [math.nan] * 5 + [5.0] * 25
    assert covered(spans_of(values)) == [*range(10), *range(15, 40)]


def test_a_fixed_range_fills_all_columns() -> None:
    assert covered(spans_of([1.0] * 55, slots=100, fixed=True))[0] == 0
    assert covered(spans_of([1.0] * 150, slots=100, fixed=True)) == list(range(100))


def test_clipped_points_are_drawn_on_the_edge() -> None:
    spans = spans_of([5.0] * 20 + [1e9] + [5.0] * 19)
    assert spans.upper[20] == 0


def test_steps_hold_a_value_until_the_next_one() -> None:
    x = StepAxis.over((0, 39), 40, fixed=False)
    spans = step_spans(bucketise(np.array([0, 20]), np.array([30.0, 10.0]), 0), x, ValueAxis(0, 39), ROWS, until=39)
    assert set(spans.lower[:19].tolist()) == {9}
    assert set(spans.upper[21:].tolist()) == {29}
    assert covered(spans) == list(range(40))


def test_steps_show_the_value_held_on_entering_the_chart() -> None:
    x = StepAxis.over((100, 139), 40, fixed=True)
    empty = bucketise(np.array([], np.int64), np.array([]), 0)
    spans = step_spans(empty, x, ValueAxis(0, 39), ROWS, before=30.0, until=139)
    assert covered(spans) == list(range(40))


@pytest.mark.parametrize("glyphs", ["braille", "block", "ascii"])
def test_blank_cells_are_ascii_spaces(glyphs: Glyphs) -> None:
    font = FONTS[glyphs]
    assert font.codes[0] == ord(" ")
    assert len(font.codes) == 2 ** (font.columns * font.rows)
    assert glyphs != "ascii" or font.codes.max() < 128


def test_dots_land_on_their_braille_bits() -> None:
    x = StepAxis.over((0, 1), 2, fixed=False)
    spans = curve_spans(bucketise(np.array([0, 1]), np.array([3.0, 0.0]), 0), x, ValueAxis(0, 3), 4)
    bits = bits_of(spans, FONTS["braille"], 1)
    assert chr(int(FONTS["braille"].codes[bits[0, 0]])) == "⢣"
