"""Curves to dots to glyphs, in numpy: the cost depends on the size of the chart, never on the length of a history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dettui.charts.axes import StepAxis, ValueAxis
from dettui.charts.view import Glyphs
from dettui.domain.series import Floats
from dettui.numerics.decimation import Buckets

Bits: TypeAlias = NDArray[np.uint8]
_Ints: TypeAlias = NDArray[np.int64]

_NOWHERE = 1 << 20  # below every row


@dataclass(frozen=True)
class DotFont:
    """How dots become glyphs: *columns* x *rows* dots a cell, and the code point of every combination of them."""

    columns: int
    rows: int
    bars: tuple[Bits, ...]  # by column: the bits of the dots from row u down to row l, at [u * (rows + 1) + l + 1]
    codes: NDArray[np.uint32]  # shape (2 ** dots,); a blank cell is an ASCII space: 1 byte, not 3
    shade: int  # the dots of a cell that a shaded area keeps


def _font(columns: int, rows: int, weights: tuple[tuple[int, ...], ...], glyphs: str, shade: int) -> DotFont:
    """*weights[row][column]* is the bit of a dot."""
    ends = range(rows + 1)
    bars = tuple(
        np.array([sum(weights[row][c] for row in range(upper, end)) for upper in ends for end in ends], np.uint8)
        for c in range(columns)
    )
    return DotFont(columns, rows, bars, np.array([ord(g) for g in glyphs], np.uint32), shade)


_BRAILLE = _font(
    2,
    4,
    ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80)),
    " " + "".join(chr(0x2800 + bits) for bits in range(1, 256)),
    shade=0x01 | 0x20,  # one dot of four, in a quincunx
)
_BLOCK = _font(2, 2, ((1, 2), (4, 8)), " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█", shade=1)
_ASCII = _font(1, 3, ((1,), (2,), (4,)), " '-|.:||", shade=2)

FONTS: dict[Glyphs, DotFont] = {"braille": _BRAILLE, "block": _BLOCK, "ascii": _ASCII}


class _Known(NamedTuple):
    """Buckets that hold a value: dot column, dot rows, and how many breaks of the curve came before; shape (m,)."""

    at: _Ints
    upper: _Ints
    lower: _Ints
    last: _Ints
    broken: _Ints
    end: int  # the dot column after the last bucket
    is_dense: bool  # no dot column lies between two buckets

    def key(self, slots: int) -> tuple[object, ...]:
        """Equal for what gives the same dots: where every column has a bucket, nothing is drawn to its last value."""
        levels = (self.upper, self.lower) if self.is_dense else (self.upper, self.lower, self.last, self.broken)
        return slots, self.end, self.is_dense, self.at.tobytes(), *(level.tobytes() for level in levels)


@dataclass(frozen=True, eq=False)
class Spans:
    """Per dot column the rows a curve covers, ``upper <= lower`` counted from the top; shape (slots,).

    Columns without a curve have ``upper > lower``.
    """

    upper: _Ints
    lower: _Ints


class SpanMemo:
    """The dots that a line had last: the same dots come as the same object."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._spans = _empty(0)

    def of(self, key: tuple[object, ...], make: Callable[[], Spans]) -> Spans:
        """The dots with this *key*, made where they are not those of the last time."""
        if key != self._key:
            self._key, self._spans = key, make()
        return self._spans


def curve_spans(
    buckets: Buckets, x: StepAxis, y: ValueAxis, rows: int, *, mean: bool = False, memo: SpanMemo | None = None
) -> Spans:
    """A curve through *buckets* on *rows* dot rows: from minimum to maximum, or through the *mean* of each bucket.

    Neighbours are joined, and so are the ends of a gap of steps that never came; a bucket that holds nothing but
    non-finite values breaks the curve.  With *memo*, the same dots come as the same object.
    """
    drawn = np.flatnonzero(buckets.count)
    if not len(drawn):
        return _empty(x.slots)
    known = _known(buckets, drawn, x, y.rows_of(_levels(buckets, drawn, mean), rows), rows)
    return _spans(known, x) if memo is None else memo.of(known.key(x.slots), lambda: _spans(known, x))


def _levels(buckets: Buckets, drawn: _Ints, mean: bool) -> Floats:
    """Highest, lowest and last value of the *drawn* buckets, shape (3, m)."""
    if mean:
        return np.broadcast_to(buckets.mean[drawn], (3, len(drawn)))
    return np.array((buckets.high, buckets.low, buckets.last))[:, drawn]


def _known(buckets: Buckets, drawn: _Ints, x: StepAxis, levels: Floats, rows: int) -> _Known:
    at = _slots(buckets, drawn, x)
    has_gaps = len(drawn) <= drawn[-1] - drawn[0]
    broken = np.cumsum((buckets.count == 0) & (buckets.nonfinite > 0))[drawn] if has_gaps else np.zeros_like(at)
    end = int(_slots(buckets, drawn[-1:] + 1, x)[0]) if x.spread < 2 else int(at[-1]) + 1
    upper, lower, last = _rounded(levels, rows)
    return _Known(at, upper, lower, last, broken=broken, end=end, is_dense=x.spread < 2 and not has_gaps)


