"""Where a level changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dettui.domain.series import Floats


@dataclass(frozen=True)
class Split:
    """The best cut of a window in two levels."""

    index: int  # of the first point of the second level
    before: float
    after: float
    gain: float  # share of the sum of squares that the cut explains, 0..1


def huber_cusum(z: Floats, slack: float = 2.0, threshold: float = 15.0, clip: float = 5.0) -> int | None:
    """Index at which the one-sided sum ``S = max(0, S + clip(z, -c, c) - k)`` first reaches *threshold*, else None.

    With k = 2, h = 15, c = 5 no false alarm came in 10^4 points of Gaussian, t3 or skewed noise; a shift of 5 sigma
    or more is met in 5 points (diagnosis.md 3.3).  Closed form: S_i = C_i - min_{j <= i} C_j of the summed steps.
    """
    summed = np.concatenate(([0.0], np.cumsum(np.clip(z, -clip, clip) - slack)))
    reached = summed - np.minimum.accumulate(summed) >= threshold
    return int(np.argmax(reached)) - 1 if reached.any() else None


def level_shift_split(values: Floats, smallest: int = 2) -> Split:
    """The cut of *values* (shape (n,), n >= 2 * smallest) in two constant levels that is best in least squares.

    Closed form by cumulated sums: the between-group square ``n1 n2 / n (mean1 - mean2)^2`` is greatest.
    """
    n = len(values)
    left = np.cumsum(values)[smallest - 1 : n - smallest]
    sizes = np.arange(smallest, n - smallest + 1)
    total = float(values.sum())
    first, second = left / sizes, (total - left) / (n - sizes)
    between = sizes * (n - sizes) / n * (first - second) ** 2
    best = int(np.argmax(between))
    squares = float(((values - total / n) ** 2).sum())
    gain = float(between[best]) / squares if squares > 0 else 0.0
    return Split(int(sizes[best]), float(first[best]), float(second[best]), gain)
