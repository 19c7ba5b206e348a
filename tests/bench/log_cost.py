"""What logging 10 scalars costs the training thread, beside other trackers.

    python tests/bench/log_cost.py [--repeats 3] [--only dettui,tensorboard]

Every backend runs in a process of its own; repeats are interleaved, so that a busy minute of the machine hits all of
them.  *tight*: calls back to back.  *work*: 2 ms of work before each call (half of it Python that holds the GIL, half
numpy), in blocks of 100 steps with logging on, off, off, on: "step slower" is the whole price, background threads
included.  A peer that is not installed is skipped, with a line that says so.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

TIGHT_CALLS = 8_000
WORK_BLOCKS = 12
BLOCK_STEPS = 100
WORK_S = 0.002
VALUES = {f"value/{i}": 0.1 * i for i in range(10)}

Log = Callable[[int], None]
Finish = Callable[[], None]


def nothing() -> tuple[Log, Finish]:
    return (lambda step: None), (lambda: None)


def list_append() -> tuple[Log, Finish]:
    rows: list[tuple[int, Any]] = []
    return (lambda step: rows.append((step, *VALUES.values()))), rows.clear


def dettui() -> tuple[Log, Finish]:
    import dettui_probe

    run = dettui_probe.init()
    return (lambda step: run.log(step, VALUES)), run.finish


def dettui_keywords() -> tuple[Log, Finish]:
    import dettui_probe

    run = dettui_probe.init()
    return (lambda step: run.log(step, **VALUES)), run.finish


def ten_keywords() -> tuple[Log, Finish]:
    """What Python itself asks for ten keyword arguments."""

    def log(step: int, /, **scalars: float) -> None:
        return None

    return (lambda step: log(step, **VALUES)), lambda: None


def tensorboard() -> tuple[Log, Finish]:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(tempfile.mkdtemp())

    def log(step: int) -> None:
        for tag, value in VALUES.items():
            writer.add_scalar(tag, value, step)

    return log, writer.close


def wandb() -> tuple[Log, Finish]:
    os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_DIR": tempfile.mkdtemp()}
    import wandb

    run = wandb.init(project="bench", settings=wandb.Settings(console="off"))
    return (lambda step: run.log(VALUES, step=step)), run.finish


def trackio() -> tuple[Log, Finish]:
    os.environ["TRACKIO_DIR"] = tempfile.mkdtemp()
    import trackio

    trackio.init(project="bench", name="bench")
    return (lambda step: trackio.log(VALUES, step=step)), trackio.finish


BACKENDS: dict[str, Callable[[], tuple[Log, Finish]]] = {
    "nothing": nothing,
    "list.append": list_append,
    "empty function of 10 keywords": ten_keywords,
    "dettui": dettui,
    "dettui keywords": dettui_keywords,
    "trackio": trackio,
    "wandb offline": wandb,
    "tensorboard": tensorboard,
}


def measure_tight(log: Log) -> dict[str, float]:
    """Microseconds of each of TIGHT_CALLS calls back to back, and of the very first."""
    costs = []
    for step in range(TIGHT_CALLS):
        began = time.perf_counter_ns()
        log(step)
        costs.append((time.perf_counter_ns() - began) / 1000)
    return {"first": costs[0], "p50": statistics.median(costs), "p99": percentile(costs, 99)}


def measure_work(log: Log) -> dict[str, float]:
    """Microseconds of a call after 2 ms of work, and how much longer a step with a call takes than one without."""
    import numpy as np

    work = calibrated_work(np.random.default_rng(0).standard_normal((64, 64)))
    log(0)
    costs: list[float] = []
    steps: dict[bool, list[float]] = {True: [], False: []}
    number = 1
    for block in range(WORK_BLOCKS):
        logging = block % 4 in (0, 3)  # ABBA: drift of the machine falls on both alike
        for _ in range(BLOCK_STEPS):
            began = time.perf_counter_ns()
            work()
            worked = time.perf_counter_ns()
            if logging:
                log(number)
            ended = time.perf_counter_ns()
            steps[logging].append((ended - began) / 1000)
            if logging:
                costs.append((ended - worked) / 1000)
            number += 1
    slower = statistics.median(steps[True]) - statistics.median(steps[False])
    return {"p50": statistics.median(costs), "p99": percentile(costs, 99), "step slower": slower}


def calibrated_work(matrix: Any) -> Callable[[], None]:
    """About WORK_S of work, half under the GIL and half outside it; the same amount in every step."""

    def python_part(rounds: int) -> None:
        total = 0
        for i in range(rounds):
            total += i * i

    def numpy_part(rounds: int) -> None:
        for _ in range(rounds):
            matrix @ matrix

    python_rounds = rounds_for(python_part, WORK_S / 2)
    numpy_rounds = rounds_for(numpy_part, WORK_S / 2)

    def work() -> None:
        python_part(python_rounds)
        numpy_part(numpy_rounds)

    return work


def rounds_for(part: Callable[[int], None], seconds: float) -> int:
    """How many rounds of *part* take *seconds*, at the machine's best."""
    trial = 200
    part(trial)
    timings = []
    for _ in range(20):
        began = time.perf_counter()
        part(trial)
        timings.append(time.perf_counter() - began)
    return max(1, round(seconds * trial / min(timings)))


