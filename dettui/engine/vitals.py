"""How a run is getting on."""

from __future__ import annotations

from typing import Final

import numpy as np

from dettui.domain.frame import Vitals
from dettui.domain.run import RunInfo
from dettui.domain.series import Series
from dettui.store.run_store import RunStore
from dettui_probe import tags

RATE_WINDOW_S: Final = 30.0
"""Of data time: long enough to smooth evaluation pauses, short enough to show a slow-down within a minute."""


def read_vitals(store: RunStore, data_age_s: float | None, is_over: bool, holes: int, left_out: int = 0) -> Vitals:
    """The vitals of the run in *store*."""
    rate = steps_per_second(_clock_of_steps(store))
    beat = store.beat
    return Vitals(
        step=store.last_step,
        rate=rate,
        eta_s=None if is_over else time_left(store.info, store.last_step, rate),
        data_age_s=data_age_s,
        overhead=beat.overhead if beat else None,
        dropped=beat.dropped if beat else 0,
        thinned=dict(beat.thinned) if beat else {},
        holes=holes,
        left_out=left_out,
        points=store.points,
        held_bytes=store.held_bytes,
    )


def steps_per_second(series: Series | None) -> float | None:
    """Steps per second of data time over the newest RATE_WINDOW_S, None where that is not two points."""
    if series is None or len(series) < 2:
        return None
    start = int(np.searchsorted(series.times, series.times[-1] - RATE_WINDOW_S, side="left"))
    start = min(start, len(series) - 2)
    seconds = float(series.times[-1]) - float(series.times[start])  # of a hostile run both may be infinite
    steps = int(series.steps[-1]) - int(series.steps[start])  # of a hostile run beyond 64 bits
    return steps / seconds if seconds > 0 and steps > 0 else None


def time_left(info: RunInfo | None, step: int, rate: float | None) -> float | None:
    """Seconds to the planned end at the present rate, None where the total or the rate is unknown."""
    if info is None or info.total_steps is None or not rate:
        return None
    return max(info.total_steps - step, 0) / rate


def _clock_of_steps(store: RunStore) -> Series | None:
    """The series that tells best when each step was: the loss, or whatever came first."""
    loss = store.strand_series(tags.LOSS_TOTAL)
    if loss is not None and len(loss):
        return loss
    names = store.tags()
    return store.strand_series(names[0]) if names else None
