"""What stands around the curves of a chart: the value labels on the left, the step axis and its labels below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dettui.charts import numbers
from dettui.charts.axes import StepAxis, ValueAxis
from dettui.charts.cells import GUTTER, Canvas, Ink
from dettui.charts.raster import DotFont
from dettui.charts.view import UNITS, Glyphs, XScale

ROWS_FOR_SIGNS = 8
"""Charts with fewer rows have none for signs; then bands and non-finite values show on the axis alone."""

ROWS_FOR_AXIS = 5
"""Charts with fewer rows have no step axis."""

_COLUMNS_A_LABEL = 9
"""Step labels stand about this far apart: six characters and some air."""


@dataclass(frozen=True)
class Geometry:
    """Where the parts of a chart stand, in cells."""

    columns: int  # for the curves
    signs_row: int | None  # None where the chart is too low for one
    top: int  # first row of the curves
    rows: int  # for the curves
    axis_row: int  # the step axis; its labels stand below it

    @classmethod
    def of(cls, width: int, height: int) -> Geometry:
        """The parts of a chart of *width* x *height* cells."""
        top = 2 if height >= ROWS_FOR_SIGNS else 1
        rows = max(1, height - top - (2 if height >= ROWS_FOR_AXIS else 0))
        return cls(max(1, width - GUTTER), 1 if top == 2 else None, top, rows, top + rows)


class Strokes(NamedTuple):
    """What scaffolds are made of."""

    vertical: str
    horizontal: str
    corner: str
    value_tick: str
    step_tick: str


_BOX = Strokes("│", "─", "└", "┤", "┴")
_ASCII = Strokes("|", "-", "+", "+", "+")


def strokes_of(glyphs: Glyphs) -> Strokes:
    """The strokes that go with *glyphs*."""
    return _ASCII if glyphs == "ascii" else _BOX


class Scaffold(NamedTuple):
    """Equal scaffolds look the same: a chart draws one anew only where it differs from the one before."""

    width: int
    height: int
    glyphs: Glyphs
    font: DotFont
    x: StepAxis
    y: ValueAxis | None
    scale: XScale

    @property
    def key(self) -> tuple[object, ...]:
        """The steps that came since do not count while they do not move the axis."""
        x = self.x
        return self.width, self.height, self.glyphs, x.first, x.end, x.k, x.spread, x.slots, self.y, self.scale

    def draw(self, canvas: Canvas) -> None:
        """Put it on the empty *canvas*."""
        at, strokes = Geometry.of(self.width, self.height), strokes_of(self.glyphs)
        canvas.codes[at.top : at.axis_row, GUTTER - 1] = ord(strokes.vertical)
        canvas.inks[at.top : at.axis_row, GUTTER - 1] = Ink.DIM
        if self.y is not None:
            self._draw_values(canvas, at, self.y, strokes)
        if at.axis_row < canvas.height:
            canvas.write(GUTTER - 1, at.axis_row, strokes.corner, Ink.DIM)
            canvas.write(GUTTER, at.axis_row, strokes.horizontal * at.columns, Ink.DIM)
            self._draw_steps(canvas, at, strokes)

    def _draw_values(self, canvas: Canvas, at: Geometry, y: ValueAxis, strokes: Strokes) -> None:
        ticks = y.ticks(at.rows)
        step = ticks[1] - ticks[0] if len(ticks) > 1 else abs(ticks[0]) or 1.0
        rows = y.rows_of(np.array(ticks), at.rows * self.font.rows)
        written = set()
        for value, row in zip(ticks, rows.tolist(), strict=True):
            cell = at.top + min(at.rows - 1, int(row + 0.5) // self.font.rows)
            label = numbers.number(value) if y.log else numbers.tick(value, step)
            label = numbers.fitting(label, value, GUTTER - 1)
            if label in written:  # shortened until it says the same as its neighbour
                continue
            written.add(label)
            canvas.write(0, cell, f"{label:>{GUTTER - 1}}{strokes.value_tick}", Ink.DIM)

    def _draw_steps(self, canvas: Canvas, at: Geometry, strokes: Strokes) -> None:
        """Labels centred under their ticks, left out where they would touch."""
        free = 0
        ticks = self.x.ticks(_COLUMNS_A_LABEL * self.font.columns)
        step = ticks[1] - ticks[0] if len(ticks) > 1 else max((1, *ticks))
        for tick in ticks:
            column = GUTTER + self.x.slot_of(tick) // self.font.columns
            canvas.write(column, at.axis_row, strokes.step_tick, Ink.DIM)
            text = _tick_text(tick, step, self.scale)
            start = max(0, column - len(text) // 2)
            if start >= free and start + len(text) <= canvas.width:
                free = 1 + canvas.write(start, at.axis_row + 1, text, Ink.DIM)


def _tick_text(tick: int, step: int, scale: XScale) -> str:
    if scale == "time":
        return numbers.duration(tick / UNITS["time"])
    return numbers.tick(tick / UNITS[scale], step / UNITS[scale])
