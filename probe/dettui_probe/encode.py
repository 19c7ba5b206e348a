"""From what the training thread queued to messages: rows become columns, and nothing but numbers gets through."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from dettui_probe import framing, wire
from dettui_probe.recorder import Row

BATCH_BYTES: Final = 16_384
ROW_COLUMNS: Final = 1024  # longer rows are cut: 8 KiB of values
MAX_COLUMNS: Final = 65_536
MAX_TAG: Final = 256


class Packet(NamedTuple):
    """An encoded message, how many rows are lost with it where it is lost, and whether a reader who comes late
    cannot do without it."""

    payload: bytes
    rows: int = 0
    introduces: bool = False


class _Pending(NamedTuple):
    """Rows of the same tags that wait for the next batch."""

    columns: list[int]
    steps: list[int]
    times: list[float]
    values: list[float]


class Encoder:
    """Turns rows and messages into packets, in order.  Used by the writer thread only."""

    def __init__(self, hello: wire.Hello) -> None:
        self._hello = hello
        self._columns: dict[str, int] = {}
        self._declared = 0
        self._pending: dict[tuple[str, ...], _Pending] = {}
        self._pending_bytes = 0
        self.refused: dict[str, int] = {}  # tag -> values that were not numbers, or not recordable

    def preamble(self) -> list[Packet]:
        """What a reader needs before anything else: the hello, and every column so far."""
        return [Packet(wire.encode(self._hello), introduces=True), *self._tags(list(self._columns), 0)]

    def row(self, row: Row) -> Iterator[Packet]:
        """Take in *row*; packets come out as batches fill up."""
        step = _as_step(row.step)
        if step is None:
            self._refuse("step")
            return
        values = row.values if self._is_clean(row.values) else self._numbers(row.values)
        tags = tuple(values)
        for start in range(0, len(tags), ROW_COLUMNS):
            part = tags[start : start + ROW_COLUMNS]
            yield from self._take_in(step, row.time, part, [values[tag] for tag in part])

    def message(self, message: wire.AnyMessage) -> Iterator[Packet]:
        """The rows so far, then *message*."""
        yield from self.flush()
        packet = _packed(message)
        if packet is None:
            self._refuse(type(message).__name__)
        else:
            yield packet

    def flush(self) -> Iterator[Packet]:
        """The rows so far as a batch, after the names of the columns that it uses for the first time."""
        if not self._pending:
            return
        fresh = list(self._columns)[self._declared :]
        yield from self._tags(fresh, self._declared)
        self._declared = len(self._columns)
        blocks = [_block(pending) for pending in self._pending.values()]
        rows = sum(len(pending.steps) for pending in self._pending.values())
        self._pending.clear()
        self._pending_bytes = 0
        yield Packet(wire.encode(wire.Batch(blocks)), rows)

    def _take_in(self, step: int, time: float, tags: tuple[str, ...], values: list[float]) -> Iterator[Packet]:
        size = 8 * len(values) + 16
        if self._pending_bytes and self._pending_bytes + size > BATCH_BYTES:
            yield from self.flush()
        pending = self._pending.get(tags)
        if pending is None:
            pending = self._pending[tags] = _Pending([self._column(tag) for tag in tags], [], [], [])
            size += 5 * len(tags)
        pending.steps.append(step)
        pending.times.append(time)
        pending.values.extend(values)
        self._pending_bytes += size

    def _is_clean(self, values: Mapping[str, Any]) -> bool:
        return all(type(value) is float and tag in self._columns for tag, value in values.items())

    def _numbers(self, values: Mapping[str, Any]) -> dict[str, float]:
        numbers: dict[str, float] = {}
        for tag, value in values.items():
            number = as_number(value) if self._may_have_column(tag) else None
            if number is None:
                self._refuse(tag)
            else:
                numbers[tag] = number
        return numbers

    def _may_have_column(self, tag: str) -> bool:
        return tag in self._columns or (len(tag) <= MAX_TAG and len(self._columns) < MAX_COLUMNS)

    def _column(self, tag: str) -> int:
        return self._columns.setdefault(tag, len(self._columns))

    def _refuse(self, tag: str) -> None:
        key = tag[:MAX_TAG]
        self.refused[key] = self.refused.get(key, 0) + 1

    def _tags(self, names: Sequence[str], first: int) -> Iterator[Packet]:
        """Declarations of *names*, the first of which has the column id *first*."""
        per_message = BATCH_BYTES // 64
        for start in range(0, len(names), per_message):
            part = wire.Tags(first + start, list(names[start : start + per_message]))
            yield Packet(wire.encode(part), introduces=True)


def as_number(value: Any) -> float | None:
    """*value* as a float: of a number, or of a tensor or array with one element; None for anything else."""
    if not isinstance(value, (int, float)):
        to_list = getattr(value, "tolist", None)
        if to_list is None:
            return None
        value = to_list()
        while isinstance(value, list) and len(value) == 1:
            value = value[0]
    if not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _as_step(step: Any) -> int | None:
    number = as_number(step)
    return int(number) if number is not None and abs(number) < 2**53 else None


def _block(pending: _Pending) -> wire.Block:
    rows = len(pending.steps)
    return wire.Block(
        pending.columns,
        struct.pack(f"<{rows}q", *pending.steps),
        struct.pack(f"<{rows}d", *pending.times),
        struct.pack(f"<{len(pending.values)}d", *pending.values),
    )


def _packed(message: wire.AnyMessage) -> Packet | None:
    """*message* encoded, its free data reduced to what the wire carries; None where it is beyond a frame."""
    try:
        payload = wire.encode(message)
    except (TypeError, ValueError, OverflowError, RecursionError):
        if not isinstance(message, wire.Event):
            return None
        payload = wire.encode(msgspec.structs.replace(message, data=plain(message.data)))
    return Packet(payload) if len(payload) <= framing.MAX_PAYLOAD else None


def plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """*data* with every value that is no scalar, nor a list of scalars, replaced by its text (200 characters)."""
    return {str(key)[:MAX_TAG]: _plain_value(value) for key, value in data.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, (list, tuple)) and all(_is_scalar(entry) for entry in value):
        return list(value)
    if _is_scalar(value):
        return value
    number = as_number(value)
    return str(value)[:200] if number is None else number


def _is_scalar(value: Any) -> bool:
    """True for what msgpack carries as one value; integers have 64 bits there."""
    if type(value) is int:
        return -(2**63) <= value < 2**64
    return value is None or type(value) in (bool, float, str)
