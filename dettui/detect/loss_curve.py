"""The loss as the rules read it: levels, noise, and a scale on which noise is even."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dettui.domain.series import Floats, Series, Steps
from dettui.numerics.autocorrelation import integrated_time
from dettui.numerics.robust import are_usable, block_medians, difference_sigma, is_usable, median, thin, usable_of
from dettui.numerics.trend import detrend

FIRST_POINTS = 10
NOW_POINTS = 20
NOISE_POINTS = 256
COARSE_BLOCKS = 64
COARSE_POINTS = 4096


@dataclass(frozen=True, eq=False)
class LossCurve:
    """Finite points of one loss, shape (n,), n >= NOW_POINTS, up to the step of the evaluation."""

    tag: str
    steps: Steps
    values: Floats
    opening: Floats  # the first finite points of the run, of an earlier start where this one was resumed

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def start(self) -> float:
        """Median of the first points: the level of a network that knows nothing (L0)."""
        return median(self.opening)

    @cached_property
    def now(self) -> float:
        """Median of the newest points."""
        return median(self.values[-NOW_POINTS:])

    @cached_property
    def coarse(self) -> Floats:
        """Medians of at most 64 equal blocks over the whole curve, from at most 4,096 points."""
        kept = thin(self.values, COARSE_POINTS)
        return block_medians(kept, max(1, min(COARSE_BLOCKS, len(kept) // NOW_POINTS)))

    @cached_property
    def best(self) -> float:
        """The lowest level that lasted a block."""
        return min(float(self.coarse.min()), self.now)

    @cached_property
    def is_positive(self) -> bool:
        """True where every point is above zero, so that the logarithm evens out the noise."""
        return bool(self.values.min() > 0)

    @cached_property
    def unit(self) -> float:
        """What one counts as large on a curve that touches zero: the typical size of its first points."""
        return median(np.abs(self.opening)) or 1.0

    def even(self, values: Floats) -> Floats:
        """*values* on the scale of the tests: ln L where all L > 0, else asinh(L / unit) (diagnosis.md 3.0)."""
        return np.log(np.maximum(values, 1e-12)) if self.is_positive else np.arcsinh(values / self.unit)

    def level(self, values: Floats) -> float:
        """Median of *values* on the even scale, from at most COARSE_POINTS of them."""
        return float(self.even(np.array([median(thin(values, COARSE_POINTS))]))[0])

    @cached_property
    def recent(self) -> Floats:
        """The newest points on the even scale, at most NOISE_POINTS."""
        return self.even(self.values[-NOISE_POINTS:])

    @cached_property
    def residual(self) -> Floats:
        """The newest points on the even scale less their local line."""
        return detrend(self.recent)

    @cached_property
    def sigma(self) -> float:
        """Noise from one point to the next on the even scale, trend and level left out."""
        return max(difference_sigma(self.recent), 1e-9)

    @cached_property
    def tau(self) -> float:
        """Integrated autocorrelation time of the residual, in points."""
        return integrated_time(self.residual)

    @property
    def drop_share(self) -> float:
        """``1 - now / start``: what was gained so far; 0 where the start is not positive."""
        return 1.0 - self.now / self.start if self.start > 0 else 0.0


def read_loss(series: Series | None, whole: Series | None) -> LossCurve | None:
    """The curve of *series*, opened by the first points of *whole*; None where fewer than NOW_POINTS are finite."""
    if series is None or whole is None or len(series) < NOW_POINTS:
        return None
    values = series.values.astype(np.float64)  # contiguous, and wide enough for sums of squares
    steps = series.steps
    if not are_usable(values):
        finite = is_usable(values)
        steps, values = steps[finite], values[finite]
    if len(values) < NOW_POINTS:
        return None
    opening = usable_of(whole.values[: 2 * FIRST_POINTS])[:FIRST_POINTS]
    return LossCurve(series.tag, steps, values, opening if len(opening) else values[:FIRST_POINTS])
