"""A recorded run of 10 million points: how soon is it on the screen, and how long does a key take?

    python tests/bench/big_run.py [--points 10_000_000] [--tags 20]

Writes a log as the probe does (batches of 16 KiB, 100 steps a second), scans it, and opens it with `dettui PATH` in a
pseudo-terminal of 200x50 cells: from the start of the process to the first braille glyph, and to the first screen
whose header names the last step.  Then keys are pressed, and each is timed until the terminal has been quiet.
"""

from __future__ import annotations

import argparse
import fcntl
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
from pathlib import Path

import numpy as np

from dettui_probe import wire
from dettui_probe.framing import MAGIC, pack

COLUMNS, ROWS = 200, 50
BATCH_ROWS = 90
QUIET_S = 0.12
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()][AB0]|.)")
KEYS = {"zoom in": "+", "earlier": "h", "later": "l", "zoom out": "-", "whole run": "0", "cursor": "[", "log": "y"}


def write(path: Path, points: int, tags: int) -> int:
    """Write the log; the number of steps."""
    steps = points // tags
    rng = np.random.default_rng(0)
    names = ["loss/total", "loss/loss_classifier", "loss/loss_box_reg", "lr/pg0", "grad/norm", "update/ratio"]
    names += [f"own/metric_{index}" for index in range(tags - len(names))]
    hello = wire.Hello(
        version=(wire.MAJOR, wire.MINOR), run="big", boot="0" * 16, rank=0, world=1, name="big", host="here",
        host_boot="", pid=1, pid_start=1, started=1.7e9, argv=["train.py"], cwd="/", python="", probe_version="bench",
        total_steps=steps,
    )  # fmt: skip
    noise = np.exp(0.1 * rng.standard_normal((4096, tags)))
    with path.open("wb") as log:
        log.write(MAGIC + pack(0, wire.encode(hello)) + pack(1, wire.encode(wire.Tags(0, names))))
        for seq, first in enumerate(range(0, steps, BATCH_ROWS), start=2):
            at = np.arange(first + 1, min(first + BATCH_ROWS, steps) + 1, dtype="<i8")
            values = noise[at % 4096] * (0.3 + 2.0 / (1.0 + at / 5000.0))[:, None]
            values[:, 3] = 0.01
            times = (1.7e9 + at / 100.0).astype("<f8")
            block = wire.Block(list(range(tags)), at.tobytes(), times.tobytes(), values.astype("<f8").tobytes())
            log.write(pack(seq, wire.encode(wire.Batch([block]))))
        log.write(pack(1 << 40, wire.encode(wire.Bye(1.7e9 + steps / 100.0, steps, "finished", 0))))
    return steps


def scan(path: Path) -> None:
    """What it costs to have all numbers in memory, without judging them."""
    from dettui.engine.overview import Overview
    from dettui.feed.logs import strands_at
    from dettui.feed.overview import looks_at

    looks = looks_at(strands_at(path)[0])
    since = time.perf_counter()
    glance = Overview(next(looks))
    print(f"{glance.store.points / 1e3:.0f} k points at a glance in {time.perf_counter() - since:.2f} s")
    since, cpu = time.perf_counter(), time.process_time()
    messages = next(looks)
    read = time.perf_counter(), time.process_time()
    overview = Overview(messages)
    done = time.perf_counter(), time.process_time()
    store = overview.store
    print(
        f"{path.stat().st_size / 1e6:.0f} MB, {store.points / 1e6:.1f} M points: read and decoded "
        f"{read[0] - since:.2f} s ({read[1] - cpu:.2f} s CPU), into columns {done[0] - read[0]:.2f} s "
        f"({done[1] - read[1]:.2f} s CPU), {store.held_bytes / store.points:.2f} bytes a point held"
    )


