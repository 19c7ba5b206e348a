"""A picture as cells: what the renderer fills and the widget compares and sends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Codes: TypeAlias = NDArray[np.uint32]
Styles: TypeAlias = NDArray[np.uint16]

JOIN_GAP = 6
"""Changed cells closer than this are sent as one span: a cursor move and a colour cost about as much as six cells."""


GUTTER = 8
"""Columns left of the curves: seven for a value and one for the axis, the same everywhere: charts line up."""


class Ink(IntEnum):
    """What a cell's glyph stands for.  A theme gives it its colour; a glyph or a position says the same without one."""

    PLAIN = 0
    TITLE = 1
    VALUE = 2
    DIM = 3  # axes, units, hints
    NOTE = 4  # what is clipped or cannot be drawn
    CURSOR = 5
    LR = 6
    EVALUATION = 7
    EVENT = 8
    FINDING = 9
    NONFINITE = 10
    BAND = 11  # the rule of a band
    LINE = 16  # + colour class, 0..7
    RAW = 24  # + colour class: the unsmoothed curve under a smoothed one


class Ground(IntEnum):
    """What a cell's background stands for."""

    NONE = 0
    QUIET = 1  # a band in which nothing moves: a plateau
    RESTLESS = 2  # a band in which too much moves: an oscillation, a divergence
    CURSOR = 3


class Run(NamedTuple):
    """Neighbouring cells of one style."""

    text: str
    style: int  # as in Picture.styles

    @property
    def ink(self) -> int:
        """What the glyphs stand for."""
        return self.style & 0xFF

    @property
    def ground(self) -> Ground:
        """What the background stands for."""
        return Ground(self.style >> 8)


class Span(NamedTuple):
    """Changed cells of one row: ``width`` cells from column ``x``."""

    x: int
    y: int
    width: int


@dataclass(frozen=True, eq=False)
class Picture:
    """Cells of shape (height, width): Unicode code points and styles (``ink | ground << 8``)."""

    codes: Codes
    styles: Styles

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.codes.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.codes.shape[0])

    def row_text(self, y: int) -> str:
        """The glyphs of row *y*."""
        return str(self.codes[y].tobytes(), "utf-32-le")

    def runs(self, y: int) -> Iterator[Run]:
        """Row *y* as runs of equal style, left to right."""
        if not self.width:
            return
        text, styles = self.row_text(y), self.styles[y]
        starts = [0, *(np.flatnonzero(styles[1:] != styles[:-1]) + 1).tolist()]
        for start, end, style in zip(starts, [*starts[1:], len(text)], styles[starts].tolist(), strict=True):
            yield Run(text[start:end], style)

    def plain(self) -> str:
        """All rows as text, without colours and trailing blanks."""
        return "\n".join(self.row_text(y).rstrip() for y in range(self.height))

    def changes(self, before: Picture | None) -> list[Span] | None:
        """What differs from *before*, row by row; None where everything is to be drawn (first time, other size)."""
        if before is None or before.codes.shape != self.codes.shape:
            return None
        changed = (self.codes != before.codes) | (self.styles != before.styles)
        return [span for y in np.flatnonzero(changed.any(axis=1)).tolist() for span in _spans(changed[y], y)]


def _spans(changed: NDArray[np.bool_], y: int) -> Iterator[Span]:
    where = np.flatnonzero(changed).tolist()
    first = last = where[0]
    for x in where:
        if x - last > JOIN_GAP:
            yield Span(first, y, last - first + 1)
            first = x
        last = x
    yield Span(first, y, last - first + 1)


class Canvas:
    """Cells under construction.  Writing outside is cut off.  Not safe for concurrent use."""

    def __init__(self, width: int, height: int) -> None:
        self.codes: Codes = np.full((height, width), ord(" "), np.uint32)
        self.inks: Styles = np.zeros((height, width), np.uint16)
        self.grounds: Styles = np.zeros((height, width), np.uint16)

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.codes.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.codes.shape[0])

    def write(self, x: int, y: int, text: str, ink: int = Ink.PLAIN) -> int:
        """Write *text* at column *x* of row *y*; the column after it."""
        end = x + len(text)
        if 0 <= y < self.height and x < self.width and end > 0:
            text = text[max(0, -x) : self.width - x]
            start = max(0, x)
            self.codes[y, start : start + len(text)] = np.frombuffer(text.encode("utf-32-le"), np.uint32)
            self.inks[y, start : start + len(text)] = ink
        return end

    def copy(self) -> Canvas:
        """The same cells, to be kept."""
        copy = Canvas(self.width, self.height)
        copy.take(self)
        return copy

    def take(self, other: Canvas) -> None:
        """Become equal to *other*, which has the same size."""
        self.codes[:], self.inks[:], self.grounds[:] = other.codes, other.inks, other.grounds

    def picture(self) -> Picture:
        """What was drawn."""
        return Picture(self.codes, self.inks | (self.grounds << np.uint16(8)))
