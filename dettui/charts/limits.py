"""Limits of the value axis: robust against a few wild points, and slow to move.

Slow, because a moved axis redraws every cell of a chart.  Robust, because one step of 30 would flatten a loss of 0.4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dettui.charts.axes import ValueAxis, nice_step
from dettui.domain.series import Floats

CORE_SHARE = 0.02
"""Share of the columns that may be wild at either end.  A legitimate first descent takes more of them than that."""

REACH = 1.0
"""The axis reaches this many core heights beyond the core before it clips: mere noise is never clipped."""

MARGIN = 0.1
"""What a clipped axis leaves free beyond the core, in core heights."""

MIN_COLUMNS_TO_CLIP = 20
"""Below so many columns two per cent are less than a point, and nothing is wild."""

MIN_FILLED = 0.45
"""An axis is kept until its data fill less than this share of it: halving data move it once, jitter never does."""

MIN_SPAN = 0.01
"""An axis spans at least this share of its values: less is not a movement, and its labels would all read the same."""

_LARGEST = 1e300
_SMALLEST = 1e-300
_LEAST_LOG = 1e-12


@dataclass(frozen=True)
class Extent:
    """What an axis should show at least, in data values."""

    low: float
    high: float


def wanted(lows: Floats, highs: Floats, *, log: bool) -> Extent | None:
    """The robust extent of columns that reach from *lows* to *highs*, shapes (n,); None where none can be drawn."""
    keep = np.isfinite(lows) & np.isfinite(highs)
    if log:
        keep &= highs > 0
    lows, highs = lows[keep], highs[keep]
    if not len(lows):
        return None
    if log:
        floor = float(lows[lows > 0].min()) if (lows > 0).any() else float(highs.min())
        lows, highs = np.log10(np.maximum(lows, max(floor, _LEAST_LOG))), np.log10(highs)
    low, high = _robust(lows, highs)
    return Extent(10**low, 10**high) if log else Extent(low, high)


def _robust(lows: Floats, highs: Floats) -> tuple[float, float]:
    low, high = float(lows.min()), float(highs.max())
    if len(lows) < MIN_COLUMNS_TO_CLIP:
        return low, high
    cut = int(len(lows) * CORE_SHARE) + 1
    core_low = float(np.partition(lows, cut)[cut])
    core_high = float(np.partition(highs, -1 - cut)[-1 - cut])
    height = core_high - core_low
    if height <= 0:  # constant but for a few columns: those are the news
        return low, high
    return (
        low if core_low - low <= REACH * height else core_low - MARGIN * height,
        high if high - core_high <= REACH * height else core_high + MARGIN * height,
    )


def settle(extent: Extent, before: ValueAxis | None, *, log: bool) -> ValueAxis:
    """The axis for *extent*: the one *before* while it still fits, else new limits on round values."""
    drawable = _drawable_log if log else _drawable
    extent = Extent(drawable(extent.low), drawable(extent.high))
    if before is not None and before.log == log and _fits(extent, before):
        return before
    return _log_axis(extent) if log else _linear_axis(extent)


def _drawable(value: float) -> float:
    """*value*, or the nearest one whose differences and quotients are still floats."""
    return min(max(value, -_LARGEST), _LARGEST) if abs(value) > _SMALLEST else 0.0


def _drawable_log(value: float) -> float:
    return min(value, _LARGEST)


def _fits(extent: Extent, axis: ValueAxis) -> bool:
    if extent.low < axis.low or extent.high > axis.high:
        return False
    if axis.log:
        return axis.is_one_decade or math.log(extent.high / extent.low) >= MIN_FILLED * math.log(axis.high / axis.low)
    return (axis.high - axis.low) * MIN_FILLED <= max(
        extent.high - extent.low, MIN_SPAN * max(abs(extent.high), abs(extent.low))
    )


def _linear_axis(extent: Extent) -> ValueAxis:
    low, high = extent.low, extent.high
    if high - low <= 1e-9 * max(abs(high), abs(low)):
        return _flat_axis(high)
    missing = MIN_SPAN * max(abs(high), abs(low)) - (high - low)
    if missing > 0:
        low, high = low - missing / 2, high + missing / 2
    step = nice_step((high - low) / 16)
    return ValueAxis(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step)


def _flat_axis(value: float) -> ValueAxis:
    """A constant stands in the middle; 0 and positive constants stand on a floor of 0."""
    if value == 0:
        return ValueAxis(0.0, 1.0)
    return ValueAxis(min(0.0, 2 * value), max(0.0, 2 * value))


def _log_axis(extent: Extent) -> ValueAxis:
    low, high = math.floor(math.log10(extent.low) + 1e-9), math.ceil(math.log10(extent.high) - 1e-9)
    return ValueAxis(10.0**low, 10.0 ** max(high, low + 1), log=True)