class Dashboard:
    """`dettui PATH` in a pseudo-terminal."""

    def __init__(self, path: Path, home: Path) -> None:
        self.seen = ""  # the newest text, without its escape sequences
        self.terminal, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        entry = "import sys; from dettui.cli import main; sys.exit(main())"
        bare = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        env = {**bare, "DETTUI_HOME": str(home), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-c", entry, str(path)], stdin=theirs, stdout=theirs, stderr=theirs, env=env
        )
        os.close(theirs)

    def pieces(self, wait_s: float) -> Iterator[bytes]:
        """What is drawn, until nothing has come for *wait_s*."""
        while select.select([self.terminal], [], [], wait_s)[0]:
            try:
                yield os.read(self.terminal, 1 << 16)
            except OSError:  # Linux says EIO once the other end is gone
                return

    def take(self, data: bytes) -> None:
        """Note what was drawn."""
        self.seen = (self.seen + ESCAPES.sub("", data.decode(errors="replace")))[-200_000:]

    def until(self, wanted: str, patience_s: float) -> tuple[float, float]:
        """Seconds from the start to the first braille glyph, and to the first screen that holds *wanted*."""
        glyph = 0.0
        while time.perf_counter() - self.started < patience_s:
            for data in self.pieces(0.02):
                if not glyph and any(b"\xe2" + bytes([second]) in data for second in range(0xA0, 0xA4)):
                    glyph = time.perf_counter() - self.started
                self.take(data)
                if glyph and wanted in self.seen:
                    return glyph, time.perf_counter() - self.started
        raise SystemExit(f"{wanted} was never shown: {self.seen[-2000:]}")

    def press(self, key: str) -> float:
        """Seconds from a key to the last of what it changed."""
        for _ in self.pieces(QUIET_S):
            pass
        since = last = time.perf_counter()
        os.write(self.terminal, key.encode())
        while time.perf_counter() - since < 5.0:
            if not select.select([self.terminal], [], [], QUIET_S if last > since else 1.0)[0]:
                break
            self.take(os.read(self.terminal, 1 << 16))
            last = time.perf_counter()
        return last - since

    def cpu_s(self) -> float:
        """Processor time of the dashboard so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def leave(self) -> None:
        """Quit."""
        os.write(self.terminal, b"q")
        for _ in self.pieces(0.5):
            pass
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


def with_dashboards(path: Path, home: Path, steps: int, options: argparse.Namespace) -> None:
    """Time the starts, then the keys of the last one."""
    dashboard: Dashboard | None = None
    try:
        for start in range(options.starts):
            if dashboard is not None:
                dashboard.leave()
            dashboard = Dashboard(path, home)
            glyph, whole = dashboard.until(f"{steps:,}/{steps:,}", 60)
            spent = dashboard.cpu_s()
            print(
                f"start {start + 1}: first curve {glyph:.2f} s, whole run {whole:.2f} s, {spent:.2f} s CPU", flush=True
            )
        assert dashboard is not None
        told = {}
        for when in ("while it is judged", "after"):
            for name, key in KEYS.items():
                told[name] = statistics.median(dashboard.press(key) for _ in range(3))
            print(f"{when}: " + ", ".join(f"{name} {1000 * seconds:.0f} ms" for name, seconds in told.items()))
            if when != "after":
                deadline = time.perf_counter() + options.settle
                while time.perf_counter() < deadline and (drawn := sum(map(len, dashboard.pieces(2.5)))):
                    pass  # while it is judged, a count of steps goes on
                print(
                    f"nothing moves any more {time.perf_counter() - dashboard.started:.0f} s after the start ({drawn})"
                )
    finally:
        if dashboard is not None:
            dashboard.leave()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--tags", type=int, default=20)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--settle", type=float, default=60.0, help="seconds given to judging before keys are timed")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="dt-", dir="/tmp"))
    try:
        path = home / "r0-0000000000000000.dlog"
        steps = write(path, options.points, options.tags)
        scan(path)
        with_dashboards(path, home, steps, options)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
