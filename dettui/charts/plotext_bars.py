"""Bars, histograms and heat maps, by plotext."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dettui.charts.plotext_figure import figure, rows_of
from dettui.domain.series import Floats

_SHADES = " ░▒▓█"


def horizontal_bars(labels: Sequence[str], values: Sequence[float], width: int) -> tuple[str, ...]:
    """One row a bar, label first; the longest bar ends at *width*.  Values are finite and not negative."""
    if not labels:
        return ()
    longest = max(map(len, labels))
    positions = list(range(len(labels), 0, -1))  # plotext counts from the bottom
    with figure(width, len(labels)) as master:
        master.axes(False)
        master.draw(master.bar(positions, list(values), orientation="h", width=0.3, marker="full"))
        across, up = master.ruler("x"), master.ruler("y")
        across.lim(0, max(values) or 1.0).frequency(0).alignment(lim="edge")
        up.lim(0.5, len(labels) + 0.5).alignment(lim="edge")
        up.ticks(positions, [f"{label:<{longest}} " for label in labels])
        return rows_of(master)


def histogram(values: Floats, width: int, height: int, *, bins: int = 30, title: str = "") -> tuple[str, ...]:
    """How often values occur; non-finite ones are left out and counted in the title."""
    finite = values[np.isfinite(values)]
    left_out = len(values) - len(finite)
    heading = f"{title} ({left_out} non-finite left out)".strip() if left_out else title
    if not len(finite):
        return (heading or "no finite value",)
    with figure(width, height) as master:
        master.draw(master.hist(finite.tolist(), bins=bins))
        if heading:
            master.title(heading)
        return rows_of(master)


def heat_map(values: NDArray[np.float64], width: int, height: int, *, colour: bool = True) -> tuple[str, ...]:
    """*values*, shape (rows, columns), as a map; without *colour* as five shades.  Non-finite cells show as "?"."""
    if not colour:
        return _shaded(values)
    with figure(width, height) as master:
        master.draw(master.heatmap(np.nan_to_num(values).tolist(), map="viridis", fill=True))
        return rows_of(master, colour=True)


def _shaded(values: NDArray[np.float64]) -> tuple[str, ...]:
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    scaled = np.nan_to_num((values - low) / ((high - low) or 1.0)) * (len(_SHADES) - 1)
    shades = np.array(list(_SHADES))[np.clip(np.rint(scaled), 0, len(_SHADES) - 1).astype(int)]
    return tuple("".join(row) for row in np.where(np.isfinite(values), shades, "?"))
