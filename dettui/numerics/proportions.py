"""Counts of classes and shares."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from dettui.domain.series import Floats


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


def clustered_bounds(hits: Floats, trials: Floats, z: float) -> tuple[float, float]:
    """As ``wilson_bounds`` over clusters of trials that may share a fate, such as the boxes of one batch.

    *hits* and *trials* have shape (clusters,).  The variance is that of the ratio estimator over clusters
    (Cochran, Sampling Techniques, 1977, 2.11), never below the binomial one, and enters as a smaller number of trials.
    """
    total, clusters = float(trials.sum()), int(np.count_nonzero(trials))
    if total <= 0 or clusters < 2:
        return 0.0, 1.0
    share = min(max(float(hits.sum()) / total, 0.0), 1.0)
    variance = float(((hits - share * trials) ** 2).sum()) * clusters / (clusters - 1) / total**2
    binomial = share * (1 - share) / total
    effective = total * binomial / variance if variance > binomial > 0 else total
    return wilson_bounds(share * effective, effective, z)
