"""What one evaluation of all rules costs: ``python tests/bench/detectors_cost.py``.

Prints microseconds per evaluation (median of 40) at 1,000 and 100,000 steps with 12 and 60 series, and the dearest
rules.  Budget: 3 ms.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from scenarios.build import Setting, Values, run_messages
from scenarios.play import store_of
from scenarios.shapes import detector, noisy

from dettui.detect.battery import RULES, evaluate_all
from dettui.detect.context import Context
from dettui.detect.signals import measure
from dettui.store.run_store import RunStore
from dettui_probe import tags

REPEATS = 40


def series_of(steps: int, count: int, rng: np.random.Generator) -> dict[str, Values]:
    """*count* series: the detector's most telling ones first, then gradients by layer."""
    known = detector(steps, rng)
    first = {tag: known[tag] for tag in (tags.LOSS_TOTAL, tags.LR + "0", tags.GRAD_NORM, tags.UPDATE_RATIO)}
    layers = {f"{tags.LAYER_GRAD_NORM}l{i}.weight": noisy(np.ones(steps), rng) for i in range(count)}
    return dict(list({**first, **known, **layers}.items())[:count])


def median_us(call: Callable[[], object]) -> float:
    """Median processor time of one call, in microseconds: other programs on the machine do not count."""
    taken = []
    for _ in range(REPEATS):
        start = time.thread_time()
        call()
        taken.append(time.thread_time() - start)
    return float(np.median(taken)) * 1e6


def dearest(store: RunStore, step: int) -> str:
    """The three rules that cost most, each on a context of its own."""
    costs = {rule.name: median_us(lambda rule=rule: rule.evaluate(Context(store, step))) for rule in RULES}
    top = sorted(costs, key=costs.__getitem__, reverse=True)[:3]
    return ", ".join(f"{name} {costs[name]:.0f}" for name in top)


def main() -> None:
    """The table."""
    print(f"{'steps':>8} {'series':>7} {'battery us':>11} {'signals us':>11}  dearest rules (us)")
    for steps in (1_000, 100_000):
        for count in (12, 60):
            messages = run_messages(
                steps,
                setting=Setting(targets=(0.0, 4.0, 3.0, 2.0)),
                **series_of(steps, count, np.random.default_rng(0)),
            )
            store = store_of(messages)
            battery = median_us(lambda store=store, steps=steps: evaluate_all(store, steps))
            signals = median_us(lambda store=store, steps=steps: measure(store, steps))
            print(f"{steps:>8} {count:>7} {battery:>11.0f} {signals:>11.0f}  {dearest(store, steps)}")


if __name__ == "__main__":
    main()
