"""An extract of a long backlog: for a link that cannot carry all of it before it is stale.

Rows are thinned as the probe itself thins: of the rows of the same columns every 2^k-th is kept, whole, so that an
average, a spread or a trend over what is left is that of all, and columns that come seldom (evaluations) stay
complete.  Minimum and maximum of each bucket would make noise look wider than it is.  Beside these rows stay the
newest one, which says how things stand, rows with a value that is not finite, and rows that lie so far outside the
kept ones that nobody would guess them: a spike of one step is not lost.  Of the other messages only beats that a later
one replaces and pictures too large for the link are left out; class counts are added up.
"""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from dettui.feed.agent.peek import BlockSeen, CountsSeen, blocks_of, counts_of, kind_of
from dettui.feed.agent.repack import batch_payload, counts_payload
from dettui_probe.framing import Frame, pack

ROW_BYTES = 16
"""Of a row beside its values: step and time."""
_FEW = 8
"""Of fewer kept rows the range says too little: then only what is many times outside is far outside."""


class Row(NamedTuple):
    """One row of a block."""

    place: tuple[int, int]  # number of its frame, and place in it
    step: bytes
    time: bytes
    values: bytes


class Extract:
    """What is kept of the frames that are added, in some *budget* of bytes."""

    def __init__(self, seq: int, budget: int) -> None:
        """The first frame is expected to be the one behind *seq*."""
        self.upto = seq  # the newest frame that was added
        self.lost = 0  # frames that should have come and did not
        self._budget = budget
        self._groups: dict[tuple[int, ...], _Group] = {}
        self._others: dict[int, bytes] = {}
        self._other_bytes = 0
        self._replaceable: dict[str, int] = {}  # kind of message -> number of the newest frame of it
        self._counts: dict[str, CountsSeen] = {}

    @property
    def is_full(self) -> bool:
        """True where what must not be thinned fills the budget: the rest has to wait for the next one."""
        return self._other_bytes >= self._budget

    def add(self, frame: Frame) -> None:
        """Take in the next frame of the strand."""
        self.lost += frame.seq - self.upto - 1
        self.upto = frame.seq
        kind = kind_of(frame.payload)
        if kind == "b":
            self._add_rows(frame)
        elif kind == "cnt":
            self._add_counts(frame)
        elif kind in ("hb", "img"):
            self._forget(self._replaceable.pop(kind, -1))
            if kind == "hb" or len(frame.payload) <= self._budget // 2:
                self._replaceable[kind] = frame.seq
                self._keep(frame.seq, frame.payload)
        else:
            self._keep(frame.seq, frame.payload)

    def packed(self) -> tuple[bytes, int]:
        """Frames in order, and how many rows are not in them."""
        for counts in self._counts.values():
            self._keep(counts.seq, counts_payload(counts))
        rows = [(row, columns) for columns, group in self._chosen() for row in group]
        rows.sort(key=lambda entry: entry[0].place)
        left_out = sum(group.count for group in self._groups.values()) - len(rows)
        return b"".join(pack(*frame) for frame in self._frames(rows)), left_out

    def _add_rows(self, frame: Frame) -> None:
        for block in blocks_of(frame.payload):
            if not block.rows:
                continue
            group = self._groups.get(block.columns)
            if group is None:
                group = self._groups[block.columns] = _Group(len(block.columns), self._budget)
            group.add(frame.seq, block)

    def _add_counts(self, frame: Frame) -> None:
        counts = counts_of(frame.payload)
        if counts is None:
            self._keep(frame.seq, frame.payload)
            return
        before = self._counts.get(counts.kind)
        summed = dict(before.counts) if before else {}
        for class_id, count in counts.counts.items():
            summed[class_id] = summed.get(class_id, 0) + count
        self._counts[counts.kind] = counts._replace(seq=frame.seq, counts=summed)

    def _keep(self, seq: int, payload: bytes) -> None:
        self._others[seq] = payload
        self._other_bytes += len(payload)

    def _forget(self, seq: int) -> None:
        self._other_bytes -= len(self._others.pop(seq, b""))

    def _chosen(self) -> Iterator[tuple[tuple[int, ...], list[Row]]]:
        """The rows that go, by their columns."""
        room = max(self._budget - self._other_bytes, 0)
        groups = list(self._groups.values())
        room -= sum(group.row_bytes for group in groups)  # the newest row of each goes anyway
        while sum(group.bytes for group in groups) > max(room, 0):
            largest = max(groups, key=lambda group: group.bytes)
            if not largest.halve():
                largest.leave_the_newest()  # of hundreds of columns, two rows are more than a slow link is asked for
        for columns, group in self._groups.items():
            yield columns, group.rows()

    def _frames(self, rows: list[tuple[Row, tuple[int, ...]]]) -> Iterator[Frame]:
        """Rows as batches between the other messages, where they were."""
        done = 0
        for seq in sorted(self._others):
            end = done
            while end < len(rows) and rows[end][0].place[0] < seq:
                end += 1
            yield from _batch(rows[done:end])
            done = end
            yield Frame(seq, self._others[seq])
        yield from _batch(rows[done:])


