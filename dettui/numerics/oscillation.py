"""Swings that white noise does not make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dettui.domain.series import Floats
from dettui.numerics.autocorrelation import autocorrelations


@dataclass(frozen=True)
class Periodicity:
    """The strongest line of a periodogram."""

    period: float  # in points
    p_value: float  # Fisher's bound for white noise
    share: float  # of the variance (g)


def turning_points_z(values: Floats) -> float:
    """Standardised number of turning points: ``E = 2(n-2)/3``, ``Var = (16n-29)/90`` (Bienaymé 1874).

    Above 4 the values zigzag more than white noise does.  0 for fewer than three values.
    """
    n = len(values)
    if n < 3:
        return 0.0
    ups = np.diff(values)
    turns = int(np.count_nonzero(ups[1:] * ups[:-1] < 0))
    return float((turns - 2.0 * (n - 2) / 3.0) / np.sqrt((16.0 * n - 29.0) / 90.0))


def fisher_g(values: Floats) -> Periodicity:
    """Fisher's test for a hidden period in *values* (shape (n,), n even, detrended).

    ``g = max I / sum I`` over the m = n/2 - 1 Fourier frequencies between 0 and 1/2; under white noise
    ``p <= m (1 - g)^(m-1)`` (Fisher 1929, first term of the series).
    """
    power = np.abs(np.fft.rfft(values - values.mean())[1:-1]) ** 2
    total = float(power.sum())
    if total <= 0:
        return Periodicity(float("inf"), 1.0, 0.0)
    best = int(np.argmax(power))
    m, g = len(power), float(power[best]) / total
    p_value = min(1.0, m * (1.0 - g) ** (m - 1))
    return Periodicity(len(values) / (best + 1.0), p_value, g)


def whitened(values: Floats) -> Floats:
    """*values* less what a first-order autoregression predicts, shape (n,); unchanged where r1 is not positive.

    Noise that remembers has a red spectrum, in which Fisher's test would see a slow wave.  r1 is taken from the
    values without their strongest line, so that a true wave does not pass for memory.
    """
    spectrum = np.fft.rfft(values - values.mean())
    best = 1 + int(np.argmax(np.abs(spectrum[1:-1])))
    spectrum[max(1, best - 1) : best + 2] = 0.0
    memory = float(autocorrelations(np.fft.irfft(spectrum, len(values)), 1)[0])
    if memory <= 0:
        return values
    return values - memory * np.concatenate((values[:1] * 0.0, values[:-1]))


def wave(values: Floats, period: float) -> tuple[float, float]:
    """(amplitude, share of the variance) of the sine of *period* points in *values*, and of its two neighbours in the
    spectrum, among which a period that does not divide the window is spread."""
    power = np.abs(np.fft.rfft(values - values.mean())) ** 2
    best = round(len(values) / period)
    near = float(power[max(1, best - 1) : best + 2].sum())
    total = float(power[1:].sum())
    return 2.0 * float(np.sqrt(near)) / len(values), near / total if total > 0 else 0.0
