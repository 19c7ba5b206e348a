"""Messages that the agent makes itself: rows and counts that it thinned.  Standard library only.

Writes the part of msgpack that ``dettui_probe.wire`` reads for them: arrays, text, bytes, numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from dettui.feed.agent.peek import BlockSeen, CountsSeen


def batch_payload(blocks: Iterable[BlockSeen]) -> bytes:
    """A batch of *blocks*."""
    entries = [
        _array([_array([_integer(c) for c in b.columns]), _bytes(b.steps), _bytes(b.times), _bytes(b.values)])
        for b in blocks
    ]
    return _array([_text("b"), _array(entries)])


def counts_payload(counts: CountsSeen) -> bytes:
    """Class counts."""
    classes, numbers = list(counts.counts), list(counts.counts.values())
    return _array(
        [
            _text("cnt"),
            _integer(counts.step),
            b"\xcb" + struct.pack(">d", counts.time),
            _text(counts.kind),
            _array([_integer(number) for number in classes]),
            _array([_integer(number) for number in numbers]),
        ]
    )


def _array(entries: Sequence[bytes]) -> bytes:
    return b"\xdd" + struct.pack(">I", len(entries)) + b"".join(entries)


def _integer(number: int) -> bytes:
    number = min(max(number, -(1 << 63)), (1 << 63) - 1)  # sums and ids of a hostile run may be larger
    return bytes([number]) if 0 <= number < 0x80 else b"\xd3" + struct.pack(">q", number)


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    return b"\xdb" + struct.pack(">I", len(data)) + data


def _bytes(data: bytes) -> bytes:
    return b"\xc6" + struct.pack(">I", len(data)) + data
