"""Location and scale that a few wild points cannot move."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dettui.domain.series import Floats

MAD_TO_SIGMA = 1.4826
"""1 / Phi^-1(3/4): makes the MAD an estimate of a Gaussian's sigma (Hampel 1974)."""


HUGE = 1e150
"""Beyond it a number is as good as infinite: squares and sums of a few of them overflow."""


def is_usable(values: Floats) -> NDArray[np.bool_]:
    """Which of *values* are neither NaN nor infinite nor HUGE; same shape."""
    usable: NDArray[np.bool_] = np.abs(values) < np.float64(HUGE)  # of float32 values too, where HUGE overflows
    return usable


def median(values: Floats) -> float:
    """The median of *values* (shape (n,), n >= 1, all finite), to the bit as numpy's.

    A seventh of numpy's time on a hundred values, where the care for axes, masks and NaN costs more than the sorting.
    """
    half = len(values) // 2
    if len(values) % 2:
        return float(np.partition(values, half)[half])
    low, high = np.partition(values, (half - 1, half))[half - 1 : half + 1]
    return float((low + high) / 2.0)


def mad_sigma(values: Floats) -> float:
    """``1.4826 * median |x - median x|`` with the floor ``max(1e-3 |median|, 1e-9)`` (diagnosis.md 3.0).

    *values* has shape (n,), n >= 1, all finite.  The floor keeps a z-score finite on constant stretches.
    """
    centre = median(values)
    spread = MAD_TO_SIGMA * median(np.abs(values - centre))
    return max(spread, 1e-3 * abs(centre), 1e-9)


def difference_sigma(values: Floats) -> float:
    """Sigma of the noise from first differences, ``1.4826 median|d| / sqrt 2``: blind to trend and level.

    Von Neumann's successive differences with a median in place of the mean.  0 for fewer than two points.
    """
    if len(values) < 2:
        return 0.0
    return MAD_TO_SIGMA * median(np.abs(np.diff(values))) / float(np.sqrt(2.0))


def thin(values: Floats, most: int) -> Floats:
    """Every k-th value, counted from the newest backwards, so that at most *most* remain; a view."""
    stride = -(-len(values) // most)
    return values if stride <= 1 else values[(len(values) - 1) % stride :: stride]


def block_medians(values: Floats, blocks: int) -> Floats:
    """Medians of *blocks* equal consecutive blocks, shape (blocks,); the oldest remainder is left out.

    Raises ValueError where there are fewer values than blocks.
    """
    return np.median(_blocks(values, blocks), axis=1)


def block_means(values: Floats, blocks: int) -> Floats:
    """Means of *blocks* equal consecutive blocks, shape (blocks,); the oldest remainder is left out."""
    return _blocks(values, blocks).mean(axis=1)  # type: ignore[no-any-return]


def _blocks(values: Floats, blocks: int) -> Floats:
    size = len(values) // blocks
    if size < 1:
        raise ValueError(f"{len(values)} values do not fill {blocks} blocks")
    return values[len(values) - size * blocks :].reshape(blocks, size)
