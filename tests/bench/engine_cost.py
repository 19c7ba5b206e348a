"""CPU of the engine for 16 runs at 100 steps a second each: `python tests/bench/engine_cost.py`.

Batches come as the probe sends them, 20 a second and run; a frame is made 10 times a second.  The figure is CPU
seconds per second of training, in per cent of one core.  Prints a table; asserts nothing, because machines differ.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scenarios.build import Setting, run_messages
from scenarios.shapes import detector

from dettui.engine import Engine
from dettui.feed.base import Arrival
from dettui.feed.scripted import ScriptedFeed
from dettui_probe import wire

STEPS_PER_S = 100
BATCHES_PER_S = 20
FRAMES_PER_S = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--layers", type=int, default=20, help="parameters with series of their own")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--at", type=int, nargs="*", default=[300, 2048, 6000])
    options = parser.parse_args()
    arrivals = list(ticks(options.runs, options.steps, options.layers))
    feed = ScriptedFeed(arrivals)
    engine = Engine(feed, clock=lambda: 0.0)
    print(f"{options.runs} runs x {STEPS_PER_S} steps/s, {FRAMES_PER_S} frames/s")
    print(f"{'steps':>14} {'take in and judge':>18} {'frames':>8} {'together':>9}")
    done = 0
    for upto in sorted({min(at, options.steps) for at in options.at}):
        pumping, framing = spend(engine, options.runs, (upto - done) * BATCHES_PER_S // STEPS_PER_S)
        seconds = (upto - done) / STEPS_PER_S
        print(
            f"{f'{done}..{upto}':>14} {pumping / seconds:>17.1%} {framing / seconds:>8.1%} "
            f"{(pumping + framing) / seconds:>9.1%}"
        )
        done = upto


def ticks(runs: int, steps: int, layers: int) -> Iterator[Arrival]:
    """One arrival a run and tick; each run is its own noise."""
    scripts = [list(messages(index, steps, layers)) for index in range(runs)]
    for tick in range(len(scripts[0])):
        for index, script in enumerate(scripts):
            yield Arrival(f"run{index}", "boot", 0, script[tick])


def messages(index: int, steps: int, layers: int) -> Iterator[tuple[wire.AnyMessage, ...]]:
    """The messages of each tick of one run; the introduction comes with the first."""
    rng = np.random.default_rng(index)
    series = detector(steps, rng)
    for layer in range(layers):
        for family in ("grad_norm", "update_ratio"):
            series[f"layer/{family}/body.{layer}.weight"] = np.exp(0.2 * rng.standard_normal(steps))
    setting = Setting(run=f"run{index}", name=f"run{index}", reason=None, total_steps=steps)
    opening: list[wire.AnyMessage] = []
    for message in run_messages(steps, setting=setting, **series):
        if isinstance(message, wire.Batch):
            for batch in cut(message, STEPS_PER_S // BATCHES_PER_S):
                yield (*opening, batch)
                opening = []
        else:
            opening.append(message)


def cut(batch: wire.Batch, rows: int) -> Iterator[wire.Batch]:
    """*batch*, which holds one block, in pieces of *rows* rows."""
    (block,) = batch.blocks
    width = 8 * len(block.columns)
    for low in range(0, len(block.steps) // 8, rows):
        high = low + rows
        yield wire.Batch(
            [
                wire.Block(
                    block.columns,
                    block.steps[8 * low : 8 * high],
                    block.times[8 * low : 8 * high],
                    block.values[width * low : width * high],
                )
            ]
        )


def spend(engine: Engine, runs: int, count: int) -> tuple[float, float]:
    """CPU seconds of *count* ticks: taking in, and making frames."""
    pumping = framing = 0.0
    for tick in range(count):
        start = time.process_time()
        for _ in range(runs):
            engine.pump()
        middle = time.process_time()
        if tick % (BATCHES_PER_S // FRAMES_PER_S) == 0:
            engine.frame()
        pumping += middle - start
        framing += time.process_time() - middle
    return pumping, framing


if __name__ == "__main__":
    main()
