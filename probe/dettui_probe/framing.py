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


class Scanner:
    """Finds frames in a growing file.  Feed it the bytes in order; it yields frames and holes in order."""

    def __init__(self) -> None:
        self._pending = b""
        self._offset = 0  # of the first pending byte in the file
        self._hole_start: int | None = None

    @property
    def offset(self) -> int:
        """Position after the last whole frame or hole: where a new scanner may resume."""
        return self._offset if self._hole_start is None else self._hole_start

    def feed(self, data: bytes) -> Iterator[Frame | Hole]:
        """Frames and holes completed by *data*."""
        raise NotImplementedError
