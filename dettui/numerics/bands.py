"""Mean and spread of several curves over the same axis: what seeds of one setting have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dettui.domain.series import Series
from dettui.numerics.decimation import level_for

_PLACES = 512
"""At most of a band; a screen has fewer columns."""


class Band(NamedTuple):
    """Two series over the same places: the mean, and (twice a place) the least and the greatest value."""

    mean: Series
    spread: Series


def band_over(curves: Sequence[Series], tag: str, version: int = 0) -> Band:
    """The band of *curves*, of which one at least is not empty, at places 2^k apart that do not move while they grow.

    Between two points a curve is a straight line; beyond its ends, and where it is not finite, it does not count.
    *version* stands as time of the points: whoever keeps what it read of an earlier band sees that this is another.
    """
    first = min(int(curve.steps[0]) for curve in curves if len(curve))
    last = max(int(curve.steps[-1]) for curve in curves if len(curve))
    k = level_for(first, last, _PLACES)
    places = np.unique(np.clip(np.arange(first >> k, (last >> k) + 2) << k, first, last))
    table = np.stack([_values_at(places, curve) for curve in curves if len(curve)])
    there = np.isfinite(table).any(axis=0)
    places, table = places[there], table[:, there]
    times = np.full(len(places), float(version))
    mean = np.nanmean(table, axis=0) if len(places) else np.empty(0)
    spread = np.stack([np.nanmin(table, axis=0), np.nanmax(table, axis=0)], axis=1).ravel() if len(places) else mean
    unit = curves[0].unit
    return Band(
        Series(f"{tag} mean", places, mean, times, unit),
        Series(f"{tag} spread", np.repeat(places, 2), spread, np.repeat(times, 2), unit),
    )


def _values_at(
    places: np.ndarray[tuple[int], np.dtype[np.int64]], curve: Series
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    finite = np.isfinite(curve.values)
    steps, values = (curve.steps, curve.values) if finite.all() else (curve.steps[finite], curve.values[finite])
    if not len(steps):
        return np.full(len(places), np.nan)
    return np.interp(places, steps, values, left=np.nan, right=np.nan)
