"""The title row of a chart: its name, its newest values or the read-out of the cursor, and what it does not show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dettui.charts import numbers
from dettui.charts.axes import ValueAxis
from dettui.charts.cells import Canvas, Ink
from dettui.charts.view import LINE_COLOURS, UNITS, CurveView, Glyphs, Line, XScale
from dettui.domain.series import Floats, Series, Steps
from dettui.numerics.decimation import Buckets
from dettui.numerics.extremes import best_of

LINE_LETTERS = "abcdefghijklmnopqrstuvwxyz"
"""Lines of one chart are told apart by letters as well as by colours."""


@dataclass(frozen=True)
class Outliers:
    """Points beyond one end of the value axis: how many, the farthest value, and its step."""

    count: int
    extreme: float
    step: int


@dataclass(frozen=True)
class Unshown:
    """What a chart does not show where it is."""

    above: Outliers | None = None
    below: Outliers | None = None
    nonfinite: int = 0

    def notes(self, glyphs: Glyphs, scale: XScale = "step") -> list[tuple[str, Ink]]:
        """One phrase for each: "▲ 1 above, max 30 @ 1,777"."""
        up, down, cross = ("^", "v", "x") if glyphs == "ascii" else ("▲", "▼", "✗")
        said = []
        if self.nonfinite:
            said.append((f"{cross} {numbers.count(self.nonfinite)} non-finite", Ink.NONFINITE))
        if self.above:
            said.append((f"{up} {_outliers(self.above, 'above, max', scale)}", Ink.NOTE))
        if self.below:
            said.append((f"{down} {_outliers(self.below, 'below, min', scale)}", Ink.NOTE))
        return said


def _outliers(outliers: Outliers, words: str, scale: XScale) -> str:
    where = place(outliers.step, scale)
    return f"{numbers.count(outliers.count)} {words} {numbers.number(outliers.extreme)} @ {where}"


def place(at: int, scale: XScale) -> str:
    """A place on the axis in words: a step, an epoch, a time since the start."""
    if scale == "step":
        return numbers.count(at)
    return numbers.duration(at / UNITS[scale]) if scale == "time" else f"epoch {numbers.epochs(at / UNITS[scale])}"


def unshown(traces: Sequence[tuple[Series, Buckets]], y: ValueAxis | None) -> Unshown:
    """What *y* clips of the visible part of each series, and what no axis can show."""
    nonfinite = sum(int(buckets.nonfinite.sum()) for _, buckets in traces)
    if y is None:
        return Unshown(nonfinite=nonfinite)
    above = [_beyond(s, b, b.high, y.high, 1) for s, b in traces]
    below = [_beyond(s, b, b.low, y.low, -1) for s, b in traces]
    return Unshown(_worst(above, 1), _worst(below, -1), nonfinite)


def _beyond(series: Series, buckets: Buckets, reach: Floats, limit: float, sign: int) -> Outliers | None:
    """Points of *series* farther out than *limit*: *sign* 1 looks above, -1 below.

    Only the buckets that reach that far are looked into, so that the count is exact and cheap.
    """
    farther = reach > limit if sign > 0 else reach < limit
    if not farther.any():
        return None
    where = np.flatnonzero(farther)
    steps, values = (
        np.concatenate(parts) for parts in zip(*(_points_of(series, buckets, i) for i in where.tolist()), strict=True)
    )
    beyond = np.isfinite(values) & (sign * values > sign * limit)
    farthest = int(np.argmax(np.where(beyond, sign * values, -np.inf)))
    return Outliers(int(beyond.sum()), float(values[farthest]), int(steps[farthest]))


def _points_of(series: Series, buckets: Buckets, i: int) -> tuple[Steps, Floats]:
    """Steps and values in the i-th bucket.  A search finds them unless the run was rewound; then all are looked at."""
    bucket = buckets.first + i
    part = series.between(bucket << buckets.k, ((bucket + 1) << buckets.k) - 1)
    if len(part) == buckets.count[i] + buckets.nonfinite[i]:
        return part.steps, part.values
    inside = series.steps >> buckets.k == bucket
    return series.steps[inside], series.values[inside]


def _worst(found: Sequence[Outliers | None], sign: int) -> Outliers | None:
    there = [o for o in found if o is not None]
    if not there:
        return None
    worst = max(there, key=lambda o: sign * o.extreme)
    return Outliers(sum(o.count for o in there), worst.extreme, worst.step)


def draw_heading(canvas: Canvas, view: CurveView, missing: Unshown, glyphs: Glyphs) -> None:
    """Fill the title row; where it is short, notes win over values, and values over the rest of the legend."""
    width = canvas.width
    notes = missing.notes(glyphs, view.x_scale)
    right = _fit_notes(notes, width - len(view.title) - 2)
    end = canvas.write(0, 0, view.title, Ink.TITLE)
    limit = width - sum(len(text) + 2 for text, _ in right)
    for text, ink in _readings(view):
        if end + 2 + len(text) <= limit:
            end = canvas.write(end + 2, 0, text, ink)
    column = width
    for text, ink in right:
        column -= len(text)
        canvas.write(column, 0, text, ink)
        column -= 2


def _fit_notes(notes: Sequence[tuple[str, Ink]], room: int) -> list[tuple[str, Ink]]:
    """As many of *notes* as fit; at least the sign of the first."""
    kept: list[tuple[str, Ink]] = []
    for note, ink in notes:
        text = note if len(note) + 2 <= room else note.split(",")[0]
        if len(text) + 2 <= room:
            kept.append((text, ink))
            room -= len(text) + 2
    return kept


def _readings(view: CurveView) -> list[tuple[str, int]]:
    """The legend with the values under the cursor, or else the newest ones."""
    readings: list[tuple[str, int]] = []
    if view.cursor is not None:
        readings.append((f"@ {place(view.cursor, view.x_scale)}", Ink.CURSOR))
    for letter, line in lettered(view):
        value = line.series.last if view.cursor is None else value_at(line.series, view.cursor)
        name = f"{letter} {line.name} " if len(view.curves) > 1 else ""
        readings.append((name + numbers.with_unit(value, view.unit or line.series.unit), line_ink(line)))
    readings.extend(_bests(view))
    if view.smoothing > 0 and any(line.style == "curve" for line in view.lines):
        readings.append((f"smoothed {view.smoothing:g}", Ink.DIM))
    return readings


def _bests(view: CurveView) -> Iterator[tuple[str, int]]:
    """The best value of each line that has one, and its step: "best 0.666 @ 1,100"."""
    for letter, line in lettered(view):
        best = best_of(line.series, line.better)
        if best is not None:
            step, value = best
            name = f"{letter} " if len(view.curves) > 1 else ""
            said = numbers.with_unit(value, view.unit or line.series.unit)
            yield f"{name}best {said} @ {place(step, view.x_scale)}", line_ink(line)


def lettered(view: CurveView) -> Iterator[tuple[str, Line]]:
    """The lines that have a name, each with its letter: its own, or that of its place."""
    for letter, line in zip(LINE_LETTERS, view.curves, strict=False):
        yield line.letter or letter, line


def line_ink(line: Line) -> int:
    """The ink of a line's curve and of its legend."""
    return Ink.LINE + line.colour_class % LINE_COLOURS


def value_at(series: Series, step: int) -> float | None:
    """The value at *step* or at the last step before it, the newer where a run was rewound; None before the first."""
    before = np.flatnonzero(series.steps <= step)  # no search: a rewound run's steps are not in order
    if not len(before):
        return None
    newest = before[series.steps[before] == series.steps[before].max()][-1]
    return float(series.values[newest])
