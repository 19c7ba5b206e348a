"""A curve as plain text, for ``dettui doctor`` and for pipes: drawn once, by plotext, without an application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dettui.charts import numbers
from dettui.charts.annotations import sign_of
from dettui.charts.axes import StepAxis, ValueAxis
from dettui.charts.heading import unshown
from dettui.charts.limits import settle, wanted
from dettui.charts.plotext_figure import figure, rows_of
from dettui.charts.view import Band
from dettui.domain.frame import Mark
from dettui.domain.series import Floats, Series
from dettui.numerics.decimation import Buckets, bucketise

_LABEL_WIDTH = 8
"""About what plotext takes for value labels and the frame; buckets then come to two a column."""


def curve(series: Series, width: int, height: int, *, bands: Sequence[Band] = (), marks: Sequence[Mark] = ()) -> str:
    """*series* on *width* x *height* characters.

    Extremes are kept, wild points clipped and said so, non-finite values shown as gaps and signs.
    """
    if not len(series):
        return f"{series.tag}: no data"
    x = StepAxis.over(_reach(series), 2 * max(10, width - _LABEL_WIDTH), fixed=True)
    buckets = bucketise(series.steps, series.values, x.k)
    extent = wanted(buckets.low, buckets.high, log=False)
    if extent is None:
        return f"{series.tag}: {len(series)} points, none of them finite"
    y = settle(extent, None, log=False)
    notes = [text for text, _ in unshown([(series, buckets)], y).notes("braille")]
    with figure(width, height) as master:
        _draw_segments(master, buckets, y)
        _draw_bands(master, bands, x, y)
        _draw_marks(master, [*marks, *_nonfinite_marks(buckets)], x, y)
        _scale(master, x, y, height)
        master.title("  ".join([series.tag, numbers.with_unit(series.last, series.unit), *notes]))
        return "\n".join(row.rstrip() for row in rows_of(master))


def _reach(series: Series) -> tuple[int, int]:
    return int(series.steps.min()), int(series.steps.max())


def _draw_segments(master: Any, buckets: Buckets, y: ValueAxis) -> None:
    """One line for each stretch between non-finite buckets: through the minimum and the maximum of every bucket."""
    there = np.flatnonzero(buckets.count)
    broken = np.cumsum((buckets.count == 0) & (buckets.nonfinite > 0))[there]
    for part in np.split(there, np.flatnonzero(np.diff(broken)) + 1):
        steps = np.repeat((buckets.first + part) << buckets.k, 2)
        values: Floats = np.stack([buckets.low[part], buckets.high[part]], axis=1).ravel()
        values = np.clip(values, y.low, y.high)
        master.draw(master.signal(steps.tolist(), values.tolist(), marker="braille").lines(True))


def _draw_bands(master: Any, bands: Sequence[Band], x: StepAxis, y: ValueAxis) -> None:
    """Dotted lines at both ends of a band, and its name between them."""
    for band in bands:
        first, last = max(band.first, x.first), min(band.last, x.last)
        if first <= last:
            for edge in (first, last):
                master.line(edge, orientation="vertical", style="dotted")
            label = (band.label or band.kind).replace("_", " ")
            master.draw(master.text((first + last) / 2, y.high, label, alignment="center"))


def _draw_marks(master: Any, marks: Sequence[Mark], x: StepAxis, y: ValueAxis) -> None:
    for mark in marks:
        if x.first <= mark.step <= x.last:
            master.draw(master.text(mark.step, y.low, sign_of(mark.kind)))


def _nonfinite_marks(buckets: Buckets) -> list[Mark]:
    steps = (np.flatnonzero(buckets.nonfinite) + buckets.first) << buckets.k
    return [Mark(step, "nonfinite", "non-finite") for step in steps.tolist()]


def _scale(master: Any, x: StepAxis, y: ValueAxis, height: int) -> None:
    values, steps = y.ticks(height), x.ticks(24)
    master.ruler("y").lim(y.low, y.high).ticks(list(values), _labels(values))
    master.ruler("x").lim(x.first, max(x.last, x.first + 1)).ticks(list(steps), _labels([float(s) for s in steps]))


def _labels(ticks: Sequence[float]) -> list[str]:
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    return [numbers.tick(tick, step) for tick in ticks]
