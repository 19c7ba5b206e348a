"""A long recording at once: its numbers in one message, to be shown before they are read in order and judged.

Judging 10 million points takes half a minute, reading them half a second, reading enough of them for a screen a
twentieth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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
GLANCE_BYTES: Final = 8 << 20
"""Of a recording that takes longer to read, what is read for the first picture: 256 pieces, as many as a chart has
columns, each with a batch or two."""
GLANCE_PIECE_BYTES: Final = 32 << 10
HEAD_BYTES: Final = 256 << 10
"""Of the beginning, where the run introduces itself."""


@dataclass(frozen=True)
class _Stretch:
    """Bytes of one file that are read without a gap."""

    path: Path
    start: int
    end: int


def looks_at(strand: RecordedStrand) -> Iterator[tuple[wire.AnyMessage, ...]]:
    """The messages of *strand*, its rows joined into one batch: at a glance, then as thoroughly as is quick.  Nothing
    where it is short.  Rows that follow each other in the log follow each other in their block."""
    segments = [_Stretch(path, 0, path.stat().st_size) for path in strand.segments() if path.exists()]
    total = sum(segment.end for segment in segments)
    if total < WORTH_IT_BYTES:
        return
    if total > GLANCE_BYTES:
        yield _look(_sample(segments, GLANCE_BYTES / total, GLANCE_PIECE_BYTES))
    is_whole = total <= READ_WHOLE_BYTES
    yield _look(segments if is_whole else _sample(segments, READ_WHOLE_BYTES / 3 / total, PIECE_BYTES))


def _sample(segments: Sequence[_Stretch], share: float, piece: int) -> Iterator[_Stretch]:
    """Pieces of *piece* bytes, evenly spaced, which make up *share* of *segments*; the head and the end of each."""
    head = max(HEAD_BYTES, piece)
    for segment in segments:
        tail = max(segment.end - piece, head)
        yield _Stretch(segment.path, 0, min(head, segment.end))
        for start in range(head, tail - piece + 1, round(piece / share)):
            yield _Stretch(segment.path, start, start + piece)
        if tail < segment.end:
            yield _Stretch(segment.path, tail, segment.end)


def _look(stretches: Iterable[_Stretch]) -> tuple[wire.AnyMessage, ...]:
    others: list[wire.AnyMessage] = []
    parts: dict[tuple[int, ...], list[wire.Block]] = {}
    for message in _messages(stretches):
        if isinstance(message, wire.Batch):
            for block in message.blocks:
                parts.setdefault(tuple(block.columns), []).append(block)
        elif not isinstance(message, wire.Bye):
            others.append(message)
    return (*others, wire.Batch([_joined(list(columns), blocks) for columns, blocks in parts.items()]))


def _messages(stretches: Iterable[_Stretch]) -> Iterator[wire.AnyMessage]:
    for stretch in stretches:
        scanner = Scanner(stretch.start)
        with stretch.path.open("rb") as log:
            log.seek(stretch.start)
            for start in range(stretch.start, stretch.end, PIECE_BYTES):
                for item in scanner.feed(log.read(min(PIECE_BYTES, stretch.end - start))):
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
