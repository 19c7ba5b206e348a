"""How much successive points repeat each other."""

from __future__ import annotations

import numpy as np

from dettui.domain.series import Floats


def autocorrelations(values: Floats, lags: int) -> Floats:
    """``rho_1 .. rho_lags`` of *values* (shape (n,)), biased estimate; zeros where the values are constant."""
    centred = values - values.mean()
    power = float(centred @ centred)
    if power <= 0:
        return np.zeros(lags)
    return np.array([float(centred[k:] @ centred[:-k]) / power if k < len(values) else 0.0 for k in range(1, lags + 1)])


def integrated_time(values: Floats, lags: int = 10) -> float:
    """``tau = 1 + 2 sum_{k <= lags} rho_k``, clipped to [1, 50]: n correlated points weigh as n / tau do.

    Sokal's integrated autocorrelation time, cut at a fixed lag and at the first negative rho (diagnosis.md 3.0).
    """
    rho = autocorrelations(values, lags)
    negative = np.flatnonzero(rho < 0)
    kept = rho[: negative[0]] if len(negative) else rho
    return float(np.clip(1.0 + 2.0 * kept.sum(), 1.0, 50.0))


def lag1_z(values: Floats) -> float:
    """``r_1 sqrt n``: about standard normal for white noise (Bartlett); below -4 successive points alternate."""
    return float(autocorrelations(values, 1)[0] * np.sqrt(len(values)))
