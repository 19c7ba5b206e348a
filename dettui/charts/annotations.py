"""What is written on a chart beside its curves: bands, marks, non-finite values.  Colour never says anything alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dettui.charts.cells import GUTTER, Canvas, Ground, Ink
from dettui.charts.view import Band, Glyphs
from dettui.domain.frame import Mark, MarkKind

ColumnOf: TypeAlias = Callable[[int], int]


class _Sign(NamedTuple):
    glyph: str
    ascii_glyph: str
    ink: Ink


_SIGNS: dict[MarkKind, _Sign] = {  # where several share a cell, the one further down shows
    "epoch": _Sign("╵", "'", Ink.DIM),
    "event": _Sign("•", "o", Ink.EVENT),
    "checkpoint": _Sign("◆", "c", Ink.EVENT),
    "evaluation": _Sign("◇", "e", Ink.EVALUATION),
    "hole": _Sign("░", "?", Ink.NOTE),
    "lr": _Sign("▾", "v", Ink.LR),
    "nonfinite": _Sign("✗", "x", Ink.NONFINITE),
    "finding": _Sign("!", "!", Ink.FINDING),
}
_RANK: dict[MarkKind, int] = {kind: rank for rank, kind in enumerate(_SIGNS)}

_QUIET = frozenset({"plateau", "plateau_after_lr_drop", "not_learning", "slow_descent", "loss_floor", "no_update"})


def sign_of(kind: MarkKind, glyphs: Glyphs = "braille") -> str:
    """The glyph of a mark: for legends and for the help screen."""
    return _SIGNS[kind].ascii_glyph if glyphs == "ascii" else _SIGNS[kind].glyph


def draw_marks(canvas: Canvas, marks: Iterable[Mark], column_of: ColumnOf, row: int, glyphs: Glyphs) -> None:
    """Put *marks* on the step axis; of several in one cell the weightiest shows."""
    for mark in sorted(marks, key=lambda m: _RANK[m.kind]):
        column = column_of(mark.step)
        if GUTTER <= column < canvas.width:
            canvas.write(column, row, sign_of(mark.kind, glyphs), _SIGNS[mark.kind].ink)


def draw_nonfinite(canvas: Canvas, columns: NDArray[np.int64], row: int, glyphs: Glyphs) -> None:
    """Mark the *columns* in which a value was NaN or infinite."""
    for column in sorted(set(columns.tolist())):
        canvas.write(column, row, sign_of("nonfinite", glyphs), Ink.NONFINITE)


def draw_bands(
    canvas: Canvas, bands: Sequence[Band], column_of: ColumnOf, body: slice, *, signs_row: int | None, glyphs: Glyphs
) -> None:
    """Shade each band over the rows of *body*, and rule it off: "├ plateau ┤" above, "━" or "≈" on the axis.

    Where bands overlap the shorter one lies on top, and each is named on the widest stretch of it that is in sight.
    """
    if not bands:
        return
    seen = np.full(canvas.width, -1)  # by column: index of the band that lies on top
    ordered = sorted(bands, key=lambda band: band.first - band.last)
    for index, band in enumerate(ordered):
        first, last = max(GUTTER, column_of(band.first)), min(canvas.width - 1, column_of(band.last))
        if first > last:
            continue
        seen[first : last + 1] = index
        quiet = band.kind in _QUIET
        canvas.grounds[body, first : last + 1] = Ground.QUIET if quiet else Ground.RESTLESS
        if body.stop < canvas.height:
            canvas.write(first, body.stop, _underline(quiet, glyphs) * (last - first + 1), Ink.BAND)
    if signs_row is not None:
        for index, band in enumerate(ordered):
            first, width = _widest_stretch(seen == index)
            canvas.write(first, signs_row, _rule(band.label or band.kind, width, glyphs), Ink.BAND)


def _widest_stretch(columns: NDArray[np.bool_]) -> tuple[int, int]:
    """First column and width of the longest run of True in *columns*, shape (n,); width 0 where there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], columns, [False])).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return 0, 0
    widest = int(np.argmax(ends - starts))
    return int(starts[widest]), int(ends[widest] - starts[widest])


def _rule(label: str, width: int, glyphs: Glyphs) -> str:
    left, line, right = ("|", "-", "|") if glyphs == "ascii" else ("├", "─", "┤")
    label = _first_words(label.replace("_", " "), width - 2)
    if width >= len(label) + 4:
        return left + f" {label} ".center(width - 2, line) + right
    if width >= len(label) + 2:
        return left + label.center(width - 2) + right
    if width >= 6:
        return left + label[: width - 3] + ("." if glyphs == "ascii" else "…") + right
    return (left + line * max(0, width - 2) + right)[:width]


def _first_words(label: str, width: int) -> str:
    """As many words of *label* as fit, the first one at least: a kind begins with what matters."""
    while len(label) > width and " " in label:
        label = label.rpartition(" ")[0]
    return label


def _underline(quiet: bool, glyphs: Glyphs) -> str:
    if glyphs == "ascii":
        return "=" if quiet else "~"
    return "━" if quiet else "≈"
