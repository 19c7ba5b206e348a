"""What live charts cost in a real pseudo-terminal, beside textual-plotext and textual-plot: frames, processor, bytes.

    python tests/bench/chart_cost.py [--charts 1 4 16] [--seconds 6] [--peer-python PATH]

Every app shows N charts on 200x50 cells that begin with 2,000 points and gain ten points ten times a second.  The
peers need plotext 5 and so an environment of their own (textual-plotext, textual-plot, numpy); without --peer-python
they are left out.  Compare rows of one run: absolute figures move with the machine.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import resource
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

COLUMNS, ROWS = 200, 50
FIRST_POINTS, POINTS_A_TICK, TICK_S = 2_000, 10, 0.1
WARM_UP_S = 2.0


class Cost(NamedTuple):
    """One row of the table."""

    frames_per_s: float
    cpu_percent: float
    kb_per_frame: float
    kb_per_s: float
    rss_mb: float


# --- the apps, in a child process ----------------------------------------------------------------------------


def dettui_chart() -> tuple[type, Callable[[Any, Any, Any], None]]:
    """Our widget, and how to give it new points."""
    import numpy as np

    from dettui.charts.view import CurveView, Line
    from dettui.domain.series import Series
    from dettui.widgets.curve import CurveChart

    def feed(chart: Any, x: Any, y: Any) -> None:
        series = Series("loss/total", x.astype(np.int64), y, x.astype(float))
        chart.show(CurveView("loss/total", (Line(series),)))

    return CurveChart, feed


def textual_plotext_chart() -> tuple[type, Callable[[Any, Any, Any], None]]:
    """textual-plotext on plotext 5."""
    from textual_plotext import PlotextPlot

    def feed(chart: Any, x: Any, y: Any) -> None:
        chart.plt.clear_data()
        chart.plt.plot(x.tolist(), y.tolist(), marker="braille")
        chart.refresh()

    return PlotextPlot, feed


def textual_plot_chart() -> tuple[type, Callable[[Any, Any, Any], None]]:
    """textual-plot with its high-resolution mode."""
    from textual_plot import HiResMode, PlotWidget

    def feed(chart: Any, x: Any, y: Any) -> None:
        chart.clear()
        chart.plot(x=x, y=y, hires_mode=HiResMode.BRAILLE)

    return PlotWidget, feed


CHARTS = {"dettui": dettui_chart, "textual-plotext": textual_plotext_chart, "textual-plot": textual_plot_chart}


def show(kind: str, charts: int, seconds: float, idle: bool) -> None:
    """The child: run the app, and write the figures that only it knows to the file descriptor given."""
    import numpy as np
    from textual.app import App, ComposeResult

    widget, feed = CHARTS[kind]()
    rng = np.random.default_rng(0)
    length = FIRST_POINTS + POINTS_A_TICK * int((seconds + WARM_UP_S + 5) / TICK_S)
    x = np.arange(length, dtype=float)
    curves = [0.3 + np.exp(-x / 1500) + 0.05 * rng.normal(size=length) for _ in range(charts)]

    class Bench(App[None]):
        CSS = f"#screen-of-charts {{ layout: grid; grid-size: {round(charts**0.5)}; }}"
        frames = 0
        points = FIRST_POINTS

        def compose(self) -> ComposeResult:
            from textual.containers import Container

            with Container(id="screen-of-charts"):
                yield from (widget() for _ in range(charts))

        def on_mount(self) -> None:
            self.set_interval(TICK_S, self.tick)
            self.set_timer(WARM_UP_S, self.begin)

        def begin(self) -> None:
            report({"at": "begin"})
            self.begun = time.monotonic(), cpu_s(), self.frames
            self.set_timer(seconds, self.end)

        def end(self) -> None:
            wall, cpu, frames = time.monotonic() - self.begun[0], cpu_s() - self.begun[1], self.frames - self.begun[2]
            rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            report({"at": "end", "wall": wall, "cpu": cpu, "frames": frames, "rss_mb": rss_mb})
            self.set_timer(0.5, self.exit)  # so that what leaving sends is not counted

        def tick(self) -> None:
            if not idle:
                self.points += POINTS_A_TICK
            for chart, y in zip(self.query(widget), curves, strict=True):
                feed(chart, x[: self.points], y[: self.points])

        def _display(self, screen: Any, renderable: Any) -> None:
            self.frames += renderable is not None
            super()._display(screen, renderable)

    Bench().run()


def cpu_s() -> float:
    """Processor time of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def report(what: dict[str, object]) -> None:
    """Tell the parent."""
    os.write(int(os.environ["REPORT_FD"]), (json.dumps(what) + "\n").encode())


# --- the terminal, in the parent ------------------------------------------------------------------------------


def measure(python: str, kind: str, charts: int, seconds: float, idle: bool = False) -> Cost:
    """Run one app in a pseudo-terminal and count what it sends between its two reports."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    reports, report_fd = os.pipe()
    arguments = [python, __file__, "--child", kind, "--charts", str(charts), "--seconds", str(seconds)]
    environment = {**os.environ, "REPORT_FD": str(report_fd), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    child = subprocess.Popen(
        arguments + ["--idle"] * idle,
        stdin=slave, stdout=slave, stderr=slave, pass_fds=[report_fd], env=environment, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    os.close(report_fd)
    sent, end = counted(master, reports)
    child.wait()
    os.close(master)
    os.close(reports)
    frames, wall = int(end["frames"]), end["wall"]
    return Cost(frames / wall, 100 * end["cpu"] / wall, sent / max(1, frames) / 1000, sent / wall / 1000, end["rss_mb"])


def counted(master: int, reports: int) -> tuple[int, dict[str, Any]]:
    """Bytes on the terminal between the reports "begin" and "end", and the latter."""
    sent, counting, end = 0, False, None
    for source, data in readable(master, reports):
        if source == master:
            sent += len(data) if counting and end is None else 0
            continue
        for line in data.splitlines():
            message = json.loads(line)
            counting = True
            end = message if message["at"] == "end" else None
    if end is None:
        raise SystemExit("the app ended without its figures; run it with --child to see why")
    return sent, end


def readable(master: int, reports: int) -> Iterator[tuple[int, bytes]]:
    """What comes from either descriptor, until the terminal closes."""
    while True:
        for source in select.select([master, reports], [], [])[0]:
            try:
                data = os.read(source, 1 << 16)
            except OSError:  # the child has closed its side of the terminal
                return
            if data:
                yield source, data


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--charts", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--peer-python")
    parser.add_argument("--child", choices=tuple(CHARTS), help=argparse.SUPPRESS)
    parser.add_argument("--idle", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        show(options.child, options.charts[0], options.seconds, options.idle)
        return
    print("| charts | app | frames/s | CPU % | KB/frame | KB/s | RSS MB |\n|---|---|---|---|---|---|---|")
    for charts in options.charts:
        runs = [("dettui", sys.executable, False), ("dettui", sys.executable, True)]
        if options.peer_python:
            runs += [(peer, options.peer_python, False) for peer in ("textual-plotext", "textual-plot")]
        for kind, python, idle in runs:
            cost = measure(python, kind, charts, options.seconds, idle)
            name = f"{kind}, nothing new" if idle else kind
            print(f"| {charts} | {name} | " + " | ".join(f"{value:.3g}" for value in cost) + " |", flush=True)


if __name__ == "__main__":
    main()
