"""Does watching longer raise more false alarms?  ``python tests/bench/long_watch.py [--runs 100] [--steps 32000]``

Healthy streams of a detector: power laws of drawn exponents and floors, under Gaussian, heavy-tailed or slowly
varying noise, with the schedules in use.  Each goes through the engine as a recording does, evaluated where the live
run would be.  The table counts warnings by the doubling of steps in which they were raised: with the error spent over
time, later doublings raise no more than the first.  Streams are synthetic, since real runs of this length take days
on a processor; ``silence.py`` and ``faults/`` train real networks for shorter.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scenarios.build import Setting, run_messages
from scenarios.shapes import constant_lr, decay, detector, noisy, one_cycle, smooth_noise, step_lr, warmup_cosine
from unit.engine.runs import feed_of

from dettui.domain.finding import Finding
from dettui.engine import replay

Curve = NDArray[np.float64]
FIRST = 1000


def schedules(steps: int) -> dict[str, Curve]:
    """The schedules in use, by name."""
    return {
        "constant": constant_lr(steps),
        "step": step_lr(steps, 0.01, (steps * 2 // 3, steps * 11 // 12)),
        "cosine": warmup_cosine(steps, 0.01, 500),
        "one_cycle": one_cycle(steps, 0.01),
    }


def loss_of(rng: np.random.Generator, lr: Curve, noise: str) -> Curve:
    """A loss that goes on falling, a little faster where the LR falls."""
    steps = len(lr)
    level = decay(steps, 2.4, rng.uniform(0.0, 0.4), rng.uniform(20, 200), rng.uniform(0.25, 0.8))
    level = level * (1.0 + 0.25 * np.sqrt(lr / lr.max())) / 1.25
    sigma = rng.uniform(0.05, 0.3)
    if noise == "slow":
        return level * np.exp(smooth_noise(steps, rng, sigma / 2, memory=0.95) + 0.03 * rng.standard_normal(steps))
    return noisy(level, rng, sigma, tail=None if noise == "gaussian" else 4.0)


def runs(count: int, steps: int, seed: int) -> Iterator[tuple[str, list[Finding]]]:
    """Each run's description with its findings of warning or worse."""
    rng = np.random.default_rng(seed)
    plans = [(name, noise) for noise in ("gaussian", "heavy", "slow") for name in schedules(steps)]
    for index in range(count):
        name, noise = plans[index % len(plans)]
        lr = schedules(steps)[name]
        setting = Setting(run=f"run{index}", total_steps=steps, targets=(0.0, 4.0, 3.0, 2.0), step_s=0.1)
        messages = run_messages(steps, setting=setting, **detector(steps, rng, loss_of(rng, lr, noise), lr))
        findings = replay(feed_of(messages)).diagnosis.findings
        yield f"{index} {name} {noise}", [finding for finding in findings if finding.severity != "info"]


def doubling(step: int) -> int:
    """0 for steps up to FIRST, 1 up to twice that, and so on."""
    return max(0, int(np.ceil(np.log2(max(step, 1) / FIRST))))


def main() -> None:
    """Print the table, and each warning."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--steps", type=int, default=32_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    raised: Counter[int] = Counter()
    warned = 0
    for number, (told, findings) in enumerate(runs(options.runs, options.steps, options.seed), start=1):
        warned += bool(findings)
        raised.update(doubling(finding.raised_at_step) for finding in findings)
        for finding in findings:
            print(f"  {told}: {finding.kind} at {finding.raised_at_step}: {finding.title}", flush=True)
        print(f"{number}/{options.runs} runs, {warned} warned of", end="\r", file=sys.stderr, flush=True)
    print(f"{options.runs} healthy runs of {options.steps} steps, {warned} warned of")
    print(f"{'steps up to':>12} {'warnings raised':>16}")
    for number in range(doubling(options.steps) + 1):
        print(f"{FIRST * 2**number:>12} {raised[number]:>16}")


if __name__ == "__main__":
    main()
