"""Arrivals of synthetic runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scenarios.build import START, Setting, Values, run_messages
from scenarios.shapes import detector

from dettui.domain.run import Liveness
from dettui.engine import Engine
from dettui.feed.base import Arrival
from dettui.feed.scripted import ScriptedFeed
from dettui_probe import tags, wire

STEPS = 300
"""Long enough to pass three bands of the grid."""


def swinging(steps: int = STEPS, seed: int = 0) -> dict[str, Values]:
    """A detector whose learning rate is far too high: the loss alternates around 2."""
    rng = np.random.default_rng(seed)
    sign = (-1.0) ** np.arange(steps)
    loss: NDArray[np.float64] = 2.0 + 0.8 * sign + 0.1 * rng.standard_normal(steps)
    return {
        **detector(steps, rng, loss=loss, lr=0.5),
        tags.UPDATE_RATIO: np.full(steps, 0.08),
        tags.GRAD_AGREEMENT: np.full(steps, -0.4),
    }


def arrival(messages: Iterable[wire.AnyMessage], run: str = "scenario", rank: int = 0, **more: object) -> Arrival:
    """One arrival of one strand."""
    return Arrival(run, f"boot-{rank}", rank, tuple(messages), **more)  # type: ignore[arg-type]


def feed_of(messages: Iterable[wire.AnyMessage], run: str = "scenario") -> ScriptedFeed:
    """A feed that brings one message a poll."""
    return ScriptedFeed([arrival((message,), run) for message in messages])


def engine_of(*arrivals: Arrival, now: float = START) -> Engine:
    """An engine that has taken in *arrivals* and whose feed is still open."""
    engine = Engine(OpenFeed(arrivals), clock=lambda: now)
    while engine.pump():
        pass
    return engine


class OpenFeed(ScriptedFeed):
    """A scripted feed of runs that go on: never exhausted."""

    def exhausted(self) -> bool:
        """False: more may come."""
        return False


def some_run(
    steps: int = STEPS, series: Mapping[str, Values] | None = None, **setting: object
) -> list[wire.AnyMessage]:
    """A short run with a falling loss and nothing else, unless *series* says more."""
    loss = 2.0 / np.sqrt(1.0 + np.arange(steps) / 10.0)
    return run_messages(steps, setting=Setting(**setting), **(series or {tags.LOSS_TOTAL: loss}))  # type: ignore[arg-type]


def cut_again(messages: Sequence[wire.AnyMessage], sizes: Sequence[int]) -> list[wire.AnyMessage]:
    """*messages* with the rows of each batch cut anew into batches of *sizes* rows, in turn."""
    turn = 0
    result: list[wire.AnyMessage] = []
    for message in messages:
        if isinstance(message, wire.Batch):
            rows = len(message.blocks[0].steps) // 8
            low = 0
            while low < rows:
                high = min(low + sizes[turn % len(sizes)], rows)
                result.append(wire.Batch([_rows(block, low, high) for block in message.blocks]))
                low, turn = high, turn + 1
        else:
            result.append(message)
    return result


def merged(messages: Sequence[wire.AnyMessage]) -> list[wire.AnyMessage]:
    """*messages* with neighbouring batches of the same columns made into one."""
    result: list[wire.AnyMessage] = []
    for message in messages:
        last = result[-1] if result else None
        if isinstance(message, wire.Batch) and isinstance(last, wire.Batch):
            result[-1] = wire.Batch([_joined(a, b) for a, b in zip(last.blocks, message.blocks, strict=True)])
        else:
            result.append(message)
    return result


def _rows(block: wire.Block, low: int, high: int) -> wire.Block:
    width = 8 * len(block.columns)
    return wire.Block(
        block.columns,
        block.steps[8 * low : 8 * high],
        block.times[8 * low : 8 * high],
        block.values[width * low : width * high],
    )


def _joined(a: wire.Block, b: wire.Block) -> wire.Block:
    assert a.columns == b.columns
    return wire.Block(a.columns, a.steps + b.steps, a.times + b.times, a.values + b.values)


def dead(state: str = "killed", reason: str = "SIGKILL") -> Liveness:
    """The host says that the process is gone."""
    from dettui.domain.run import RunState

    return Liveness(RunState(state), reason)
