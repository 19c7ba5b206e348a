"""Numbers in families of columns that always came together.

A family is a block of shape (T, K) with one step and one time per row, so that a point costs 4 + 16/K bytes.  Values
are float32, which shows every digit that anybody reads; a family that meets a number too large or too small for that
is float64 from then on, so that nothing becomes infinite or zero by being kept.  Columns are contiguous: a series is
read many times and written once, and a strided column of a wide family costs a cache line a point.

Every tag lives in exactly one family.  A row brings its columns to the families that hold them; where a row brings
only some columns of a family, the family is split in two for good.  Families therefore only ever get finer, a tag's
points are always in order of arrival in one array, and nothing has to be stitched when it is read.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from dettui.domain.series import Floats, Series, Steps

_FIRST_CAPACITY = 64
_RESERVE = 16
"""A full block grows by this part of itself: 3 % is reserved on average, and a point is copied 17 times, at 2 ns."""
_FEW = 32
"""Rows below which a list is searched faster than an array."""
_PIECE = 2048
"""Rows that are turned from rows into columns at once: all at once, each column would fetch the whole block again."""
_BUCKET = 4
"""Rows that become two when old rows are thinned."""


class Rows(NamedTuple):
    """Rows of the same K columns: ``steps`` and ``times`` of shape (T,), ``values`` of shape (T, K)."""

    steps: Steps
    times: Floats
    values: Floats

    @property
    def height(self) -> int:
        """T."""
        return len(self.steps)

    @property
    def first_step(self) -> int:
        """The least step."""
        return min(self.steps.tolist()) if self.height < _FEW else int(self.steps.min())

    @property
    def last_step(self) -> int:
        """The greatest step."""
        return max(self.steps.tolist()) if self.height < _FEW else int(self.steps.max())

    @property
    def last_time(self) -> float:
        """The greatest time."""
        return max(self.times.tolist()) if self.height < _FEW else float(self.times.max())

    def take(self, which: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Rows:
        """The rows that *which* selects; a view where it is a slice."""
        return Rows(self.steps[which], self.times[which], self.values[which])


def in_order(pieces: Sequence[Rows]) -> Rows:
    """The rows of *pieces*, which came in one message, in the order in which they were made.

    By step; by time where a piece itself goes back in its steps, as a resumed or freely numbered loop does.
    """
    if len(pieces) == 1:
        return pieces[0]
    steps = np.concatenate([piece.steps for piece in pieces])
    times = np.concatenate([piece.times for piece in pieces])
    values = np.concatenate([piece.values for piece in pieces])
    goes_back = any(bool((np.diff(piece.steps) < 0).any()) for piece in pieces)
    order = np.argsort(times if goes_back else steps, kind="stable")
    return Rows(steps, times, values).take(order)


class Family:
    """Columns that have always come together.  Append-only: an array that was handed out never changes."""

    _view: Rows  # as handed out last

    def __init__(self, tags: Sequence[str]) -> None:
        self.tags = tuple(tags)
        self._places = {tag: place for place, tag in enumerate(self.tags)}
        self.strand_starts: tuple[int, ...] = ()  # first rows of all strands but the first
        self._length = 0
        self._allocate(_FIRST_CAPACITY)

    def __len__(self) -> int:
        return self._length

    @property
    def points(self) -> int:
        """Values held."""
        return self._length * len(self.tags)

    @property
    def bytes(self) -> int:
        """Memory that this family takes, what is reserved for rows to come included."""
        return self._steps.nbytes + self._times.nbytes + self._values.nbytes

    def append(self, rows: Rows) -> None:
        """Take in *rows*, whose columns are in the order of ``tags``."""
        end = self._length + rows.height
        if end > len(self._steps):
            self._move(max(end, len(self._steps) + max(_FIRST_CAPACITY, len(self._steps) // _RESERVE)))
        fresh = slice(self._length, end)
        if self._values.dtype != np.float64 and not self._narrow_into(fresh, rows.values):
            self._move(len(self._steps), np.float64)
        if self._values.dtype == np.float64:
            self._values[fresh] = rows.values
        self._steps[fresh] = rows.steps
        self._times[fresh] = rows.times
        self._length = end

    def _narrow_into(self, fresh: slice, values: Floats) -> bool:
        """Write *values* as float32, a piece that fits a cache at a time; False where one of them would become
        infinite or zero."""
        if len(values) <= _PIECE:  # as all that a live run sends
            narrow = _narrowed(values)
            if narrow is not values:
                self._values[fresh] = narrow
            return narrow is not values
        places = range(fresh.start, fresh.stop, _PIECE)
        pieces = (values[low : low + _PIECE] for low in range(0, len(values), _PIECE))
        return all(self._narrow_into(slice(at, at + len(p)), p) for at, p in zip(places, pieces, strict=True))

    def rows(self) -> Rows:
        """All rows, as read-only views."""
        if self._view.height != self._length:
            self._view = Rows(self._steps[: self._length], self._times[: self._length], self._values[: self._length])
            for array in self._view:
                array.setflags(write=False)
        return self._view

    def series(self, tag: str, unit: str) -> Series:
        """The column *tag*, as a view."""
        return self.column(tag, unit, self.rows())

    def newest(self, tag: str, points: int, upto: int) -> Floats:
        """The newest *points* values of the column *tag* with a step of at most *upto*, of the newest strand: a view
        to be read at once.  A quarter of the cost of a series."""
        start, end = self.strand_start, self._length
        if end > start and self._steps[end - 1] > upto:
            end = start + int(np.searchsorted(self._steps[start:end], upto, side="right"))
        return self._values[max(start, end - points) : end, self._places[tag]]

    def column(self, tag: str, unit: str, rows: Rows) -> Series:
        """The column *tag* of *rows*, which this family has handed out."""
        starts = self.strand_starts and tuple(start for start in self.strand_starts if start < rows.height)
        return Series(tag, rows.steps, rows.values[:, self._places[tag]], rows.times, unit, starts)

    @property
    def strand_start(self) -> int:
        """First row of the newest strand."""
        return self.strand_starts[-1] if self.strand_starts else 0

    def part(self, tags: Sequence[str]) -> Family:
        """A family of some of the columns, with the same rows."""
        part = Family(tags)
        rows = self.rows()
        part._move(rows.height + _FIRST_CAPACITY, rows.values.dtype)
        part.append(Rows(rows.steps, rows.times, rows.values[:, [self._places[tag] for tag in tags]]))
        part.strand_starts = self.strand_starts
        return part

    def begin_strand(self) -> None:
        """Rows from here on belong to another boot of the run."""
        self.strand_starts = (*(start for start in self.strand_starts if start < self._length), self._length)

    def thin_oldest_half(self) -> None:
        """Replace each four rows of the older half by their extremes, so that no spike is lost.

        A kept value may move by up to three rows, within its bucket.  Buckets do not cross strands.
        """
        rows = self.rows()
        half = rows.height // 2
        cuts = [0, *(start for start in self.strand_starts if 0 < start < half), half]
        pieces = [_extremes(rows.take(slice(first, end))) for first, end in itertools.pairwise(cuts)]
        heights = list(itertools.accumulate(piece.height for piece in pieces))
        later = (start - half + heights[-1] for start in self.strand_starts if start >= half)
        self._length = 0
        self._allocate(max(_FIRST_CAPACITY, rows.height), rows.values.dtype)
        for piece in (*pieces, rows.take(slice(half, None))):
            self.append(piece)
        self.strand_starts = (*heights[:-1], *later)

    def _move(self, rows: int, dtype: npt.DTypeLike | None = None) -> None:
        """Into new arrays with room for *rows* rows; those handed out stay as they are."""
        old = self.rows()
        self._allocate(rows, dtype or old.values.dtype)
        self._steps[: old.height] = old.steps
        self._times[: old.height] = old.times
        self._values[: old.height] = old.values

    def _allocate(self, rows: int, dtype: npt.DTypeLike = np.float32) -> None:
        self._steps: Steps = np.empty(rows, np.int64)
        self._times: Floats = np.empty(rows, np.float64)
        self._values: Floats = np.empty((rows, len(self.tags)), dtype, order="F")
        self._view = Rows(self._steps[:0], self._times[:0], self._values[:0])


def _narrowed(values: Floats) -> Floats:
    """*values* as float32; *values* itself where one of them would become infinite or zero."""
    try:
        with np.errstate(over="raise", under="raise"):
            narrow: Floats = values.astype(np.float32)
    except FloatingPointError:
        return values
    return narrow


def _extremes(rows: Rows) -> Rows:
    """Minimum and maximum of each bucket of rows, per column, in the order in which they occurred.

    A NaN takes the place of the minimum: it is news.  Rows that do not fill a bucket are kept as they are.
    """
    whole = rows.height - rows.height % _BUCKET
    shaped = rows.values[:whole].reshape(-1, _BUCKET, rows.values.shape[1])
    low, high = np.min(shaped, axis=1), np.fmax.reduce(shaped, axis=1)  # min keeps a NaN, fmax passes over it
    low_first = np.argmin(shaped, axis=1) <= np.argmax(shaped, axis=1)
    pairs = np.stack([np.where(low_first, low, high), np.where(low_first, high, low)], axis=1)
    ends = np.arange(whole).reshape(-1, _BUCKET)[:, [0, -1]].ravel()
    return Rows(
        np.concatenate([rows.steps[ends], rows.steps[whole:]]),
        np.concatenate([rows.times[ends], rows.times[whole:]]),
        np.concatenate([pairs.reshape(len(ends), rows.values.shape[1]), rows.values[whole:]]),
    )
