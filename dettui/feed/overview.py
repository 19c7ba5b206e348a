"""A long recording at once: all its numbers in one message, to be shown before it is read in order and judged.

Judging 10 million points takes half a minute, drawing them a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dettui.feed.logs import RecordedStrand
from dettui_probe import wire
from dettui_probe.framing import Frame, Scanner

WORTH_IT_BYTES: Final = 4 << 20
"""Shorter recordings are judged before anybody could look."""
READ_WHOLE_BYTES: Final = 192 << 20
"""Some 20 million points, a second; of a longer one, pieces of PIECE_BYTES, READ_WHOLE_BYTES / 3 of them in all."""
PIECE_BYTES: Final = 1 << 20


def overview_of(strand: RecordedStrand) -> tuple[wire.AnyMessage, ...]:
    """The messages of *strand*, its rows joined into one batch; nothing where it is short.  Rows that follow each
    other in the log follow each other in their block."""
    segments = [(path, path.stat().st_size) for path in strand.segments() if path.exists()]
    total = sum(size for _, size in segments)
    if total < WORTH_IT_BYTES:
        return ()
    others: list[wire.AnyMessage] = []
    parts: dict[tuple[int, ...], list[wire.Block]] = {}
    for path, size in segments:
        for message in _messages(path, size, sampled=total > READ_WHOLE_BYTES, share=READ_WHOLE_BYTES / 3 / total):
            if isinstance(message, wire.Batch):
                for block in message.blocks:
                    parts.setdefault(tuple(block.columns), []).append(block)
            elif not isinstance(message, wire.Bye):
                others.append(message)
    return (*others, wire.Batch([_joined(list(columns), blocks) for columns, blocks in parts.items()]))


def _messages(path: Path, size: int, *, sampled: bool, share: float) -> Iterator[wire.AnyMessage]:
    scanner = Scanner()
    stride = round(PIECE_BYTES / share) if sampled else PIECE_BYTES
    with path.open("rb") as log:
        for start in range(0, size, stride):
            if sampled:
                log.seek(start)
                scanner = Scanner(start)
            for item in scanner.feed(log.read(PIECE_BYTES)):
                message = wire.decode(item.payload) if isinstance(item, Frame) else None
                if message is not None:
                    yield message


def _joined(columns: list[int], blocks: list[wire.Block]) -> wire.Block:
    return wire.Block(
        columns,
        b"".join(block.steps for block in blocks),
        b"".join(block.times for block in blocks),
        b"".join(block.values for block in blocks),
    )
