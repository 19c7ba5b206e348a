"""A look into payloads for the few fields that tell whether a run is alive.  Standard library only.

Reads the part of msgpack that the probe writes: arrays, strings, bytes, numbers, booleans, nil.  What it does not
know ends the look; it never raises.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import TypeAlias

Value: TypeAlias = "str | int | float | bool | bytes | list[Value] | None"

_DEEPEST = 4
"""A batch is an array of blocks, which are arrays that hold an array of columns."""
_NUMBERS: dict[int, str] = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
    0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
}  # fmt: skip
_CONSTANTS: dict[int, Value] = {0xC0: None, 0xC2: False, 0xC3: True}
_TEXTS: dict[int, str] = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}
_BYTES: dict[int, str] = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I"}
_ARRAYS: dict[int, str] = {0xDC: ">H", 0xDD: ">I"}


class BeatSeen(NamedTuple):
    """The head of a beat."""

    time: float
    step: int
    phase: str


class ByeSeen(NamedTuple):
    """A goodbye."""

    time: float
    step: int
    reason: str
    exit_code: int | None
    text: str


class RowsSeen(NamedTuple):
    """The newest row of a batch."""

    time: float
    step: int


class CountsSeen(NamedTuple):
    """Class counts; *seq* is the frame that they came in."""

    seq: int
    step: int
    time: float
    kind: str
    counts: dict[int, int]  # class id -> how often


def kind_of(payload: bytes) -> str:
    """The tag of the message in *payload*; "" where there is none."""
    start = {0xDC: 3, 0xDD: 5}.get(payload[0], 1) if payload else 0
    length = payload[start] - 0xA0 if len(payload) > start else -1
    return payload[start + 1 : start + 1 + length].decode("ascii", "replace") if 0 <= length < 0x20 else ""


def counts_of(payload: bytes) -> CountsSeen | None:
    """The class counts in *payload*; None where it is another message, or broken."""
    fields = _values(payload, 6)
    if list(map(type, fields)) != [str, int, float, str, list, list]:
        return None
    _, step, time, kind, classes, numbers = fields
    if not isinstance(classes, list) or not isinstance(numbers, list) or len(classes) != len(numbers):
        return None
    if {type(entry) for entry in (*classes, *numbers)} - {int}:
        return None
    return CountsSeen(-1, step, time, kind, dict(zip(classes, numbers)))  # type: ignore[arg-type]  # noqa: B905


def peek(payload: bytes) -> BeatSeen | ByeSeen | None:
    """The beat or goodbye in *payload*; None where it is another message, or broken."""
    if payload[1:4] == b"\xa2hb":
        return _beat(_values(payload, 4))
    if payload[1:5] == b"\xa3bye":
        return _bye(_values(payload, 6))
    return None


def is_batch(payload: bytes) -> bool:
    """True for rows of numbers."""
    return payload[1:3] == b"\xa1b"


def is_greeting(payload: bytes) -> bool:
    """True for the messages without which the others cannot be read: hello and tags."""
    return b"\xa5hello" in payload[:10] or payload[1:6] == b"\xa4tags"


def newest_row(payload: bytes) -> RowsSeen | None:
    """Time and step of the newest row of the batch in *payload*; None where there is none."""
    rows = [row for row in map(_last_row, blocks_of(payload)) if row is not None]
    return max(rows, key=lambda row: row.step, default=None)


class BlockSeen(NamedTuple):
    """Rows of a batch as they came: see ``dettui_probe.wire.Block``."""

    columns: tuple[int, ...]
    steps: bytes
    times: bytes
    values: bytes

    @property
    def rows(self) -> int:
        """How many rows; 0 where the sizes contradict each other."""
        count, width = len(self.steps) // 8, len(self.columns)
        fits = len(self.steps) == len(self.times) == 8 * count and len(self.values) == 8 * count * width
        return count if fits and width else 0


def blocks_of(payload: bytes) -> list[BlockSeen]:
    """The blocks of the batch in *payload*; none where it is another message, or broken."""
    fields = _values(payload, 2) if is_batch(payload) else []
    blocks = fields[1] if len(fields) == 2 and isinstance(fields[1], list) else []
    return [found for found in map(_block, blocks) if found is not None]


def _block(fields: Value) -> BlockSeen | None:
    if not isinstance(fields, list) or len(fields) < 4 or not isinstance(fields[0], list):
        return None
    steps, times, values = fields[1:4]
    if not (isinstance(steps, bytes) and isinstance(times, bytes) and isinstance(values, bytes)):
        return None
    ids = tuple(column for column in fields[0] if isinstance(column, int))
    return BlockSeen(ids, steps, times, values) if len(ids) == len(fields[0]) else None


def _last_row(block: BlockSeen) -> RowsSeen | None:
    if not 8 <= len(block.steps) == len(block.times):
        return None
    return RowsSeen(*struct.unpack("<d", block.times[-8:]), *struct.unpack("<q", block.steps[-8:]))


def _beat(fields: list[Value]) -> BeatSeen | None:
    if list(map(type, fields[1:4])) != [float, int, str]:
        return None
    time, step, phase = fields[1:4]
    return BeatSeen(time, step, phase)  # type: ignore[arg-type]


def _bye(fields: list[Value]) -> ByeSeen | None:
    if list(map(type, fields[1:4])) != [float, int, str]:
        return None
    time, step, reason = fields[1:4]
    code, text = (fields[4], fields[5]) if len(fields) >= 6 else (None, "")
    if not (code is None or isinstance(code, int)) or not isinstance(text, str):
        code, text = None, ""
    return ByeSeen(time, step, reason, code, text)  # type: ignore[arg-type]


def _values(payload: bytes, count: int) -> list[Value]:
    """The first *count* entries of the short array in *payload*, fewer where the look ends before."""
    fields: list[Value] = []
    at = 1
    try:
        while len(fields) < min(count, payload[0] & 0x0F):
            field, at = _value(payload, at, _DEEPEST)
            fields.append(field)
    except (ValueError, IndexError, struct.error):
        return fields
    return fields


def _value(payload: bytes, at: int, depth: int) -> tuple[Value, int]:
    """The value at *at* and the place behind it.  Raises ValueError where there is none that is known here."""
    kind = payload[at]
    if kind < 0x80:
        return kind, at + 1
    if kind >= 0xE0:
        return kind - 0x100, at + 1
    if kind in _CONSTANTS:
        return _CONSTANTS[kind], at + 1
    if kind in _NUMBERS:
        return _number(payload, at + 1, _NUMBERS[kind])
    return _sized(payload, at, kind, depth)


def _sized(payload: bytes, at: int, kind: int, depth: int) -> tuple[Value, int]:
    if 0xA0 <= kind < 0xC0:
        return _text(payload, at + 1, kind & 0x1F)
    if 0x90 <= kind < 0xA0:
        return _array(payload, at + 1, kind & 0x0F, depth)
    for table, read in ((_TEXTS, _text), (_BYTES, _bytes)):
        if kind in table:
            length, start = _number(payload, at + 1, table[kind])
            return read(payload, start, int(length))
    if kind in _ARRAYS:
        length, start = _number(payload, at + 1, _ARRAYS[kind])
        return _array(payload, start, int(length), depth)
    raise ValueError(f"msgpack type {kind:#x} is not read here")


def _number(payload: bytes, at: int, form: str) -> tuple[float, int]:
    (number,) = struct.unpack_from(form, payload, at)
    return number, at + struct.calcsize(form)


def _text(payload: bytes, at: int, length: int) -> tuple[str, int]:
    data, end = _bytes(payload, at, length)
    return data.decode("utf-8", "replace"), end


def _bytes(payload: bytes, at: int, length: int) -> tuple[bytes, int]:
    if at + length > len(payload):
        raise ValueError("the value is cut")
    return payload[at : at + length], at + length


def _array(payload: bytes, at: int, length: int, depth: int) -> tuple[list[Value], int]:
    if depth == 0 or length > len(payload):
        raise ValueError("an array that no probe writes")
    entries: list[Value] = []
    for _ in range(length):
        entry, at = _value(payload, at, depth - 1)
        entries.append(entry)
    return entries, at
