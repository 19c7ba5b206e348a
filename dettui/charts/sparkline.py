"""A curve in one row, for tables: the newest value right, extremes of each column kept."""

from __future__ import annotations

from math import isnan

import numpy as np

from dettui.charts.axes import StepAxis
from dettui.charts.limits import Extent, settle, wanted
from dettui.charts.raster import FONTS, bits_of, curve_spans
from dettui.charts.view import Glyphs
from dettui.domain.series import Floats
from dettui.numerics.decimation import bucketise, level_for

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = "_.-~^"


_SLOTS_FOR_LIMITS = 256
"""A table's column is too narrow to tell a wild point from a trend; this many buckets are enough."""


def sparkline(values: Floats, width: int, glyphs: Glyphs = "braille") -> str:
    """*values*, shape (n,), evenly spaced, in *width* characters; non-finite ones leave gaps, none at all blanks."""
    if not len(values) or width < 1:
        return " " * max(0, width)
    if glyphs != "braille":
        return _ramp(values, width, _BLOCKS if glyphs == "block" else _ASCII)
    font = FONTS["braille"]
    x = StepAxis.over((0, len(values) - 1), width * font.columns, fixed=True)
    buckets = bucketise(np.arange(len(values)), values, x.k)
    extent = _extent(values)
    if extent is None:
        return " " * width
    y = settle(extent, None, log=False)
    bits = bits_of(curve_spans(buckets, x, y, font.rows), font, 1)
    return "".join(map(chr, font.codes[bits[0]].tolist()))


def _ramp(values: Floats, width: int, ramp: str) -> str:
    """The mean of each of *width* equal parts of *values* as a character of *ramp*."""
    finite = np.isfinite(values)
    usable = values.astype(np.float64) if finite.all() else np.where(finite, values, 0.0).astype(np.float64)
    starts = np.arange(width) * len(values) // width
    count = np.add.reduceat(finite.astype(np.int64), starts)
    most = max(int(count.max()), 1)
    share = np.add.reduceat(usable / most, starts)  # of the mean: a sum of values near the largest float would overflow
    mean = np.full(width, np.nan)
    np.divide(share, count / most, out=mean, where=count > 0)
    extent = wanted(mean, mean, log=False)
    if extent is None:
        return " " * width
    rows = settle(extent, None, log=False).rows_of(mean, len(ramp))
    last = len(ramp) - 1
    return "".join(" " if isnan(row) else ramp[last - min(last, max(0, int(row + 0.5)))] for row in rows.tolist())


def _extent(values: Floats) -> Extent | None:
    fine = bucketise(np.arange(len(values)), values, level_for(0, len(values) - 1, _SLOTS_FOR_LIMITS))
    return wanted(fine.low, fine.high, log=False)