def percentile(values: list[float], share: int) -> float:
    return statistics.quantiles(values, n=100)[share - 1]


def measure_here(backend: str) -> None:
    """Child: both modes of one backend, as one line of JSON behind a marker (backends may print)."""
    began = time.perf_counter()
    log, finish = BACKENDS[backend]()
    started = time.perf_counter() - began
    results: dict[str, Any] = {"tight": measure_tight(log), "init": started}
    results["work"] = measure_work(lambda step: log(TIGHT_CALLS + step))
    began = time.perf_counter()
    finish()
    results["finish"] = time.perf_counter() - began
    print("RESULT " + json.dumps(results), flush=True)


def measure_in_child(backend: str) -> dict[str, Any] | None:
    """Results of *backend*; None where it is not installed or fails."""
    home = tempfile.mkdtemp(prefix="dt-")
    env = {**os.environ, "DETTUI_HOME": home + "/h", "DETTUI_RUNS": home + "/r", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--child", backend]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**env, "OPENBLAS_NUM_THREADS": "1"}, check=False
    )
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            result: dict[str, Any] = json.loads(line[7:])
            return result
    reason = done.stderr.strip().splitlines()
    print(f"skipped {backend}: {reason[-1] if reason else 'no result'}", flush=True)
    return None


def print_table(results: dict[str, list[dict[str, Any]]]) -> None:
    """Medians over the repeats, in microseconds unless the head says otherwise."""
    print(
        "| backend | init s | first call | tight p50 | tight p99 | work p50 | work p99 | 2-ms step slower | finish s |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for backend, repeats in results.items():

        def middle(*path: str, repeats: list[dict[str, Any]] = repeats) -> float:
            return statistics.median(at(repeat, path) for repeat in repeats)

        slower = sorted(at(repeat, ("work", "step slower")) for repeat in repeats)
        print(
            f"| {backend} | {middle('init'):.2f} | {middle('tight', 'first'):.0f} | {middle('tight', 'p50'):.2f} "
            f"| {middle('tight', 'p99'):.1f} | {middle('work', 'p50'):.2f} | {middle('work', 'p99'):.1f} "
            f"| {statistics.median(slower):.0f} [{slower[0]:.0f} to {slower[-1]:.0f}] | {middle('finish'):.3f} |"
        )


def at(record: dict[str, Any], path: tuple[str, ...]) -> float:
    value: Any = record
    for name in path:
        value = value[name]
    return float(value)


def print_ratios(results: dict[str, list[dict[str, Any]]]) -> None:
    """How many times dearer a call of each peer is, with work between calls."""
    if "dettui" not in results:
        return
    ours = statistics.median(at(repeat, ("work", "p50")) for repeat in results["dettui"])
    for backend, repeats in results.items():
        theirs = statistics.median(at(repeat, ("work", "p50")) for repeat in repeats)
        print(f"{backend}: {theirs / ours:.1f} x dettui")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default=",".join(BACKENDS))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        measure_here(options.child)
        return
    results: dict[str, list[dict[str, Any]]] = {}
    missing: set[str] = set()
    for _ in range(options.repeats):
        for backend in options.only.split(","):
            result = None if backend in missing else measure_in_child(backend)
            if result is None:
                missing.add(backend)
            else:
                results.setdefault(backend, []).append(result)
    print_table(results)
    print_ratios(results)


if __name__ == "__main__":
    main()