def _batch(rows: list[tuple[Row, tuple[int, ...]]]) -> Iterator[Frame]:
    """One frame with *rows*, which has the number of the newest of theirs."""
    if not rows:
        return
    groups: dict[tuple[int, ...], list[Row]] = {}
    for row, columns in rows:
        groups.setdefault(columns, []).append(row)
    blocks = [
        BlockSeen(
            columns,
            b"".join(row.step for row in group),
            b"".join(row.time for row in group),
            b"".join(row.values for row in group),
        )
        for columns, group in groups.items()
    ]
    yield Frame(rows[-1][0].place[0], batch_payload(blocks))


class _Group:
    """Rows of the same columns: every 2^k-th of them, the newest, and the ones that stand out."""

    def __init__(self, width: int, budget: int) -> None:
        self.count = 0  # rows that were added
        self.row_bytes = ROW_BYTES + 8 * width
        self._width = width
        self._most = max(2, budget // self.row_bytes)
        self._stride = 1
        self._kept: list[Row] = []
        self._newest: Row | None = None
        self._odd: Row | None = None  # the first with a value that is not finite
        self._low, self._high = _Extremes(width, operator.lt, math.inf), _Extremes(width, operator.gt, -math.inf)

    @property
    def bytes(self) -> int:
        """Of the kept rows."""
        return len(self._kept) * self.row_bytes

    def add(self, seq: int, block: BlockSeen) -> None:
        """Take in the rows of *block*."""
        rows = block.rows
        for index in range(-self.count % self._stride, rows, self._stride):
            self._kept.append(_row(seq, block, index))
        self._note_extremes(seq, block)
        self._newest = _row(seq, block, rows - 1)
        self.count += rows
        while len(self._kept) > self._most and self.halve():
            pass

    def halve(self) -> bool:
        """Keep every second row; False where there is nothing left to halve."""
        if len(self._kept) < 2:
            return False
        self._kept = self._kept[::2]
        self._stride *= 2
        return True

    def leave_the_newest(self) -> None:
        """Keep none beside it."""
        self._kept.clear()

    def rows(self) -> list[Row]:
        """The rows that go."""
        chosen = {row.place: row for row in self._kept}
        for row in (self._newest, self._odd, *self._outliers()):
            if row is not None:
                chosen[row.place] = row
        return list(chosen.values())

    def _note_extremes(self, seq: int, block: BlockSeen) -> None:
        values = struct.unpack(f"<{len(block.values) // 8}d", block.values)
        rows = [values[start : start + self._width] for start in range(0, len(values), self._width)]
        if not math.isfinite(sum(values)):
            rows = self._note_odd(seq, block, rows)
        # Whole rows at a time, in C: of hundreds of columns hardly one has a new extreme.
        lows, highs = (rows[0], rows[0]) if len(rows) == 1 else (tuple(map(min, *rows)), tuple(map(max, *rows)))
        self._low.take(lows, rows, seq, block)
        self._high.take(highs, rows, seq, block)

    def _note_odd(self, seq: int, block: BlockSeen, rows: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
        """Remember the first row with a value that is not finite; *rows* with such values made unremarkable."""
        odd = [place for place, row in enumerate(rows) if not all(map(math.isfinite, row))]
        if odd and self._odd is None:
            self._odd = _row(seq, block, odd[0])
        usual = [next(filter(math.isfinite, column), 0.0) for column in zip(*rows)]  # noqa: B905
        return [
            tuple(value if math.isfinite(value) else usual[column] for column, value in enumerate(row)) for row in rows
        ]

    def _outliers(self) -> list[Row]:
        """Rows far outside the kept ones, or the newest where it is alone, the farthest first; at most a quarter as
        many."""
        basis = self._kept or [row for row in (self._newest,) if row is not None]
        found: list[tuple[float, Row]] = []
        for column in range(self._width):
            kept = [struct.unpack_from("<d", row.values, 8 * column)[0] for row in basis]
            finite = [value for value in kept if math.isfinite(value)]
            if not finite:
                continue
            low, high = min(finite), max(finite)
            margin = (high - low) * (1 if len(finite) >= _FEW else _FEW)
            for row, beyond in (
                (self._low.rows[column], low - self._low.values[column]),
                (self._high.rows[column], self._high.values[column] - high),
            ):
                if row is not None and beyond > margin:
                    found.append((beyond / (margin or beyond), row))
        found.sort(key=lambda entry: entry[0], reverse=True)
        return [row for _, row in found[: max(1, len(self._kept) // 4)]]


class _Extremes:
    """The lowest or the highest value of each column so far, and the row that holds it."""

    def __init__(self, width: int, beats: Callable[[float, float], bool], start: float) -> None:
        self.values = [start] * width
        self.rows: list[Row | None] = [None] * width
        self._beats = beats

    def take(self, found: tuple[float, ...], rows: Sequence[tuple[float, ...]], seq: int, block: BlockSeen) -> None:
        """*found* are the extremes of the columns of *rows*, which are those of *block*."""
        if not any(map(self._beats, found, self.values)):
            return
        for column, value in enumerate(found):
            if self._beats(value, self.values[column]):
                self.values[column] = value
                place = next(index for index, row in enumerate(rows) if row[column] == value)
                self.rows[column] = _row(seq, block, place)


def _row(seq: int, block: BlockSeen, index: int) -> Row:
    width = 8 * len(block.columns)
    return Row(
        (seq, index),
        block.steps[8 * index : 8 * index + 8],
        block.times[8 * index : 8 * index + 8],
        block.values[width * index : width * (index + 1)],
    )
