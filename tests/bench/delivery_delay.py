"""How old is a value when it reaches the viewer, and what does the agent cost?

    python tests/bench/delivery_delay.py [VALUES]

Part 1: one probe logs its own clock ten times a second; the delay is that of the arrival at a LocalFeed that waits.
Part 2: CPU seconds of the agent per second, with a viewer, at no run and at 16 runs of 100 rows a second.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from dettui.feed.base import Arrival
from dettui.feed.local import LocalFeed
from dettui.feed.opening import open_local
from dettui_probe import wire
from dettui_probe.registry import announced_agent

LOGGER = """
import time, dettui_probe as probe
run = probe.init("bench")
due = time.time()
for step in range({count}):
    run.log(step, sent=time.time(), **{{f"t{{i}}": 0.5 for i in range({extra})}})
    due += {period}
    time.sleep(max(0.0, due - time.time()))
run.finish()
"""


def start(count: int, period: float, extra: int = 0) -> subprocess.Popen[bytes]:
    """A child that logs *count* rows, one each *period* seconds."""
    return subprocess.Popen([sys.executable, "-c", LOGGER.format(count=count, period=period, extra=extra)])


@contextmanager
def runtime() -> Iterator[None]:
    """A runtime directory of our own."""
    home = tempfile.mkdtemp(prefix="dtb", dir="/tmp")
    os.environ["DETTUI_HOME"], os.environ["DETTUI_RUNS"] = f"{home}/h", f"{home}/r"
    try:
        yield
    finally:
        agent = announced_agent()
        if agent is not None:
            os.kill(agent.pid, signal.SIGTERM)
            time.sleep(0.5)
        shutil.rmtree(home, ignore_errors=True)


def delays(arrival: Arrival) -> list[float]:
    """Ages in seconds of the rows in *arrival*, of which column 0 is the clock."""
    now = time.time()
    return [
        now - sent
        for message in arrival.messages
        if isinstance(message, wire.Batch)
        for block in message.blocks
        for sent in np.frombuffer(block.values).reshape(-1, len(block.columns))[:, 0]
    ]


def measure_delay(count: int) -> None:
    """Part 1."""
    feed = open_local()
    child = start(count + 10, 0.1)
    found: list[float] = []
    while child.poll() is None or len(found) < count + 10:
        for arrival in feed.poll(0.1):
            found += delays(arrival)
    steady = 1000 * np.array(found[10:])  # the first ones wait for the probe to find the agent
    p50, p99 = np.percentile(steady, [50, 99])
    print(f"log() -> arrival, {len(steady)} values: median {p50:.1f} ms, p99 {p99:.1f} ms, most {steady.max():.1f} ms")
    feed.close()


def cpu_seconds(pid: int) -> float:
    """User and system time of *pid*."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share_of_a_core(feed: LocalFeed, seconds: float) -> tuple[float, int]:
    """CPU of the agent over *seconds* while *feed* polls ten times a second, and how many rows came."""
    agent = announced_agent()
    assert agent is not None
    before, since, rows = cpu_seconds(agent.pid), time.monotonic(), 0
    while time.monotonic() - since < seconds:
        rows += sum(len(delays(arrival)) for arrival in feed.poll(0.0))
        time.sleep(0.1)
    return (cpu_seconds(agent.pid) - before) / (time.monotonic() - since), rows


def measure_cost(runs: int) -> None:
    """Part 2."""
    feed = open_local()
    idle, _ = share_of_a_core(feed, 5.0)
    children = [start(1_600, 0.01, extra=9) for _ in range(runs)]
    share_of_a_core(feed, 4.0)
    busy, rows = share_of_a_core(feed, 8.0)
    print(
        f"agent, viewer attached: {100 * idle:.1f} % of a core idle, {100 * busy:.1f} % at {rows / 8:.0f} rows/s of 10"
    )
    for child in children:
        child.wait()
    feed.close()


if __name__ == "__main__":
    with runtime():
        measure_delay(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    with runtime():
        measure_cost(16)
