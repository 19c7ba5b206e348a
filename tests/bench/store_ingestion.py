"""How many points a second does the store take in, what does a point cost, and what does reading cost?

python tests/bench/store_ingestion.py
"""

from __future__ import annotations

import time
import tracemalloc

import numpy as np

from dettui.store.run_store import RunStore, StorePolicy
from dettui_probe import wire

COLUMNS = 10
ROWS = 10


def batches(count: int, sampled_every: int = 0) -> list[wire.Batch]:
    """*count* batches of ROWS steps; each *sampled_every*-th step brings 40 more columns."""
    names = list(range(COLUMNS))
    return [_batch(first * ROWS, names, sampled_every) for first in range(count)]


def _batch(first: int, names: list[int], sampled_every: int) -> wire.Batch:
    steps = np.arange(first, first + ROWS)
    rare = (steps % sampled_every == 0) if sampled_every else np.zeros(ROWS, bool)
    wide = names + list(range(COLUMNS, COLUMNS + 40))
    return wire.Batch([_block(c, s) for c, s in ((names, steps[~rare]), (wide, steps[rare])) if len(s)])


def _block(columns: list[int], steps: np.ndarray) -> wire.Block:
    values = np.random.default_rng(0).random((len(steps), len(columns)))
    return wire.Block(columns, steps.astype("<i8").tobytes(), steps.astype("<f8").tobytes(), values.tobytes())


def fresh(max_points: int) -> RunStore:
    """A store that knows the names of 50 columns."""
    store = RunStore(StorePolicy(max_points=max_points))
    store.apply(wire.Tags(0, [f"tag/{i}" for i in range(50)]))
    return store


def ingest(title: str, messages: list[wire.Batch], max_points: int = 1 << 40) -> RunStore:
    """Take in *messages* and say how fast."""
    store = fresh(max_points)
    points = sum(len(block.values) // 8 for message in messages for block in message.blocks)
    since = time.process_time()
    for message in messages:
        store.apply(message)
    spent = time.process_time() - since
    print(f"{title}: {points / spent / 1e6:.1f} M points/s, {1e6 * spent / len(messages):.1f} us a batch")
    return store


def main() -> None:
    """Print the table."""
    plain = batches(20_000)
    ingest("10 steps x 10 columns", plain)
    ingest("the same, 40 more columns each 20th step", batches(20_000, sampled_every=20))
    ingest("the same as the first, thinned at 0.5 M points", plain, 500_000)
    tracemalloc.start()
    store = ingest("the first again, with memory traced", plain)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"memory: {held / store.points:.1f} bytes a point reserved, {peak / store.points:.1f} at most")
    one_more = batches(1)[0]
    rounds = 2_000
    since = time.process_time()
    for _ in range(rounds):
        store.apply(one_more)
        for tag in store.tags():
            store.series(tag)
    print(f"a batch and a look at all 10 series: {1e6 * (time.process_time() - since) / rounds:.0f} us")


if __name__ == "__main__":
    main()
