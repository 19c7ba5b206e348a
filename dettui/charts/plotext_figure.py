"""The one door to plotext 6, which draws what changes rarely: bars, histograms, heat maps, printed curves.

plotext 6 has a single master figure for the whole process and clamps it to the terminal's size.  Here the figure is
cleared before and after every use and the clamp is switched off.  Not safe for concurrent use.  Importing plotext costs
0.24 s, so it is imported with the first figure and never before the first curve is on screen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast


@contextmanager
def figure(width: int, height: int) -> Iterator[Any]:  # plotext is untyped
    """An empty, colourless figure of *width* x *height* cells."""
    import plotext  # noqa: PLC0415  late: see above

    plotext.terminal.limit(False, False)
    master = plotext.figure
    master.clear()
    try:
        master.theme("colorless")
        master.plot_size(width, height)
        yield master
    finally:
        master.clear()


def rows_of(master: Any, *, colour: bool = False) -> tuple[str, ...]:
    """What was drawn on *master*, row by row; with *colour*, ANSI sequences included."""
    text = cast(str, master.build().string(colorless=not colour))
    return tuple(text.rstrip("\n").split("\n"))
