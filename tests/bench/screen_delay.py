"""From log() to the terminal: how long until a logged value can be read on the screen.

    python tests/bench/screen_delay.py            100 values at 10 steps/s

A child logs a loss that counts upwards; `dettui` runs in a real pty, and a terminal emulator (pyte) tells what stands
on its screen after every read.  The delay of a value is the time from its log() to the first screen that shows it, or
a later one.  Both ends read the same clock.
"""

from __future__ import annotations

import argparse
import fcntl
import math
import os
import pty
import re
import select
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyte

COLUMNS, ROWS = 100, 40
FIRST = 100  # three digits are shown in full
SETTLING_S = 3.0  # the dashboard starts, finds the run and opens its screen
PATIENCE_S = 20.0
SHOWN = re.compile(r"loss\s+(\d{3})\b")

CHILD = """
import sys, time
import dettui_probe as probe

first, count, period_s, until = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
due = time.time()
with probe.init(name="delay") as run:
    while (now := time.time()) < until:  # until the dashboard is there
        run.log(1, **{"loss/total": float(first)})
        time.sleep(period_s)
    for step in range(1, count + 1):
        print(first + step, time.time(), flush=True)
        run.log(1 + step, **{"loss/total": float(first + step)})
        time.sleep(period_s)
    time.sleep(2.0)
"""


def main() -> int:
    """Print median and 99th percentile; 1 where the median is above the target."""
    arguments = parse()
    with places() as environment:
        logged, shown = measure(arguments.values, arguments.period, environment)
    delays = sorted(delay_ms(value, at, shown) for value, at in logged.items())
    median, p99 = statistics.median(delays), delays[math.ceil(0.99 * len(delays)) - 1]
    print(f"{len(delays)} values, one every {arguments.period * 1000:.0f} ms, {COLUMNS} x {ROWS} cells")
    print(f"log() to screen: median {median:.0f} ms, p99 {p99:.0f} ms, worst {delays[-1]:.0f} ms")
    return int(median > arguments.target)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--values", type=int, default=100)
    parser.add_argument("--period", type=float, default=0.1, help="seconds between two values")
    parser.add_argument("--target", type=float, default=300.0, help="greatest median, in ms")
    return parser.parse_args()


@contextmanager
def places() -> Iterator[dict[str, str]]:
    """An environment with a runtime directory and run logs of its own."""
    home = Path(tempfile.mkdtemp(prefix="dt-", dir="/tmp"))
    try:
        yield {**os.environ, "DETTUI_HOME": str(home), "DETTUI_RUNS": str(home / "logs"), "TERM": "xterm-256color"}
    finally:
        shutil.rmtree(home, ignore_errors=True)


def measure(values: int, period_s: float, environment: dict[str, str]) -> tuple[dict[int, float], dict[int, float]]:
    """When each value was logged, and when a screen first showed it; seconds since the epoch."""
    begin = time.time() + SETTLING_S
    command = [sys.executable, "-c", CHILD, str(FIRST), str(values), str(period_s), str(begin)]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    dashboard = Dashboard(environment)
    last = FIRST + values
    shown: dict[int, float] = {}
    while last not in shown and time.time() < begin + values * period_s + PATIENCE_S:
        found = SHOWN.search(dashboard.look())
        if found is not None:
            shown.setdefault(int(found[1]), time.time())
    dashboard.leave()
    lines = child.communicate()[0].splitlines()
    return {int(value): float(at) for value, at in map(str.split, lines)}, shown


def delay_ms(value: int, logged_at: float, shown: dict[int, float]) -> float:
    """From log() to the first screen that shows *value* or a later one.  Raises SystemExit where none did."""
    times = [at for other, at in shown.items() if other >= value]
    if not times:
        raise SystemExit(f"value {value} was never shown; shown were {sorted(shown)}")
    return 1000 * (min(times) - logged_at)


class Dashboard:
    """`dettui` in a pty, and the screen that it draws."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._terminal, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        entry = "import sys; from dettui.cli import main; sys.exit(main())"
        self._process = subprocess.Popen(
            [sys.executable, "-c", entry], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)

    def look(self) -> str:
        """Take in what was drawn within a tenth of a second; the screen."""
        if select.select([self._terminal], [], [], 0.1)[0]:
            with suppress(OSError):  # Linux says EIO once the other end is gone
                self._stream.feed(os.read(self._terminal, 65536))
        return "\n".join(self._screen.display)

    def leave(self) -> None:
        """Quit by its key and wait for the end."""
        os.write(self._terminal, b"q")
        deadline = time.monotonic() + 5
        while self._process.poll() is None:
            if time.monotonic() > deadline:
                self._process.kill()
            self.look()


if __name__ == "__main__":
    sys.exit(main())