def _spans(known: _Known, x: StepAxis) -> Spans:
    return _joined(_placed(known, x.slots) if x.spread == 1 and known.is_dense else _interpolated(known, x))


def step_spans(
    buckets: Buckets,
    x: StepAxis,
    y: ValueAxis,
    rows: int,
    *,
    before: float | None = None,
    until: int | None = None,
    memo: SpanMemo | None = None,
) -> Spans:
    """A curve that holds each value until the next one, as a learning rate does.

    *before* is the value held on entering the chart, *until* the step up to which the last one is held.
    """
    drawn = np.flatnonzero(buckets.count)
    at, lows, highs, last = _slots(buckets, drawn, x), buckets.low[drawn], buckets.high[drawn], buckets.last[drawn]
    if before is not None and (not len(at) or at[0] > 0):
        at = np.insert(at, 0, 0)
        lows, highs, last = (np.insert(v, 0, before) for v in (lows, highs, last))
    if not len(at):
        return _empty(x.slots)
    end = max(int(at[-1]), x.slot_of(until)) if until is not None else int(at[-1])
    columns = np.arange(max(0, at[0]), min(x.slots, end + 1))
    source = np.searchsorted(at, columns, side="right") - 1
    held = at[source] != columns
    upper, lower, level = (_rounded(y.rows_of(v, rows), rows) for v in (highs, lows, last))
    spans = _empty(x.slots)
    spans.upper[columns] = np.where(held, level[source], upper[source])
    spans.lower[columns] = np.where(held, level[source], lower[source])
    joined = _joined(spans)
    return joined if memo is None else memo.of((joined.upper.tobytes(), joined.lower.tobytes()), lambda: joined)


def bits_of(spans: Spans, font: DotFont, rows: int) -> Bits:
    """The dots of *spans* packed into cells, shape (rows, slots / font.columns)."""
    tops = np.arange(0, rows * font.rows, font.rows)[:, None]
    upper = np.minimum(np.maximum(spans.upper - tops, 0), font.rows)
    lower = np.minimum(np.maximum(spans.lower + 1 - tops, 0), font.rows)
    shapes = upper * (font.rows + 1) + lower
    bits: Bits = font.bars[0][shapes[:, :: font.columns]]
    for column in range(1, font.columns):
        bits |= font.bars[column][shapes[:, column :: font.columns]]
    return bits


def _slots(buckets: Buckets, drawn: _Ints, x: StepAxis) -> _Ints:
    if x.spread == 1:
        return drawn + (buckets.first - x.first_bucket)
    return np.asarray(np.floor((buckets.first - x.first_bucket + drawn) * x.spread), np.int64)


def _rounded(rows_of: Floats, rows: int) -> _Ints:
    """Dot rows, clipped ones on the edge: a clipped point is drawn where it left the chart."""
    return np.asarray(np.rint(np.minimum(np.maximum(rows_of, 0), rows - 1)), np.int64)


def _empty(slots: int) -> Spans:
    return Spans(np.full(slots, _NOWHERE), np.full(slots, -1))


def _placed(known: _Known, slots: int) -> Spans:
    spans = _empty(slots)
    inside = (known.at >= 0) & (known.at < slots)
    spans.upper[known.at[inside]], spans.lower[known.at[inside]] = known.upper[inside], known.lower[inside]
    return spans


def _interpolated(known: _Known, x: StepAxis) -> Spans:
    """Columns between buckets lie on the straight line from one's last value to the next one's."""
    at = known.at
    columns = np.arange(max(0, at[0]), min(x.slots, known.end))
    source = np.searchsorted(at, columns, side="right") - 1
    after = np.minimum(source + 1, len(at) - 1)
    between = at[source] != columns
    if 1 < x.spread < 2:  # a column that a stretched axis inserts repeats its neighbour: noise stays solid
        between &= columns - at[source] > 1
    line = np.asarray(np.rint(np.interp(columns, at, known.last)), np.int64)
    torn = between & (known.broken[source] != known.broken[after])
    spans = _empty(x.slots)
    spans.upper[columns] = np.where(torn, _NOWHERE, np.where(between, line, known.upper[source]))
    spans.lower[columns] = np.where(torn, -1, np.where(between, line, known.lower[source]))
    return spans


def _joined(spans: Spans) -> Spans:
    """Neighbouring columns made to touch: each reaches half way to the other."""
    upper, lower = spans.upper, spans.lower
    there = (lower >= 0)[:-1] & (lower >= 0)[1:]
    middle_down = (lower[:-1] + upper[1:]) >> 1  # left one is above
    middle_up = (upper[:-1] + lower[1:]) >> 1  # left one is below
    falls, rises = there & (lower[:-1] < upper[1:] - 1), there & (upper[:-1] > lower[1:] + 1)
    new_upper, new_lower = upper.copy(), lower.copy()
    np.copyto(new_lower[:-1], np.maximum(new_lower[:-1], middle_down), where=falls)
    np.copyto(new_upper[1:], np.minimum(new_upper[1:], middle_down + 1), where=falls)
    np.copyto(new_upper[:-1], np.minimum(new_upper[:-1], middle_up + 1), where=rises)
    np.copyto(new_lower[1:], np.maximum(new_lower[1:], middle_up), where=rises)
    return Spans(new_upper, new_lower)
