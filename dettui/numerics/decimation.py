"""Buckets of 2^k steps that never move: what a curve of any length is drawn from.

Bucket b of level k covers the steps ``b * 2**k .. (b + 1) * 2**k - 1``, wherever the history begins or ends.  A growing
curve therefore only ever changes its newest bucket, and a one-step spike survives in its bucket's maximum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dettui.domain.series import Floats, Series, Steps

Counts: TypeAlias = NDArray[np.int64]
_Point: TypeAlias = tuple[int, float]

MAX_CACHED_BUCKETS = 1 << 16
"""A level with more buckets than this is computed for the visible steps only: 3 MB a level is enough to keep."""

LEVELS_KEPT = 3
"""Levels kept per tag: the present one, the next coarser one, and the one last zoomed to."""


@dataclass(frozen=True, eq=False)
class Buckets:
    """Neighbouring buckets of one level.  Arrays have shape (n,); float arrays hold NaN where ``count`` is 0."""

    k: int
    first: int  # index of the first bucket
    low: Floats
    high: Floats
    last: Floats  # the finite value that came last
    total: Floats  # sum of the finite values, 0 where there is none
    count: Counts  # finite values
    nonfinite: Counts

    def __len__(self) -> int:
        return len(self.low)

    @property
    def mean(self) -> Floats:
        """Mean of the finite values, NaN where there is none."""
        mean = np.full(len(self), np.nan)
        np.divide(self.total, self.count, out=mean, where=self.count > 0)
        return mean


def level_for(first: int, last: int, slots: int) -> int:
    """The smallest k >= 0 at which the steps *first* to *last* touch at most *slots* buckets (at least two slots)."""
    k = max(0, ((last - first) // max(2, slots)).bit_length() - 1)
    while (last >> k) - (first >> k) + 1 > max(2, slots):
        k += 1
    return k


def bucketise(steps: Steps, values: Floats, k: int) -> Buckets:
    """The buckets of points in order of arrival, shapes (n,) and (n,).  Steps may have gaps and may go back."""
    level = _Level(k)
    level.extend(steps, values)
    return level.buckets()


class _Level:
    """The buckets of one level over a whole history, grown in place.  Not safe for concurrent use."""

    def __init__(self, k: int) -> None:
        self.k = k
        self._first = 0
        self._size = 0
        self._floats = np.empty((4, 0))  # low, high, last, total
        self._counts = np.empty((2, 0), np.int64)  # finite, non-finite

    def extend(self, steps: Steps, values: Floats) -> None:
        """Take in the points that arrived since."""
        if not len(steps):
            return
        index = steps >> self.k
        self._cover(int(index.min()), int(index.max()))
        slot = index - self._first
        finite = np.isfinite(values)
        if not finite.all():
            np.add.at(self._counts[1], slot[~finite], 1)
            slot, values = slot[finite], values[finite]
        if not len(slot):
            return
        if slot[0] == slot[-1] and (slot == slot[0]).all():
            self._fold_into_one(int(slot[0]), values)
        else:
            self._fold(slot, values)

    def buckets(self, first: int | None = None, last: int | None = None) -> Buckets:
        """The buckets with indices *first* to *last* as they are now: copies, so that nobody sees them change."""
        low = 0 if first is None else min(self._size, max(0, first - self._first))
        high = self._size if last is None else max(low, min(self._size, last + 1 - self._first))
        floats, counts = self._floats[:, low:high].copy(), self._counts[:, low:high].copy()
        return Buckets(self.k, self._first + low, *floats, *counts)

    def coarser(self) -> _Level:
        """The level above: each bucket of it holds two of these."""
        up = _Level(self.k + 1)
        if self._size:
            up._cover(self._first >> 1, (self._first + self._size - 1) >> 1)
            for parity in (0, 1):  # the later half second: its last value wins
                up._merge(self, parity)
        return up

    def _merge(self, below: _Level, parity: int) -> None:
        offset = (below._first ^ parity) & 1
        floats = below._floats[:, offset : below._size : 2]
        counts = below._counts[:, offset : below._size : 2]
        start = ((below._first + offset) >> 1) - self._first
        into = slice(start, start + floats.shape[1])
        low, high, last, total = self._floats
        np.fmin(low[into], floats[0], out=low[into])
        np.fmax(high[into], floats[1], out=high[into])
        np.copyto(last[into], floats[2], where=counts[0] > 0)
        total[into] += floats[3]
        self._counts[:, into] += counts

    def _fold(self, slot: Steps, values: Floats) -> None:
        """Fold runs of equal slots first: ``reduceat`` is twenty times cheaper than ``minimum.at``."""
        starts = np.concatenate(([0], np.flatnonzero(slot[1:] != slot[:-1]) + 1))
        where = slot[starts]
        ends = np.append(starts[1:], len(slot))
        low, high, last, total = self._floats
        np.fmin.at(low, where, np.minimum.reduceat(values, starts))
        np.fmax.at(high, where, np.maximum.reduceat(values, starts))
        np.add.at(total, where, np.add.reduceat(values, starts))
        last[where] = values[ends - 1]
        np.add.at(self._counts[0], where, ends - starts)

    def _fold_into_one(self, slot: int, values: Floats) -> None:
        """As ``_fold`` for values of one bucket, as a live run brings them."""
        low, high, _, total = self._floats[:, slot].tolist()
        lowest, highest = float(values.min()), float(values.max())
        self._floats[:, slot] = (
            low if low <= lowest else lowest,  # also where there was none: comparing with NaN is false
            high if high >= highest else highest,
            values[-1],
            total + float(values.sum()),
        )
        self._counts[0, slot] += len(values)

    def _cover(self, first: int, last: int) -> None:
        """Make room for the buckets *first* to *last*, doubling so that growth stays cheap."""
        if self._size == 0:
            self._first = first
        new_first = min(first, self._first)
        new_size = max(last, self._first + self._size - 1) - new_first + 1
        shift = self._first - new_first
        if shift or new_size > self._floats.shape[1]:
            room = max(new_size, 2 * self._size, 64)
            floats, counts = np.full((4, room), np.nan), np.zeros((2, room), np.int64)
            floats[3] = 0.0
            floats[:, shift : shift + self._size] = self._floats[:, : self._size]
            counts[:, shift : shift + self._size] = self._counts[:, : self._size]
            self._floats, self._counts = floats, counts
        self._first, self._size = new_first, new_size


class BucketCache:
    """Buckets of growing series, computed once: a call costs as much as the points that are new.

    Owned by one chart; not safe for concurrent use.  A series whose past is not the one seen before (another run, or a
    store that thinned its history) is read anew.
    """

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}

    def buckets(self, series: Series, first: int, last: int, k: int) -> Buckets:
        """The level-*k* buckets of *series* that touch the steps *first* to *last*."""
        track = self._tracks.setdefault(series.tag, _Track())
        return track.buckets(series, first, last, k)


class _Track:
    """The cached levels of one tag."""

    def __init__(self) -> None:
        self._levels: dict[int, tuple[_Level, int]] = {}  # k -> level, points taken in; least recently used first
        self._ends: tuple[_Point, _Point] | None = None  # first and newest point seen
        self._reach = (0, -1)  # lowest and highest step seen
        self._seen = 0

    def buckets(self, series: Series, first: int, last: int, k: int) -> Buckets:
        self._follow(series)
        if (self._reach[1] - self._reach[0]) >> k > MAX_CACHED_BUCKETS:
            shown = series.between((first >> k) << k, (((last >> k) + 1) << k) - 1)
            return bucketise(shown.steps, shown.values, k)
        return self._level(series, k).buckets(first >> k, last >> k)

    def _follow(self, series: Series) -> None:
        """Forget everything where *series* is not a continuation of what was seen."""
        n = len(series)
        if self._ends is not None and (n < self._seen or _ends(series, self._seen) != self._ends):
            self._levels.clear()
            self._ends, self._reach, self._seen = None, (0, -1), 0
        if n > self._seen:
            fresh = series.steps[self._seen :]
            low, high = int(fresh.min()), int(fresh.max())
            self._reach = (min(low, self._reach[0]), max(high, self._reach[1])) if self._seen else (low, high)
            self._seen, self._ends = n, _ends(series, n)

    def _level(self, series: Series, k: int) -> _Level:
        level, taken = self._levels.pop(k, (None, 0))
        if level is None:
            level, taken = self._start(k)
        level.extend(series.steps[taken:], series.values[taken:])
        self._levels[k] = (level, len(series))
        while len(self._levels) > LEVELS_KEPT:
            del self._levels[next(iter(self._levels))]
        return level

    def _start(self, k: int) -> tuple[_Level, int]:
        """A new level, from the one below where that is at hand."""
        if k - 1 in self._levels:
            below, taken = self._levels[k - 1]
            return below.coarser(), taken
        return _Level(k), 0


def _ends(series: Series, n: int) -> tuple[_Point, _Point]:
    """Step and time of the first and of the n-th point."""
    steps, times = series.steps, series.times
    return (int(steps[0]), float(times[0])), (int(steps[n - 1]), float(times[n - 1]))
