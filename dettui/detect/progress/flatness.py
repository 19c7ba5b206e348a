"""Where the loss is flat: a test of equivalence, which claims flatness only where a gain is ruled out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dettui.detect.loss_curve import LossCurve
from dettui.detect.progress.policy import ProgressPolicy
from dettui.numerics.robust import block_medians, thin
from dettui.numerics.trend import Slope, theil_sen


@dataclass(frozen=True)
class Flat:
    """A window over which the loss gained less than *limit*, at 99 %."""

    first_step: int
    last_step: int
    most_gain: float  # upper bound of the gain, as a share of the level
    limit: float


def flat_window(curve: LossCurve, usable: int, policy: ProgressPolicy) -> Flat | None:
    """The shortest of the newest windows that is provably flat, None where progress cannot be ruled out.

    Windows are shares of the newest *usable* points, those since the warm-up, and so is what counts as progress:
    a power law gains the same at every doubling, however long it has run.
    """
    if usable < policy.wait_points:
        return None
    for share in policy.windows:
        points = int(share * usable)
        if points >= policy.least_window:
            found = _test(curve, points, min(policy.gain_per_run * share, policy.most_gain), policy)
            if found is not None:
                return found
    return None


def _test(curve: LossCurve, points: int, limit: float, policy: ProgressPolicy) -> Flat | None:
    """Flat where the largest plausible gain is under *limit*, the largest plausible loss no more than thrice that,
    and no steady descent is under way."""
    slope = slope_of_newest(curve, points, policy)
    low, high = slope.change_bounds(policy.z)
    if -low >= limit or high >= 3 * limit or _descends_steadily(curve, slope, points, policy):
        return None
    return Flat(int(curve.steps[-points]), int(curve.steps[-1]), max(-low, 0.0), limit)


def slope_of_newest(curve: LossCurve, points: int, policy: ProgressPolicy) -> Slope:
    """Of the block medians of the newest *points*."""
    return theil_sen(curve.even(block_medians(thin(curve.values[-points:], policy.most_points), policy.blocks)))


def _descends_steadily(curve: LossCurve, slope: Slope, points: int, policy: ProgressPolicy) -> bool:
    """True where the fall is beyond doubt and as fast as the run was on average: slow, and not flat."""
    if slope.change_bounds(policy.z)[1] >= 0:
        return False
    start, now = (float(level) for level in curve.even(np.array([curve.start, curve.now])))
    return -slope.change / points >= policy.steady * (start - now) / len(curve)


def curve_points(flat: Flat, curve: LossCurve) -> int:
    """How many points of *curve* lie in the window of *flat*."""
    return len(curve) - int(np.searchsorted(curve.steps, flat.first_step))
