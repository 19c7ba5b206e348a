"""The best point of a series."""

from __future__ import annotations

import numpy as np

from dettui.domain.series import Series


def best_of(series: Series, direction: int) -> tuple[int, float] | None:
    """Step and value of the best finite point, the first of equals; None where *direction* is 0 or nothing is finite.

    Larger is better where *direction* is 1, smaller where it is -1.
    """
    values = series.values
    if not direction or not len(values):
        return None
    with np.errstate(invalid="ignore"):
        at = int(np.argmax(values) if direction > 0 else np.argmin(values))  # a NaN or an infinity wins here
    if not np.isfinite(values[at]):
        finite = np.flatnonzero(np.isfinite(values))
        if not len(finite):
            return None
        at = int(finite[np.argmax(direction * values[finite])])
    return int(series.steps[at]), float(values[at])
