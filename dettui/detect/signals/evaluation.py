"""What the user's own evaluations say, as numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dettui.detect.context import Context
from dettui.detect.evaluations import PREFIX, CollapsePolicy, direction
from dettui.detect.signals.fields import Signals
from dettui.domain.series import Floats


def add_evaluation(context: Context, known: Signals) -> Signals:
    for tag in context.tags:
        sense = direction(tag) if tag.startswith(PREFIX) else 0
        series = context.series(tag)
        if sense and series is not None:
            best = series.values.max() if sense > 0 else series.values.min()
            return replace(
                known, eval_best=float(best), eval_last=series.last, eval_standing=_standing(sense * series.values)
            )
    return known


def _standing(scores: Floats) -> float | None:
    """Where the newest of *scores* (shape (n,), larger is better) stands between the worst and the best one."""
    if len(scores) < 2 or not np.isfinite(scores).all():
        return None
    worst, best = float(scores.min()), float(scores.max())
    if 0 <= best < CollapsePolicy().best:
        return 0.0  # a score that never left zero is at its worst, wherever its noise has it
    return (float(scores[-1]) - worst) / (best - worst) if best > worst else None
