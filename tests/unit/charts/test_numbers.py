"""How numbers are written."""

from __future__ import annotations

import math

import pytest

from dettui.charts import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0123, "0.0123"),
        (1.2e-5, "1.2e-5"),
        (12_345, "12.3k"),
        (999.7, "1k"),
        (999_700, "1M"),
        (0.5, "0.5"),
        (-3.14159, "-3.14"),
        (0, "0"),
        (1e-3, "0.001"),
        (2e9, "2G"),
        (1e20, "1e20"),
        (math.nan, "NaN"),
        (-math.inf, "-inf"),
        (None, "–"),
    ],
)
def test_a_number_has_three_digits_and_a_scale(value: float | None, text: str) -> None:
    assert numbers.number(value) == text


@pytest.mark.parametrize("exponent", range(-30, 31))
@pytest.mark.parametrize("mantissa", [1.0, -1.2345, 9.9949, 9.9951])
def test_no_number_is_wider_than_its_column(exponent: int, mantissa: float) -> None:
    assert len(numbers.number(mantissa * 10.0**exponent).lstrip("-")) <= 7


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (0.0, 0.5, "0"),
        (1.0, 0.5, "1.0"),
        (1500, 500, "1.5k"),
        (1000, 500, "1.0k"),
        (3000, 1000, "3k"),
        (0.0125, 0.0025, "0.0125"),
        (2e-5, 1e-5, "2e-5"),
    ],
)
def test_labels_of_one_axis_have_the_same_decimals(value: float, step: float, text: str) -> None:
    assert numbers.tick(value, step) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.012, "12ms"),
        (4.2, "4.2s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (200, "3m20s"),
        (7_500, "2h05m"),
        (97_200, "1d03h"),
        (math.inf, "–"),
    ],
)
def test_a_duration_shows_its_two_largest_units(seconds: float, text: str) -> None:
    assert numbers.duration(seconds) == text


def test_shares_and_memory_read_as_such() -> None:
    assert numbers.percent(0.004) == "0.4 %"
    assert numbers.percent(0.0004) == "<0.1 %"
    assert numbers.percent(0.123) == "12 %"
    assert numbers.size(1536) == "1.5 KiB"
    assert numbers.size(2.5 * 1024**3) == "2.5 GiB"
    assert numbers.with_unit(0.25, "share") == "25 %"
    assert numbers.with_unit(None, "s") == "–"
