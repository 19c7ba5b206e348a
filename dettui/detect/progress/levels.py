"""Where the loss stands, against the level at which it began."""

from __future__ import annotations

from math import sqrt

import numpy as np

from dettui.detect.context import Context
from dettui.detect.loss_curve import LossCurve
from dettui.detect.progress.policy import ProgressPolicy


def is_converged(context: Context, curve: LossCurve, policy: ProgressPolicy) -> bool:
    """Flat because it is done: solved, or at its best after the LR has gone or the run is nearly over."""
    if curve.now <= policy.near_zero * curve.start:
        return True
    if curve.now > curve.best * (1 + policy.near_best) or curve.drop_share < policy.never_reach:
        return False
    schedule = context.schedule
    lr_is_gone = schedule is not None and schedule.decayed_share < policy.decayed and not schedule.drops
    total = context.total_steps
    return lr_is_gone or (
        curve.now <= policy.stalled_level * curve.start and total is not None and context.step >= 0.9 * total
    )


def drop_bounds(curve: LossCurve, policy: ProgressPolicy) -> tuple[float, float]:
    """(drop, largest drop the data allow) from the first eighth to the newest quarter, on the even scale."""
    n = len(curve)
    early, late = max(20, n // 8), max(20, n // 4)
    first, newest = curve.level(curve.values[:early]), curve.level(curve.values[-late:])
    error = 1.25 * curve.sigma * sqrt(curve.tau * (1 / early + 1 / late))
    return first - newest, first - newest + policy.z * error


def never_left_its_start(curve: LossCurve, policy: ProgressPolicy) -> bool:
    """True where the drop since the first steps is under 3 %, and more than 10 % is ruled out."""
    drop, most = drop_bounds(curve, policy)
    jitter = policy.z * 1.25 * curve.sigma / sqrt(10)
    first_drop = float(curve.even(np.array([curve.start]))[0] - curve.even(np.array([curve.now]))[0])
    return (
        -0.1 < drop < policy.never_drop and most < policy.never_reach and abs(first_drop) < policy.never_drop + jitter
    )
