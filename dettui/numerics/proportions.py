"""Counts of classes and shares."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray


def entropy(counts: NDArray[np.int64]) -> float:
    """``H = - sum p ln p`` of *counts* (shape (K,)) in nats; 0 where nothing was counted."""
    total = counts.sum()
    if total <= 0:
        return 0.0
    share = counts[counts > 0] / total
    return float(-(share * np.log(share)).sum())


def wilson_bounds(hits: float, trials: float, z: float) -> tuple[float, float]:
    """Wilson's score interval for the share ``hits / trials`` at *z* standard errors (Wilson 1927).

    (0, 1) where there were no trials.
    """
    if trials <= 0:
        return 0.0, 1.0
    share = min(max(hits / trials, 0.0), 1.0)  # a hostile stream may count more hits than trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    reach = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / (1 + z * z / trials)
    return max(0.0, centre - reach), min(1.0, centre + reach)
