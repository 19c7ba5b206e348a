"""Exponential smoothing as TensorBoard draws it: debiased, so that the first points are not pulled to zero.

Source: tensorboard/components/vz_line_chart2, ``resmoothDataset``: ``s_n = w s_{n-1} + (1 - w) x_n``, shown as
``s_n / (1 - w**n)`` where n counts the finite points.  Non-finite points are passed
through and leave the state as it was.
"""

from __future__ import annotations

import math

import numpy as np

from dettui.domain.series import Floats, Series

_MAX_AMPLIFICATION = 1e6
"""Inside a block the closed form divides by w**i; beyond this factor it would cost more than ten digits."""

_MAX_BLOCK = 1024

_GONE = 40.0
"""1 - exp(-40) is 1 to the last bit."""


class Ema:
    """The smoothing of one stream, taken in pieces of any size.  Not safe for concurrent use."""

    def __init__(self, weight: float) -> None:
        """Smooth with *weight* w, 0 <= w < 1.  Raises ValueError outside that range."""
        if not 0 <= weight < 1:
            raise ValueError(f"a smoothing weight lies in [0, 1), not {weight}")
        self._weight = weight
        self._state = 0.0
        self._seen = 0
        self._block = _block_length(weight)
        self._settled = math.ceil(_GONE / -math.log(weight)) if weight else 0  # points after which no bias is left

    def extend(self, values: Floats) -> Floats:
        """The smoothed counterparts of the next *values*, shape (n,); non-finite ones stay as they are."""
        finite = np.isfinite(values)
        smoothed = np.array(values, dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # near the largest float: what overflows is not drawn
            if finite.all():
                return self._smooth(smoothed)
            smoothed[finite] = self._smooth(smoothed[finite])
        return smoothed

    def _smooth(self, values: Floats) -> Floats:
        if self._weight == 0 or not len(values):
            return values
        smoothed = self._recur(values)
        self._state = float(smoothed[-1])
        biased = smoothed[: max(0, self._settled - self._seen)]
        exponents = np.arange(self._seen + 1, self._seen + len(biased) + 1)
        biased /= -np.expm1(exponents * math.log(self._weight))
        self._seen += len(values)
        return smoothed

    def _recur(self, values: Floats) -> Floats:
        """``s_n`` for all *values*: closed form inside blocks, one multiplication from block to block."""
        w, n, block = self._weight, len(values), self._block
        padded = np.zeros((-(-n // block), block))
        padded.ravel()[:n] = values
        powers = w ** np.arange(block + 1)
        padded /= powers[:block]  # in place from here on: fresh memory costs more than the sums
        inside = np.cumsum(padded, axis=1, out=padded)
        inside *= 1 - w
        inside *= powers[:block]
        state, decay = self._state, float(powers[block])
        carried = []
        for added in inside[:, -1].tolist():
            carried.append(state)
            state = state * decay + added
        inside += np.array(carried)[:, None] * powers[1:]
        return np.asarray(inside.ravel()[:n])


def _block_length(weight: float) -> int:
    if weight == 0:
        return 1
    return max(2, min(_MAX_BLOCK, int(math.log(_MAX_AMPLIFICATION) / -math.log(weight))))


def smooth(values: Floats, weight: float) -> Floats:
    """*values* smoothed with *weight*; both have shape (n,)."""
    return Ema(weight).extend(values)


class SmoothedCache:
    """Smoothed counterparts of growing series; a call costs as much as the points that are new.

    Owned by one chart; not safe for concurrent use.
    """

    def __init__(self) -> None:
        self._tracks: dict[tuple[str, float], _SmoothedTrack] = {}

    def series(self, series: Series, weight: float) -> Series:
        """*series* with its values smoothed; its tag tells it from the raw one."""
        track = self._tracks.get((series.tag, weight))
        if track is None or not track.continues(series):
            track = self._tracks[series.tag, weight] = _SmoothedTrack(weight)
        values = track.extend(series)
        return Series(f"{series.tag}~{weight:g}", series.steps, values, series.times, series.unit)


class _SmoothedTrack:
    def __init__(self, weight: float) -> None:
        self._ema = Ema(weight)
        self._values = np.empty(0)
        self._size = 0
        self._ends: tuple[tuple[int, float], ...] = ()

    def continues(self, series: Series) -> bool:
        """Whether *series* begins with the points seen before."""
        if not self._size:
            return True
        return len(series) >= self._size and self._ends == _ends(series, self._size)

    def extend(self, series: Series) -> Floats:
        """Smooth what is new of *series*; a read-only view of all of it."""
        n = len(series)
        fresh = self._ema.extend(series.values[self._size :])
        if not self._size:
            self._values = fresh
        else:
            if n > len(self._values):
                self._values = np.concatenate([self._values[: self._size], np.empty(n)])
            self._values[self._size : n] = fresh
        self._size, self._ends = n, _ends(series, n) if n else ()
        view = self._values[:n]
        view.flags.writeable = False
        return view


def _ends(series: Series, n: int) -> tuple[tuple[int, float], ...]:
    return tuple((int(series.steps[i]), float(series.times[i])) for i in (0, n - 1))
