"""What one picture of one curve costs, at any length of history, beside plotext on the same points.

    python tests/bench/rasteriser.py [--peer-python PATH]

A picture is 100x30 cells of a history that has just gained ten points, and includes finding out which cells changed.
plotext 6 runs in this environment; --peer-python names one with plotext 5.  Compare rows of one run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

WIDTH, HEIGHT, NEW_POINTS, PICTURES = 100, 30, 10, 60
PLOTEXT_LIMIT = 20_000
"""plotext takes seconds for more; its cost grows with the number of points."""


def values_of(n: int) -> Any:
    """A falling, noisy curve of *n* points."""
    import numpy as np

    return 0.3 + np.exp(-np.arange(n) * 5 / n) + 0.05 * np.random.default_rng(0).normal(size=n)


def median_ms(draw: Callable[[int], object], pictures: int) -> float:
    """Median time of one call, in milliseconds."""
    spent = []
    for i in range(pictures):
        start = time.perf_counter()
        draw(i)
        spent.append((time.perf_counter() - start) * 1e3)
    return statistics.median(spent)


def ours(n: int, smoothing: float) -> float:
    """Our rasteriser, with the cache that a widget keeps."""
    import numpy as np

    from dettui.charts.cells import Picture
    from dettui.charts.chart import ChartCache, render
    from dettui.charts.view import CurveView, Line
    from dettui.domain.series import Series

    values, steps, cache = values_of(n), np.arange(n), ChartCache()
    shown: list[Picture | None] = [None]

    def draw(i: int) -> None:
        upto = n - NEW_POINTS * (PICTURES - i)
        series = Series("loss", steps[:upto], values[:upto], values[:upto])
        view = CurveView("loss", (Line(series),), smoothing=smoothing, extent=(0, upto - 1))
        picture = render(view, WIDTH, HEIGHT, cache)
        picture.changes(shown[0])
        shown[0] = picture

    draw(0)
    return median_ms(draw, PICTURES)


def plotext_6(n: int) -> float:
    """plotext 6, every point."""
    from dettui.charts.plotext_figure import figure, rows_of

    values = values_of(n).tolist()

    def draw(_: int) -> None:
        with figure(WIDTH, HEIGHT) as master:
            master.draw(master.signal(values, marker="braille").lines(True))
            rows_of(master)

    return median_ms(draw, 5)


def plotext_5(n: int) -> float:
    """plotext 5, every point."""
    import plotext

    values = values_of(n).tolist()

    def draw(_: int) -> None:
        plotext.clear_figure()
        plotext.plotsize(WIDTH, HEIGHT)
        plotext.plot(values, marker="braille")
        plotext.build()

    return median_ms(draw, 5)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--peer-python")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps({n: plotext_5(n) for n in options.points if n <= PLOTEXT_LIMIT}))
        return
    theirs: dict[str, float] = {}
    if options.peer_python:
        command = [options.peer_python, __file__, "--child", "--points", *map(str, options.points)]
        theirs = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])
    print("| points | ours ms | ours, smoothed over raw ms | plotext 6 ms | plotext 5 ms |\n|---|---|---|---|---|")
    for n in options.points:
        six = f"{plotext_6(n):.1f}" if n <= PLOTEXT_LIMIT else ""
        five = f"{theirs[str(n)]:.1f}" if str(n) in theirs else ""
        print(f"| {n:,} | {ours(n, 0.0):.2f} | {ours(n, 0.9):.2f} | {six} | {five} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
