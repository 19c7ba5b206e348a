"""Batches are joined only where nothing could tell them from one that came alone."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import pytest

from dettui.engine.joining import MOST_ROWS, joined
from dettui_probe import wire


def batch(steps: Sequence[int], times: Sequence[float] | None = None, columns: Sequence[int] = (0,)) -> wire.Batch:
    moments = [float(step) for step in steps] if times is None else times
    values = array("d", [float(step) for step in steps for _ in columns])
    return wire.Batch(
        [wire.Block(list(columns), array("q", steps).tobytes(), array("d", moments).tobytes(), values.tobytes())]
    )


def steps_of(message: wire.AnyMessage) -> list[int]:
    assert isinstance(message, wire.Batch)
    return [step for block in message.blocks for step in array("q", block.steps)]


def test_what_follows_is_joined_and_nothing_is_lost() -> None:
    (whole,) = joined([batch([1, 2]), batch([3]), batch([5, 6])])
    assert isinstance(whole, wire.Batch)
    (block,) = whole.blocks
    assert steps_of(whole) == [1, 2, 3, 5, 6]
    assert list(array("d", block.times)) == list(array("d", block.values)) == [1.0, 2.0, 3.0, 5.0, 6.0]


@pytest.mark.parametrize(
    "following",
    [
        pytest.param(batch([2, 3]), id="the same step again"),
        pytest.param(batch([1, 9]), id="steps that go back"),
        pytest.param(batch([4, 3]), id="steps out of order"),
        pytest.param(batch([3], times=[0.5]), id="time that goes back"),
        pytest.param(batch([3], columns=(0, 1)), id="other columns"),
        pytest.param(batch(range(3, 3 + MOST_ROWS)), id="too many rows"),
        pytest.param(wire.Batch([]), id="nothing"),
        pytest.param(wire.Batch([wire.Block([0], b"123", b"", b"")]), id="nonsense"),
        pytest.param(wire.Batch([*batch([3]).blocks, *batch([3]).blocks]), id="several blocks"),
    ],
)
def test_what_does_not_simply_follow_stays_alone(following: wire.Batch) -> None:
    assert len(list(joined([batch([1, 2]), following]))) == 2


def test_a_message_between_two_batches_keeps_its_place() -> None:
    event = wire.Event(2, 2.0, "epoch", "", {})
    first, between, last = joined([batch([1, 2]), event, batch([3])])
    assert (steps_of(first), between, steps_of(last)) == ([1, 2], event, [3])
