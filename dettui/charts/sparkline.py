"""A curve in one row, for tables: the newest value right, extremes of each column kept."""

from __future__ import annotations

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
    font = FONTS["braille"]
    x = StepAxis.over((0, len(values) - 1), width * (font.columns if glyphs == "braille" else 1), fixed=True)
    buckets = bucketise(np.arange(len(values)), values, x.k)
    extent = _extent(values)
    if extent is None:
        return " " * width
    y = settle(extent, None, log=False)
    if glyphs == "braille":
        bits = bits_of(curve_spans(buckets, x, y, font.rows), font, 1)
        return "".join(map(chr, font.codes[bits[0]].tolist()))
    ramp = _BLOCKS if glyphs == "block" else _ASCII
    source = np.minimum((np.arange(width) / x.spread).astype(int), len(buckets) - 1)
    rows = y.rows_of(buckets.mean[source], len(ramp))
    return "".join(" " if np.isnan(row) else ramp[-1 - int(np.clip(row + 0.5, 0, len(ramp) - 1))] for row in rows)


def _extent(values: Floats) -> Extent | None:
    fine = bucketise(np.arange(len(values)), values, level_for(0, len(values) - 1, _SLOTS_FOR_LIMITS))
    return wanted(fine.low, fine.high, log=False)
