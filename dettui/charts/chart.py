"""A chart of curves: view + size -> picture.  Pure but for the cache, which only makes it cheap.

From the top: a title row (name, newest values or the read-out of the cursor, what is clipped), a row of signs (bands,
non-finite values, clipped points), the curves beside the value labels, the axis with its marks, the step labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dettui.charts import numbers
from dettui.charts.annotations import draw_bands, draw_marks, draw_nonfinite
from dettui.charts.axes import StepAxis, ValueAxis
from dettui.charts.cells import GUTTER, Canvas, Ground, Ink, Picture
from dettui.charts.heading import LINE_LETTERS, draw_heading, line_ink, unshown, value_at
from dettui.charts.limits import settle, wanted
from dettui.charts.raster import FONTS, Bits, DotFont, Spans, bits_of, curve_spans, step_spans
from dettui.charts.view import LINE_COLOURS, UNITS, CurveView, Glyphs, Line, XScale
from dettui.domain.series import Floats, Series
from dettui.numerics.decimation import BucketCache, Buckets
from dettui.numerics.smoothing import SmoothedCache

ROWS_FOR_SIGNS = 8
"""Charts with fewer rows have none for signs; then bands and non-finite values show on the axis alone."""

ROWS_FOR_AXIS = 5
"""Charts with fewer rows have no step axis."""

_COLUMNS_A_LABEL = 9
"""Step labels stand about this far apart: six characters and some air."""

_AxisKey: TypeAlias = tuple[object, ...]
_Ints: TypeAlias = NDArray[np.int64]
_NONE: _Ints = np.empty(0, np.int64)


_End: TypeAlias = tuple[float, int, str, int]
"""Where a line ends: dot row and cell column; its letter and its ink."""


class _Strokes(NamedTuple):
    """What frames are made of."""

    vertical: str
    horizontal: str
    corner: str
    value_tick: str
    step_tick: str


_BOX_STROKES = _Strokes("│", "─", "└", "┤", "┴")
_ASCII_STROKES = _Strokes("|", "-", "+", "+", "+")


@dataclass
class ChartCache:
    """What one chart remembers between pictures.  Owned by one widget; not safe for concurrent use."""

    buckets: BucketCache = field(default_factory=BucketCache)
    smoothed: SmoothedCache = field(default_factory=SmoothedCache)
    axis_key: _AxisKey | None = None
    axis: ValueAxis | None = None
    frame_key: _AxisKey | None = None
    frame: Canvas | None = None  # what stays while the axes stay; drawing it costs as much as a curve


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


@dataclass(frozen=True, eq=False)
class _Trace:
    """One line with its visible buckets."""

    line: Line
    raw: Buckets
    smooth: Buckets | None

    @property
    def outline(self) -> tuple[Floats, Floats]:
        """Lowest and highest value drawn, bucket by bucket."""
        if self.smooth is not None and not self.line.raw:
            return self.smooth.mean, self.smooth.mean
        if self.line.style == "mean":
            return self.raw.mean, self.raw.mean
        return self.raw.low, self.raw.high


def x_axis(view: CurveView, width: int, glyphs: Glyphs = "braille") -> StepAxis | None:
    """The step axis of *view* at *width* cells, None where there is no step: for cursors and mouse positions."""
    visible = view.visible_range
    if visible is None:
        return None
    slots = max(1, width - GUTTER) * FONTS[glyphs].columns
    return StepAxis.over(visible, slots, fixed=view.x_range is not None)


def render(view: CurveView, width: int, height: int, cache: ChartCache, glyphs: Glyphs = "braille") -> Picture:
    """Draw *view* on *width* x *height* cells."""
    canvas = Canvas(width, height)
    x = x_axis(view, width, glyphs)
    if width <= GUTTER or height < 3 or x is None:
        canvas.write(0, 0, view.title[:width], Ink.TITLE)
        if x is None and height > 1:
            canvas.write(2, height // 2, "no data yet", Ink.DIM)
        return canvas.picture()
    return _Drawing(view, canvas, x, cache=cache, glyphs=glyphs).draw()


class _Drawing:
    """One picture in the making."""

    def __init__(self, view: CurveView, canvas: Canvas, x: StepAxis, *, cache: ChartCache, glyphs: Glyphs) -> None:
        self._view, self._canvas, self._x = view, canvas, x
        self._cache, self._glyphs = cache, glyphs
        self._at = Geometry.of(canvas.width, canvas.height)
        self._font: DotFont = FONTS[glyphs]
        self._strokes = _ASCII_STROKES if glyphs == "ascii" else _BOX_STROKES

    def draw(self) -> Picture:
        traces = [self._trace(line) for line in self._view.lines]
        y = self._value_axis(traces)
        self._draw_frame(y)
        if y is not None:
            self._draw_curves(traces, y)
        self._draw_signs(traces)
        self._draw_cursor()
        if y is not None and self._view.has_letters and len(self._view.curves) > 1:
            self._draw_letters(traces, y)
        missing = unshown([(t.line.series, t.raw) for t in traces], y)
        draw_heading(self._canvas, self._view, missing, self._glyphs)
        return self._canvas.picture()

    def _trace(self, line: Line) -> _Trace:
        raw = self._buckets(line.series)
        if self._view.smoothing <= 0 or line.style != "curve":
            return _Trace(line, raw, None)
        return _Trace(line, raw, self._buckets(self._cache.smoothed.series(line.series, self._view.smoothing)))

    def _buckets(self, series: Series) -> Buckets:
        return self._cache.buckets.buckets(series, self._x.first, self._x.last, self._x.k)

    def _value_axis(self, traces: Sequence[_Trace]) -> ValueAxis | None:
        if not traces:
            return None
        view = self._view
        outlines = [t.outline for t in traces]
        extent = wanted(
            np.concatenate([low for low, _ in outlines]), np.concatenate([high for _, high in outlines]), log=view.y_log
        )
        if extent is None:
            return None
        key = (view.title, view.x_range, view.y_log, tuple(t.line.series.tag for t in traces))
        before = self._cache.axis if self._cache.axis_key == key else None
        self._cache.axis_key, self._cache.axis = key, settle(extent, before, log=view.y_log)
        return self._cache.axis

    # --- curves ---------------------------------------------------------------------------------------------

    def _draw_curves(self, traces: Sequence[_Trace], y: ValueAxis) -> None:
        """Raw curves first, so that smoothed ones lie over them and take whole cells; equals share a cell's dots."""
        bits: Bits = np.zeros((self._at.rows, self._at.columns), np.uint8)
        inks = np.zeros(bits.shape, np.uint16)
        for trace in traces:
            is_band = trace.line.style == "band"
            if is_band or (trace.smooth is not None and trace.line.raw):
                raw = bits_of(curve_spans(trace.raw, self._x, y, self._dot_rows), self._font, self._at.rows)
                bits |= raw & self._font.shade if is_band else raw
                inks[raw > 0] = Ink.RAW + trace.line.colour_class % LINE_COLOURS
        under = bits.copy()
        for trace in traces:
            if trace.line.style == "band":
                continue
            new = bits_of(self._main_spans(trace, y), self._font, self._at.rows)
            bits[(new > 0) & (bits == under)] = 0
            bits |= new
            inks[new > 0] = line_ink(trace.line)
        body = slice(self._at.top, self._at.axis_row), slice(GUTTER, None)
        self._canvas.codes[body] = self._font.codes[bits]
        self._canvas.inks[body] = inks

    @property
    def _dot_rows(self) -> int:
        return self._at.rows * self._font.rows

    def _main_spans(self, trace: _Trace, y: ValueAxis) -> Spans:
        if trace.line.style == "steps":
            before, until = _held_before(trace.line.series, self._x.first), self._x.last
            return step_spans(trace.raw, self._x, y, self._dot_rows, before=before, until=until)
        if trace.smooth is not None:
            return curve_spans(trace.smooth, self._x, y, self._dot_rows, mean=True)
        if trace.line.style == "mean":
            return curve_spans(trace.raw, self._x, y, self._dot_rows, mean=True)
        return curve_spans(trace.raw, self._x, y, self._dot_rows)

    def _draw_letters(self, traces: Sequence[_Trace], y: ValueAxis) -> None:
        """Each line's letter right of its newest point, one below the other in the order of their values."""
        curves = [trace for trace in traces if trace.line.style != "band"]
        ends = [(*end, trace.line.letter or letter, line_ink(trace.line))
                for letter, trace in zip(LINE_LETTERS, curves, strict=False)
                if (end := self._end_of(trace, y)) is not None]  # fmt: skip
        for group in _neighbours(ends):
            cells = spaced([int(row) // self._font.rows for row, *_ in group], self._at.rows)
            for cell, (_, column, letter, ink) in zip(cells, group, strict=True):
                self._canvas.write(column, self._at.top + cell, letter, ink)

    def _end_of(self, trace: _Trace, y: ValueAxis) -> tuple[float, int] | None:
        """Dot row and cell column of a line's end, None where none of it is visible."""
        shown = trace.smooth if trace.smooth is not None else trace.raw
        drawn = np.flatnonzero(shown.count)
        if not len(drawn):
            return None
        last = (shown.mean if trace.smooth is not None else shown.last)[drawn[-1:]]
        row = float(np.clip(y.rows_of(last, self._dot_rows)[0], 0, self._dot_rows - 1))
        end = self._x.last if trace.line.style == "steps" else (shown.first + int(drawn[-1])) << shown.k
        return row, min(self._canvas.width - 1, 1 + self._column_of_step(end))

    # --- frame ----------------------------------------------------------------------------------------------

    def _draw_frame(self, y: ValueAxis | None) -> None:
        """Put the frame on the empty canvas: the one before where neither axis has moved."""
        x = self._x
        key = (self._canvas.codes.shape, self._glyphs, x.first, x.end, x.k, x.spread, y, self._view.x_scale)
        if self._cache.frame is None or self._cache.frame_key != key:
            self._draw_axes(y)
            self._cache.frame_key, self._cache.frame = key, self._canvas.copy()
        else:
            self._canvas.take(self._cache.frame)

    def _draw_axes(self, y: ValueAxis | None) -> None:
        canvas, at = self._canvas, self._at
        canvas.codes[at.top : at.axis_row, GUTTER - 1] = ord(self._strokes.vertical)
        canvas.inks[at.top : at.axis_row, GUTTER - 1] = Ink.DIM
        if y is not None:
            self._draw_values(y)
        if at.axis_row < canvas.height:
            canvas.write(GUTTER - 1, at.axis_row, self._strokes.corner, Ink.DIM)
            canvas.write(GUTTER, at.axis_row, self._strokes.horizontal * at.columns, Ink.DIM)
            self._draw_steps()

    def _draw_values(self, y: ValueAxis) -> None:
        ticks = y.ticks(self._at.rows)
        step = ticks[1] - ticks[0] if len(ticks) > 1 else abs(ticks[0]) or 1.0
        rows = y.rows_of(np.array(ticks), self._dot_rows)
        written = set()
        for value, row in zip(ticks, rows.tolist(), strict=True):
            cell = self._at.top + min(self._at.rows - 1, int(row + 0.5) // self._font.rows)
            label = numbers.number(value) if y.log else numbers.tick(value, step)
            label = numbers.fitting(label, value, GUTTER - 1)
            if label in written:  # shortened until it says the same as its neighbour
                continue
            written.add(label)
            self._canvas.write(0, cell, f"{label:>{GUTTER - 1}}{self._strokes.value_tick}", Ink.DIM)

    def _draw_steps(self) -> None:
        """Labels centred under their ticks, left out where they would touch."""
        free = 0
        ticks = self._x.ticks(_COLUMNS_A_LABEL * self._font.columns)
        step = ticks[1] - ticks[0] if len(ticks) > 1 else max((1, *ticks))
        for tick in ticks:
            column = GUTTER + self._x.slot_of(tick) // self._font.columns
            self._canvas.write(column, self._at.axis_row, self._strokes.step_tick, Ink.DIM)
            text = _tick_text(tick, step, self._view.x_scale)
            start = max(0, column - len(text) // 2)
            if start >= free and start + len(text) <= self._canvas.width:
                free = 1 + self._canvas.write(start, self._at.axis_row + 1, text, Ink.DIM)

    # --- what is said about the curves ----------------------------------------------------------------------

    def _draw_signs(self, traces: Sequence[_Trace]) -> None:
        at = self._at
        body = slice(at.top, at.axis_row)
        draw_bands(
            self._canvas, self._view.bands, self._column_of_step, body, signs_row=at.signs_row, glyphs=self._glyphs
        )
        if at.axis_row < self._canvas.height:
            draw_marks(self._canvas, self._view.marks, self._column_of_step, at.axis_row, self._glyphs)
        row = at.axis_row if at.signs_row is None else at.signs_row
        if row < self._canvas.height:
            columns = [self._nonfinite_columns(trace.raw) for trace in traces]
            draw_nonfinite(self._canvas, np.concatenate([*columns, _NONE]), row, self._glyphs)

    def _nonfinite_columns(self, buckets: Buckets) -> _Ints:
        where = np.flatnonzero(buckets.nonfinite)
        if not len(where):
            return _NONE
        return GUTTER + self._x.slots_of((buckets.first + where) << buckets.k) // self._font.columns

    def _column_of_step(self, step: int) -> int:
        """The cell column of *step*; left of the curves or beyond them where it is not visible."""
        return GUTTER + self._x.slot_of(step) // self._font.columns

    def _draw_cursor(self) -> None:
        cursor = self._view.cursor
        if cursor is None or not self._x.first <= cursor <= self._x.last:
            return
        column, body = self._column_of_step(cursor), slice(self._at.top, self._at.axis_row)
        blank = self._canvas.codes[body, column] == ord(" ")
        self._canvas.codes[body, column][blank] = ord(self._strokes.vertical)
        self._canvas.inks[body, column][blank] = Ink.CURSOR
        self._canvas.grounds[body, column] = Ground.CURSOR


def _tick_text(tick: int, step: int, scale: XScale) -> str:
    if scale == "time":
        return numbers.duration(tick / UNITS["time"])
    return numbers.tick(tick / UNITS[scale], step / UNITS[scale])


def _neighbours(ends: list[_End]) -> Iterator[list[_End]]:
    """*ends* in groups of neighbouring columns, each from top to bottom: only those can stand in each other's way."""
    group: list[_End] = []
    for end in sorted(ends, key=lambda end: end[1]):
        if group and end[1] > group[-1][1] + 1:
            yield sorted(group, key=lambda end: end[0])
            group = []
        group.append(end)
    if group:
        yield sorted(group, key=lambda end: end[0])


def spaced(rows: Sequence[int], room: int) -> list[int]:
    """Ascending *rows* moved as little as needed to differ, within 0..room-1; those beyond the room share its end."""
    placed: list[int] = []
    for row in rows:
        placed.append(max(row, placed[-1] + 1) if placed else row)
    limit = room - 1
    for i in range(len(placed) - 1, -1, -1):
        placed[i] = max(0, min(placed[i], limit))
        limit = placed[i] - 1
    return placed


def _held_before(series: Series, step: int) -> float | None:
    """The last finite value before *step*: what a step line holds on entering the chart."""
    if not len(series) or step <= series.steps[0]:
        return None
    value = value_at(series, step - 1)
    return value if value is not None and np.isfinite(value) else None
