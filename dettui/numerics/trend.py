"""Slopes that a few wild points cannot move, and how sure they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dettui.domain.series import Floats, Steps
from dettui.numerics.robust import MAD_TO_SIGMA, median


@dataclass(frozen=True)
class Slope:
    """A line through m equidistant points: change per point, its standard error, and the level at both ends."""

    per_point: float
    standard_error: float
    start: float  # of the line at the first point
    end: float  # of the line at the last point
    points: int

    @property
    def change(self) -> float:
        """Over the whole window."""
        return self.per_point * (self.points - 1)

    def change_bounds(self, z: float) -> tuple[float, float]:
        """Change over the window less and plus *z* standard errors."""
        reach = z * self.standard_error * (self.points - 1)
        return self.change - reach, self.change + reach


def theil_sen(values: Floats) -> Slope:
    """The median of all pairwise slopes of *values* (shape (m,), m >= 3) against 0..m-1 (Sen 1968).

    Standard error ``1.25 * 1.4826 MAD(residuals) * sqrt(12 / (m^3 - m))``: that of least squares with a robust
    sigma, widened by the 25 % that a median costs (diagnosis.md 3.1).  Residuals are taken about the line, with
    m - 2 degrees of freedom.  Quadratic in m: meant for block medians, m <= 64.
    """
    m = len(values)
    early, late = _pairs(m)
    slope = median((values[late] - values[early]) / (late - early))
    grid = np.arange(m)
    residual = values - slope * grid
    start = median(residual)
    sigma = MAD_TO_SIGMA * median(np.abs(residual - start)) * float(np.sqrt(m / max(m - 2, 1)))
    error = 1.25 * sigma * float(np.sqrt(12.0 / (m**3 - m)))
    return Slope(slope, error, start, start + slope * (m - 1), m)


@lru_cache(maxsize=64)
def _pairs(m: int) -> tuple[Steps, Steps]:
    early, late = np.triu_indices(m, k=1)
    return early, late


def half_median_line(values: Floats) -> tuple[float, float]:
    """(slope per point, value predicted for the next point) from the medians of the two halves of *values*.

    The local linear baseline of diagnosis.md 3.0: a healthy slope is then no anomaly.  Needs >= 4 values.
    """
    half = len(values) // 2
    early, late = median(values[:half]), median(values[-half:])
    slope = (late - early) / (len(values) - half)
    centre_of_late = len(values) - half + (half - 1) / 2.0
    return slope, late + slope * (len(values) - centre_of_late)


def detrend(values: Floats) -> Floats:
    """*values* less the line through the medians of their two halves, shape (n,), n >= 4."""
    slope, following = half_median_line(values)
    distance = np.arange(len(values), 0, -1)
    return values - (following - slope * distance)
