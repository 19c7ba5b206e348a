"""Blocks of the wire, checked and turned into rows of named columns."""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence

import numpy as np

from dettui.store.columns import Rows
from dettui.store.evaluations import EvaluationNames
from dettui_probe import wire

_STEP = np.dtype("<i8")
_VALUE = np.dtype("<f8")
_LAST_STEP = struct.Struct("<q")
_LAST_TIME = struct.Struct("<d")
_MAX_COLUMNS = 65_536  # of a probe; column ids beyond would only fill the memory
_MAX_LAYOUTS = 4_096
_FEW = 32
_NATIVE = sys.byteorder == "little"


def newest_of(block: wire.Block) -> tuple[int, float] | None:
    """Step and time of the last row of *block*; None where there is none, or where its sizes contradict each other."""
    if not block.steps or not _agree(block):
        return None
    (step,), (time,) = _LAST_STEP.unpack(block.steps[-8:]), _LAST_TIME.unpack(block.times[-8:])
    return step, time


def _agree(block: wire.Block) -> bool:
    count = len(block.steps) // _STEP.itemsize
    expected = (count * _STEP.itemsize, count * _VALUE.itemsize, count * len(block.columns) * _VALUE.itemsize)
    return (len(block.steps), len(block.times), len(block.values)) == expected


def rows_of(block: wire.Block) -> Rows | None:
    """The rows of *block*, as views on its bytes; None where its sizes contradict each other."""
    if not _agree(block):
        return None
    steps = np.frombuffer(block.steps, _STEP)
    times = np.frombuffer(block.times, _VALUE)
    values = np.frombuffer(block.values, _VALUE).reshape(len(steps), len(block.columns))
    if _NATIVE:
        return Rows(steps, times, values)
    return Rows(steps.astype(np.int64), times.astype(np.float64), values.astype(np.float64))


def between(rows: Rows, after: int | None, upto: int | None) -> Rows:
    """The rows with ``after < step <= upto``; *rows* itself where that is all of them."""
    if (after is None and upto is None) or not rows.height:
        return rows
    if rows.height <= _FEW:
        return _few_between(rows, after, upto)
    wanted = np.ones(rows.height, np.bool_)
    if after is not None:
        wanted &= rows.steps > after
    if upto is not None:
        wanted &= rows.steps <= upto
    return rows if wanted.all() else rows.take(wanted)


def _few_between(rows: Rows, after: int | None, upto: int | None) -> Rows:
    """The same for a handful of rows, as a live run sends them: a list is searched faster than an array."""
    kept = [
        index
        for index, step in enumerate(rows.steps.tolist())
        if (after is None or step > after) and (upto is None or step <= upto)
    ]
    if len(kept) == rows.height:
        return rows
    if kept and kept[-1] - kept[0] + 1 == len(kept):
        return rows.take(slice(kept[0], kept[-1] + 1))
    return rows.take(np.array(kept, np.intp))


class Columns:
    """Names of the column ids of one boot."""

    def __init__(self, max_tags: int, *, keeps_unnamed: bool = True) -> None:
        self._names: dict[int, str] = {}
        self._evaluations = EvaluationNames()
        self._known: set[str] = set()
        self._max_tags = max_tags
        self._keeps_unnamed = keeps_unnamed
        self._layouts: dict[tuple[int, ...], tuple[tuple[str, ...], list[int] | None]] = {}

    def learn(self, first: int, names: Sequence[str]) -> None:
        """Column ids from *first* on have these *names*; those of evaluations are called as they are everywhere."""
        if first >= 0 and first + len(names) <= _MAX_COLUMNS:
            self._names.update(enumerate(self._evaluations.read(names), first))
            self._layouts.clear()

    def forget(self) -> None:
        """Another boot numbers its columns anew; names that were admitted stay admitted."""
        self._names.clear()
        self._layouts.clear()

    def name(self, columns: Sequence[int], rows: Rows) -> tuple[tuple[str, ...], Rows]:
        """Names of *columns*, each once, and *rows* without the columns that have no name of their own.

        Beyond the greatest number of tags, new ones are left out: a run that invents names must not fill the memory.
        A column whose name was lost in a hole of the log is called ``unnamed/<id>``, or left out.
        """
        key = tuple(columns)
        layout = self._layouts.get(key)
        if layout is None:
            if len(self._layouts) >= _MAX_LAYOUTS:
                self._layouts.clear()
            layout = self._layouts[key] = self._layout(key)
        names, kept = layout
        return names, rows if kept is None else Rows(rows.steps, rows.times, rows.values[:, kept])

    def _layout(self, columns: tuple[int, ...]) -> tuple[tuple[str, ...], list[int] | None]:
        kept: dict[str, int] = {}
        for place, column in enumerate(columns):
            name = self._names.get(column, f"unnamed/{column}" if self._keeps_unnamed else "")
            if name and self._admit(name):
                kept.setdefault(name, place)
        return tuple(kept), None if len(kept) == len(columns) else list(kept.values())

    def _admit(self, name: str) -> bool:
        if name not in self._known and len(self._known) < self._max_tags:
            self._known.add(name)
        return name in self._known
