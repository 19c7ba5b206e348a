"""A look into payloads for the few fields that tell whether a run is alive.  Standard library only.

Reads the part of msgpack that the probe writes at the head of a message: arrays, strings, numbers, booleans, nil.
What it does not know ends the look; it never raises.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, TypeAlias

Scalar: TypeAlias = "str | int | float | bool | None"

_FIXED: dict[int, str] = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
    0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
}  # fmt: skip
_CONSTANTS: dict[int, Scalar] = {0xC0: None, 0xC2: False, 0xC3: True}
_TEXT_LENGTHS: dict[int, str] = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}


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


def peek(payload: bytes) -> BeatSeen | ByeSeen | None:
    """The beat or goodbye in *payload*; None where it is another message, or broken."""
    if payload[1:4] == b"\xa2hb":
        return _beat(_scalars(payload, 4))
    if payload[1:5] == b"\xa3bye":
        return _bye(_scalars(payload, 6))
    return None


def is_greeting(payload: bytes) -> bool:
    """True for the messages without which the others cannot be read: hello and tags."""
    return b"\xa5hello" in payload[:10] or payload[1:6] == b"\xa4tags"


def _beat(fields: list[Scalar]) -> BeatSeen | None:
    match fields:
        case [_, float(time), int(step), str(phase), *_]:
            return BeatSeen(time, step, phase)
    return None


def _bye(fields: list[Scalar]) -> ByeSeen | None:
    match fields:
        case [_, float(time), int(step), str(reason), int() | None as code, str(text)]:
            return ByeSeen(time, step, reason, code, text)
        case [_, float(time), int(step), str(reason), *_]:
            return ByeSeen(time, step, reason, None, "")
    return None


def _scalars(payload: bytes, count: int) -> list[Scalar]:
    """The first *count* entries of the array in *payload*, fewer where one of them is no scalar."""
    fields: list[Scalar] = []
    at = 1
    try:
        while len(fields) < min(count, payload[0] & 0x0F):
            field, at = _scalar(payload, at)
            fields.append(field)
    except (ValueError, IndexError, struct.error):
        return fields
    return fields


def _scalar(payload: bytes, at: int) -> tuple[Scalar, int]:
    """The scalar at *at* and the place behind it.  Raises ValueError where there is none."""
    kind = payload[at]
    if kind < 0x80:
        return kind, at + 1
    if kind >= 0xE0:
        return kind - 0x100, at + 1
    if 0xA0 <= kind < 0xC0:
        return _text(payload, at + 1, kind & 0x1F)
    if kind in _CONSTANTS:
        return _CONSTANTS[kind], at + 1
    if kind in _FIXED:
        (number,) = struct.unpack_from(_FIXED[kind], payload, at + 1)
        return number, at + 1 + struct.calcsize(_FIXED[kind])
    if kind in _TEXT_LENGTHS:
        (length,) = struct.unpack_from(_TEXT_LENGTHS[kind], payload, at + 1)
        return _text(payload, at + 1 + struct.calcsize(_TEXT_LENGTHS[kind]), length)
    raise ValueError(f"msgpack type {kind:#x} is no scalar")


def _text(payload: bytes, at: int, length: int) -> tuple[str, int]:
    if at + length > len(payload):
        raise ValueError("text is cut")
    return payload[at : at + length].decode("utf-8", "replace"), at + length
