"""A chart of curves: view + size -> picture.  Pure but for the cache, which only makes it cheap.

From the top: a title row (name, newest values or the read-out of the cursor, what is clipped), a row of signs (bands,
non-finite values, clipped points), the curves beside the value labels, the axis with its marks, the step labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dettui.charts.annotations import draw_bands, draw_marks, draw_nonfinite
from dettui.charts.axes import StepAxis, ValueAxis
from dettui.charts.cells import GUTTER, Canvas, Ground, Ink, Picture
from dettui.charts.heading import LINE_LETTERS, draw_heading, line_ink, unshown, value_at
from dettui.charts.limits import settle, wanted
from dettui.charts.raster import FONTS, Bits, DotFont, SpanMemo, Spans, bits_of, curve_spans, step_spans
from dettui.charts.scaffold import Geometry, Scaffold, strokes_of
from dettui.charts.view import BACKGROUND, LINE_COLOURS, CurveView, Glyphs, Line
from dettui.domain.series import Floats, Series
from dettui.numerics.decimation import BucketCache, Buckets
from dettui.numerics.smoothing import SmoothedCache

_AxisKey: TypeAlias = tuple[object, ...]
_Ints: TypeAlias = NDArray[np.int64]
_NONE: _Ints = np.empty(0, np.int64)


_End: TypeAlias = tuple[float, int, str, int]
"""Where a line ends: dot row and cell column; its letter and its ink."""


class _Kept:
    """A canvas as it was drawn last, and what it showed."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] | None = None
        self._canvas = Canvas(0, 0)

    def draw(self, canvas: Canvas, key: tuple[object, ...], draw: Callable[[], None]) -> None:
        """Make *canvas* show what *key* stands for: what is kept, or what *draw* puts on it."""
        if key == self._key:
            canvas.take(self._canvas)
            return
        draw()
        self._key, self._canvas = key, canvas.copy()


@dataclass
class ChartCache:
    """What one chart remembers between pictures.  Owned by one widget; not safe for concurrent use."""

    buckets: BucketCache = field(default_factory=BucketCache)
    smoothed: SmoothedCache = field(default_factory=SmoothedCache)
    axis_key: _AxisKey | None = None
    axis: ValueAxis | None = None
    scaffold: _Kept = field(default_factory=_Kept)
    base: _Kept = field(default_factory=_Kept)  # scaffold and curves
    memos: dict[tuple[int, str], SpanMemo] = field(default_factory=dict)

    def memo(self, line: int, layer: str) -> SpanMemo:
        """The memo of a *layer* of the line of this place."""
        return self.memos.setdefault((line, layer), SpanMemo())


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


class _Layer(NamedTuple):
    """The dots of a line.  Two layers are equal where they share the very spans."""

    spans: Spans
    ink: int
    is_over: bool  # over the raw curves and the shades
    is_shade: bool = False


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

    def draw(self) -> Picture:
        traces = [self._trace(line) for line in self._view.lines]
        y = self._value_axis(traces)
        self._draw_base(traces, y)
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
        lows, highs = (_joined(parts) for parts in zip(*(t.outline for t in traces), strict=True))
        extent = wanted(lows, highs, log=view.y_log)
        if extent is None:
            return None
        key = (view.title, view.x_range, view.y_log, tuple(t.line.series.tag for t in traces))
        before = self._cache.axis if self._cache.axis_key == key else None
        self._cache.axis_key, self._cache.axis = key, settle(extent, before, log=view.y_log)
        return self._cache.axis

    # --- curves ---------------------------------------------------------------------------------------------

    def _draw_base(self, traces: Sequence[_Trace], y: ValueAxis | None) -> None:
        """Scaffold and curves, each kept while no dot of it moves: most new points of a long run move none."""
        canvas, cache = self._canvas, self._cache
        scaffold = Scaffold(canvas.width, canvas.height, self._glyphs, self._font, self._x, y, self._view.x_scale)
        layers = () if y is None else tuple(self._layers(traces, y))

        def draw() -> None:
            cache.scaffold.draw(canvas, scaffold.key, lambda: scaffold.draw(canvas))
            self._draw_layers(layers)

        cache.base.draw(canvas, (scaffold.key, layers), draw)

    def _layers(self, traces: Sequence[_Trace], y: ValueAxis) -> Iterator[_Layer]:
        """Raw curves first, so that smoothed ones lie over them."""
        for i, trace in enumerate(traces):
            is_band = trace.line.style == "band"
            if trace.line.style in BACKGROUND or (trace.smooth is not None and trace.line.raw):
                ink = Ink.RAW + trace.line.colour_class % LINE_COLOURS
                spans = curve_spans(trace.raw, self._x, y, self._dot_rows, memo=self._cache.memo(i, "raw"))
                yield _Layer(spans, ink, is_over=False, is_shade=is_band)
        for i, trace in enumerate(traces):
            if trace.line.style not in BACKGROUND:
                spans = self._main_spans(trace, y, self._cache.memo(i, "main"))
                yield _Layer(spans, line_ink(trace.line), is_over=True)

    def _draw_layers(self, layers: Sequence[_Layer]) -> None:
        """Lines over raw ones take whole cells; equals share a cell's dots."""
        bits: Bits = np.zeros((self._at.rows, self._at.columns), np.uint8)
        inks = np.zeros(bits.shape, np.uint16)
        under: Bits | None = None
        for layer in layers:
            new = bits_of(layer.spans, self._font, self._at.rows)
            if layer.is_over:
                under = bits.copy() if under is None else under
                bits[(new > 0) & (bits == under)] = 0
            bits |= new & self._font.shade if layer.is_shade else new
            inks[new > 0] = layer.ink
        body = slice(self._at.top, self._at.axis_row), slice(GUTTER, None)
        self._canvas.codes[body] = self._font.codes[bits]
        self._canvas.inks[body] = inks

    @property
    def _dot_rows(self) -> int:
        return self._at.rows * self._font.rows

    def _main_spans(self, trace: _Trace, y: ValueAxis, memo: SpanMemo) -> Spans:
        if trace.line.style == "steps":
            before, until = _held_before(trace.line.series, self._x.first), self._x.last
            return step_spans(trace.raw, self._x, y, self._dot_rows, before=before, until=until, memo=memo)
        shown, is_mean = trace.smooth or trace.raw, trace.smooth is not None or trace.line.style == "mean"
        return curve_spans(shown, self._x, y, self._dot_rows, mean=is_mean, memo=memo)

    def _draw_letters(self, traces: Sequence[_Trace], y: ValueAxis) -> None:
        """Each line's letter right of its newest point, one below the other in the order of their values."""
        curves = [trace for trace in traces if trace.line.style not in BACKGROUND]
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
            for trace in traces:
                draw_nonfinite(self._canvas, self._nonfinite_columns(trace.raw), row, self._glyphs)

    def _nonfinite_columns(self, buckets: Buckets) -> _Ints:
        if not buckets.nonfinite.any():
            return _NONE
        where = np.flatnonzero(buckets.nonfinite)
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
        self._canvas.codes[body, column][blank] = ord(strokes_of(self._glyphs).vertical)
        self._canvas.inks[body, column][blank] = Ink.CURSOR
        self._canvas.grounds[body, column] = Ground.CURSOR


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


def _joined(parts: Sequence[Floats]) -> Floats:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _held_before(series: Series, step: int) -> float | None:
    """The last finite value before *step*: what a step line holds on entering the chart."""
    if not len(series) or step <= series.steps[0]:
        return None
    value = value_at(series, step - 1)
    return value if value is not None and np.isfinite(value) else None
