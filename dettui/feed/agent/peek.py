"""A look into payloads for the few fields that tell whether a run is alive.  Standard library only.

Reads the part of msgpack that the probe writes: arrays, strings, bytes, numbers, booleans, nil.  What it does not
know ends the look; it never raises.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, TypeAlias

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
    match _values(payload, 2):
        case [_, list(blocks)]:
            rows = [row for row in map(_last_row, blocks) if row is not None]
            return max(rows, key=lambda row: row.step, default=None)
    return None


def _last_row(block: Value) -> RowsSeen | None:
    match block:
        case [_, bytes(steps), bytes(times), *_] if len(steps) == len(times) >= 8:
            return RowsSeen(*struct.unpack("<d", times[-8:]), *struct.unpack("<q", steps[-8:]))
    return None


def _beat(fields: list[Value]) -> BeatSeen | None:
    match fields:
        case [_, float(time), int(step), str(phase), *_]:
            return BeatSeen(time, step, phase)
    return None


def _bye(fields: list[Value]) -> ByeSeen | None:
    match fields:
        case [_, float(time), int(step), str(reason), int() | None as code, str(text)]:
            return ByeSeen(time, step, reason, code, text)
        case [_, float(time), int(step), str(reason), *_]:
            return ByeSeen(time, step, reason, None, "")
    return None


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
