"""The run's log: an append-only file of framed records that survives torn, zeroed and missing pages.

    file   = b"DETTUI1\\n" frame*
    frame  = sync(4) length(u32) crc32(u32, over length | seq | payload) seq(u64) payload

All integers are little-endian.  *length* counts the payload.  A reader that meets bytes which are no frame skips
to the next sync marker that starts one and reports the hole; it never raises and never gives up.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

MAGIC: Final = b"DETTUI1\n"
SYNC: Final = b"\xd1\x7e\x55\xaa"
MAX_PAYLOAD: Final = 1 << 20
_HEAD: Final = struct.Struct("<4sIIQ")
_CHECKED: Final = struct.Struct("<IQ")
HEAD_BYTES: Final = _HEAD.size


class Frame(NamedTuple):
    """One record as it was written."""

    seq: int
    payload: bytes


class Hole(NamedTuple):
    """Bytes of the file that hold no frame."""

    offset: int
    size: int


def pack(seq: int, payload: bytes) -> bytes:
    """One frame, ready to be appended to a log or sent.  Raises ValueError above MAX_PAYLOAD."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"payload of {len(payload)} bytes is above {MAX_PAYLOAD}")
    checked = _CHECKED.pack(len(payload), seq)
    return _HEAD.pack(SYNC, len(payload), zlib.crc32(payload, zlib.crc32(checked)), seq) + payload


def unpack(packed: bytes) -> Frame:
    """The frame that ``pack`` made into *packed*, without checking it again."""
    return Frame(_HEAD.unpack_from(packed)[3], packed[HEAD_BYTES:])


def frames_in(data: bytes) -> list[Frame]:
    """The frames of *data*, a message of whole ones.  What is broken is passed over, as a scanner does; it costs three
    times as much."""
    frames: list[Frame] = []
    at = 0
    while at < len(data):
        size = _frame_size(data, at) if data.startswith(SYNC, at) else _BROKEN
        if size <= 0:
            return [item for item in Scanner().feed(data) if isinstance(item, Frame)]
        frames.append(Frame(_HEAD.unpack_from(data, at)[3], data[at + HEAD_BYTES : at + size]))
        at += size
    return frames


_ARRIVING: Final = 0
_BROKEN: Final = -1


class Scanner:
    """Finds frames in a growing file.  Feed it the bytes in order; it yields frames and holes in order.

    A sync marker starts a frame only where length and checksum agree.  One whose end has not arrived is waited for,
    and is given up for broken as soon as a whole frame follows inside the awaited bytes: text never holds the
    marker (it is not UTF-8), so such a frame is a real one behind a damaged length.  Holds at most MAX_PAYLOAD
    bytes back.  A file header between two frames (files concatenated) is no hole.

    Two files are one strand only where a reader says so; sequence numbers are passed on as they stand.
    """

    def __init__(self, offset: int = 0) -> None:
        """Start at *offset* of the file: 0, or the ``offset`` of an earlier scanner."""
        self._pending = bytearray()
        self._pending_at = offset  # position in the file of the first pending byte
        self._gap_at = offset

    @property
    def offset(self) -> int:
        """Position after the last whole frame: where a new scanner may resume, also where bytes that looked
        broken may since have been filled in (zero pages of a network file system)."""
        return self._gap_at

    def feed(self, data: bytes) -> Iterator[Frame | Hole]:
        """Frames, and the holes before them, that *data* completed.  Never raises, whatever the bytes."""
        self._pending += data
        found: list[Frame | Hole] = []
        done = 0  # index behind the last whole frame
        arriving: int | None = None  # index of the first frame since then whose end is missing
        at = self._pending.find(SYNC)
        while at >= 0:
            size = _frame_size(self._pending, at)
            if size > 0:
                found += self._accept(at, size)
                done, arriving = at + size, None
            elif size == _ARRIVING and arriving is None:
                arriving = at
            at = self._pending.find(SYNC, at + max(size, 1))
        self._forget(done, arriving)
        return iter(found)

    def _accept(self, at: int, size: int) -> list[Frame | Hole]:
        header = len(MAGIC) if self._pending[max(at - len(MAGIC), 0) : at] == MAGIC else 0
        hole = Hole(self._gap_at, self._pending_at + at - header - self._gap_at)
        _, _, _, seq = _HEAD.unpack_from(self._pending, at)
        frame = Frame(seq, bytes(self._pending[at + HEAD_BYTES : at + size]))
        self._gap_at = self._pending_at + at + size
        return [hole, frame] if hole.size > 0 else [frame]

    def _forget(self, done: int, arriving: int | None) -> None:
        """Drop what cannot belong to a coming frame; a marker or a file header may be cut by the end of the data."""
        tail = len(self._pending) - (len(SYNC) - 1) if arriving is None else arriving
        keep_from = max(done, tail - len(MAGIC))
        del self._pending[:keep_from]
        self._pending_at += keep_from


def _frame_size(data: bytes | bytearray, at: int) -> int:
    """Size of the frame whose sync marker stands at *at*; _ARRIVING where its end is missing, or _BROKEN."""
    if len(data) - at < HEAD_BYTES:
        return _ARRIVING
    _, length, checksum, seq = _HEAD.unpack_from(data, at)
    if length > MAX_PAYLOAD:
        return _BROKEN
    end = at + HEAD_BYTES + length
    if len(data) < end:
        return _ARRIVING
    with memoryview(data) as view:
        actual = zlib.crc32(view[at + HEAD_BYTES : end], zlib.crc32(_CHECKED.pack(length, seq)))
    return HEAD_BYTES + length if actual == checksum else _BROKEN
