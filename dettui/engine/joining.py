"""Consecutive batches of a live run as one: what taking one in costs hardly depends on how many rows it has."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from dettui_probe import wire

MOST_ROWS: Final = 32
"""More make a batch that is worth its cost, and that would lie in many cells of the evaluation grid."""
_BYTES: Final = 8  # of a step, a time, a value


class _Stretch(NamedTuple):
    """A block whose steps rise and whose times never fall, with those at its ends."""

    block: wire.Block
    rows: int
    first_step: int
    last_step: int
    first_time: float
    last_time: float


def joined(messages: Sequence[wire.AnyMessage]) -> Iterator[wire.AnyMessage]:
    """*messages*, those batches joined that go on where the one before them ends, with the same columns.

    Everything else stays as it came: the rows are taken in and judged as if each batch had come alone.
    """
    waiting: list[_Stretch] = []
    for message in messages:
        stretch = _stretch_of(message)
        if waiting and (stretch is None or not _goes_on(waiting, stretch)):
            yield _batch(waiting)
            waiting = []
        if stretch is None:
            yield message
        else:
            waiting.append(stretch)
    if waiting:
        yield _batch(waiting)


def _stretch_of(message: wire.AnyMessage) -> _Stretch | None:
    if not isinstance(message, wire.Batch) or len(message.blocks) != 1:
        return None
    block = message.blocks[0]
    rows = len(block.steps) // _BYTES
    sizes = rows * _BYTES, rows * _BYTES, rows * _BYTES * len(block.columns)
    if not 0 < rows <= MOST_ROWS or (len(block.steps), len(block.times), len(block.values)) != sizes:
        return None
    steps, times = struct.unpack(f"<{rows}q", block.steps), struct.unpack(f"<{rows}d", block.times)
    if any(one >= other for one, other in itertools.pairwise(steps)) or list(times) != sorted(times):
        return None
    return _Stretch(block, rows, steps[0], steps[-1], times[0], times[-1])


def _goes_on(waiting: Sequence[_Stretch], stretch: _Stretch) -> bool:
    last = waiting[-1]
    return (
        stretch.block.columns == last.block.columns
        and stretch.first_step > last.last_step
        and stretch.first_time >= last.last_time
        and stretch.rows + sum(one.rows for one in waiting) <= MOST_ROWS
    )


def _batch(stretches: Sequence[_Stretch]) -> wire.Batch:
    blocks = [stretch.block for stretch in stretches]
    if len(blocks) == 1:
        return wire.Batch(blocks)
    return wire.Batch(
        [
            wire.Block(
                blocks[0].columns,
                b"".join(block.steps for block in blocks),
                b"".join(block.times for block in blocks),
                b"".join(block.values for block in blocks),
            )
        ]
    )
