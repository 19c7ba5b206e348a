"""Axes: which steps and values a chart spans, and where its ticks stand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dettui.charts.view import StepRange
from dettui.domain.series import Floats
from dettui.numerics.decimation import level_for

_NICE = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class StepAxis:
    """Steps from left to right over *slots* dot columns.

    Following, every bucket is ``spread`` slots wide and stays where it is until the axis is full; the spread has four
    stages between two powers of two, so that at least four fifths of the axis are in use and a whole redraw comes four
    times in a doubling of the history.  A fixed range fills all slots.
    """

    first: int
    last: int
    slots: int
    k: int
    spread: float  # slots a bucket

    @classmethod
    def over(cls, steps: StepRange, slots: int, *, fixed: bool) -> StepAxis:
        """The axis for *steps*: growing with the history, or *fixed* on them."""
        first, last = steps
        k = level_for(first, last, slots)
        buckets = (last >> k) - (first >> k) + 1
        return cls(first, last, slots, k, slots / buckets if fixed else _stage(slots / buckets))

    @property
    def first_bucket(self) -> int:
        """Index of the leftmost bucket."""
        return self.first >> self.k

    def slots_of(self, steps: NDArray[np.int64]) -> NDArray[np.int64]:
        """The dot columns in which *steps* stand; outside 0..slots-1 where they are not on the axis."""
        buckets = (np.asarray(steps, np.int64) >> self.k) - self.first_bucket
        return np.asarray(np.floor(buckets * self.spread), np.int64)

    def slot_of(self, step: int) -> int:
        """The dot column in which *step* stands."""
        return math.floor(((step >> self.k) - self.first_bucket) * self.spread)

    def step_at(self, slot: int) -> int:
        """The first step of the bucket drawn at dot column *slot*, or of the last one left of it."""
        bucket = math.ceil((slot + 1) / self.spread - 1e-9) - 1
        return max(self.first, (self.first_bucket + bucket) << self.k)

    @property
    def end(self) -> int:
        """The step at the right edge, beyond the newest one while the axis still has room."""
        return self.step_at(self.slots - 1)

    def ticks(self, columns: int) -> tuple[int, ...]:
        """Round steps for labels that are about *columns* slots apart."""
        span = max(1, self.end - self.first)
        step = max(1, round(nice_step(span / max(1, self.slots // columns))))
        start = -(-self.first // step) * step
        return tuple(range(start, self.end + 1, step))


def _stage(widest: float) -> float:
    """The largest of 1, 1.25, 1.5, 1.75 times a power of two that is not above *widest*, and 1 at least."""
    power = 2.0 ** math.floor(math.log2(max(1.0, widest)))
    return power * max(1.0, math.floor(4 * widest / power) / 4)


def nice_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below *least*, which is positive."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(n for n in _NICE if n * power >= least * (1 - 1e-9)) * power


@dataclass(frozen=True)
class ValueAxis:
    """Values from bottom to top, linear or logarithmic; *low* and *high* are data values."""

    low: float
    high: float
    log: bool = False

    def rows_of(self, values: Floats, rows: int) -> Floats:
        """Dot rows, 0 at the top, as floats: beyond 0..rows-1 where clipped, NaN where there is no value."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        scaled = values if not self.log else _log10(values)
        return np.asarray((high - scaled) * ((rows - 1) / (high - low)))

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def ticks(self, rows: int) -> tuple[float, ...]:
        """Round values, at most about one for every four of *rows* cell rows, and two at least."""
        most = max(1, rows // 4)
        if self.log:
            return _log_ticks(self.low, self.high, most)
        ticks = self._multiples(nice_step((self.high - self.low) / most))
        if len(ticks) > 1:
            return ticks
        fine = self._multiples(nice_step((self.high - self.low) / 4))
        return fine if 2 * len(fine) <= rows else (fine[0], fine[-1])

    def _multiples(self, step: float) -> tuple[float, ...]:
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return tuple(i * step for i in range(first, last + 1))

    @property
    def is_one_decade(self) -> bool:
        """Whether a logarithmic axis is as short as it gets."""
        return self.log and self.high <= 10.01 * self.low


def _log10(values: Floats) -> Floats:
    """log10, minus infinity at and below 0 without a warning."""
    scaled = np.full(values.shape, -np.inf)
    np.log10(values, out=scaled, where=values > 0)
    scaled[np.isnan(values)] = np.nan
    return scaled


def _log_ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 1:
        stride = max(1, -(-(last - first) // most))
        return tuple(10.0**e for e in range(first, last + 1, stride))
    return (low, high)
