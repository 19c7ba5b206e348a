"""What the learning rate has done so far: warm-up, peaks, drops, restarts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dettui.domain.series import Floats, Series, Steps
from dettui.numerics.robust import are_usable, is_usable

DROP_FACTOR = 3.0
"""A fall by this factor between two steps is a drop (detection.md L7); smooth decay is not."""
BURST_FACTOR = 5.0
BURST_AFTER = 50
"""A rise by this factor at once, after so many points without change, is no warm-up."""
WARMUP_SHARE = 0.95
"""Warm-up ends where the LR first reaches this share of its first peak (diagnosis.md 3.0)."""


STAIRS = 4
"""Rises that make a staircase."""
STAIR_SLACK = 1.25
"""Times as long as the longest of its stairs, until which the next rise may come."""


@dataclass(frozen=True)
class Schedule:
    """The LR of one param group up to one step."""

    now: float
    first: float
    peak: float
    held_peak: float  # the peak outside bursts: an LR that jumped up and back again did not decay
    warmup_end: int  # step at which the LR first came near its first peak
    rising: bool  # still on its way to the first peak
    drops: tuple[int, ...]  # steps at which the LR fell by DROP_FACTOR or more at once
    restarts: tuple[int, ...]  # steps at which it rose by DROP_FACTOR or more at once, after the first peak
    decaying: bool  # fell lately, and not in one drop
    zero_since: int | None  # first step of the newest stretch of exactly zero
    constant: bool

    @property
    def decayed_share(self) -> float:
        """LR as a share of its peak, bursts left out; 1 where it never rose above zero."""
        return self.now / self.held_peak if self.held_peak > 0 else 1.0


def read_schedule(lr: Series) -> Schedule | None:
    """The schedule behind the points of *lr* (shape (n,)); None where no finite point came."""
    if len(lr) and np.isfinite(lr.values[0]) and (lr.values == lr.values[0]).all():
        return _constant(lr)
    steps, values = lr.steps, lr.values.astype(np.float64)
    if len(values) and not are_usable(values):
        finite = is_usable(values)
        steps, values = steps[finite], values[finite]
    if len(values) == 0:
        return None
    changes = np.flatnonzero(values[1:] != values[:-1])
    top = _first_peak(values, changes)
    warm = int(np.argmax(values[: top + 1] >= WARMUP_SHARE * values[top]))
    drops, restarts = _jumps(steps, values, changes, after=top)
    return Schedule(
        now=float(values[-1]),
        first=float(values[0]),
        peak=float(values.max()),
        held_peak=_held_peak(values, changes),
        warmup_end=int(steps[warm]) if warm > 0 else int(steps[0]),
        rising=top == len(values) - 1 and _rose_lately(steps, changes),
        drops=drops,
        decaying=_falls_lately(steps, values, changes),
        restarts=restarts,
        zero_since=_zero_since(steps, values),
        constant=len(changes) == 0,
    )


def _constant(lr: Series) -> Schedule:
    """Of an LR that never changed: told apart first, since most runs have one and the rest costs ten times as much."""
    value, first = float(lr.values[0]), int(lr.steps[0])
    return Schedule(
        now=value,
        first=value,
        peak=value,
        held_peak=value,
        warmup_end=first,
        rising=False,
        drops=(),
        restarts=(),
        decaying=False,
        zero_since=first if value == 0 else None,
        constant=True,
    )


def _first_peak(values: Floats, changes: Steps) -> int:
    """Index of the last point before the first fall or burst; the newest point where neither came."""
    before, behind = values[changes], values[changes + 1]
    settled = changes >= BURST_AFTER
    ends = changes[
        (behind < before) | (settled & (np.diff(changes, prepend=0) >= BURST_AFTER) & (behind >= BURST_FACTOR * before))
    ]
    return int(ends[0]) if len(ends) else len(values) - 1


def _held_peak(values: Floats, changes: Steps) -> float:
    """The greatest value outside bursts; the greatest of all where the newest point lies in one."""
    before, behind = values[changes], values[changes + 1]
    rises = changes[(changes >= BURST_AFTER) & (behind >= BURST_FACTOR * before)]
    falls = changes[before >= BURST_FACTOR * behind]
    held = np.ones(len(values), dtype=np.bool_)
    for rise in rises:
        back = falls[falls > rise]
        if len(back) and back[0] - rise <= max(BURST_AFTER, len(values) // 10):
            held[rise + 1 : back[0] + 1] = False
    return float(values[held].max())


def _lately(steps: Steps) -> int:
    """How many of the newest points are late: 5 % of them, or those of the newest 20 steps, of which a thinned series
    has few."""
    stride = (int(steps[-1]) - int(steps[0])) / max(len(steps) - 1, 1)
    return max(3, round(20 / max(stride, 1.0)), len(steps) // 20)


def _rose_lately(steps: Steps, changes: Steps) -> bool:
    """True where the newest rise is late, or as late as those of a staircase are, which rises once an epoch."""
    if not len(changes):
        return False
    since, stair = len(steps) - int(changes[-1]), np.diff(changes[-STAIRS:])
    return since <= _lately(steps) or (len(stair) == STAIRS - 1 and since <= STAIR_SLACK * int(stair.max()))


def _falls_lately(steps: Steps, values: Floats, changes: Steps) -> bool:
    """True where the LR fell twice or more of late, by less than a drop."""
    newest = changes[changes >= len(values) - _lately(steps)]
    gentle = (values[newest + 1] < values[newest]) & (values[newest + 1] * DROP_FACTOR > values[newest])
    return int(np.count_nonzero(gentle)) >= 2


def _jumps(steps: Steps, values: Floats, changes: Steps, after: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    before, behind = values[changes], values[changes + 1]
    positive = (before > 0) & (behind > 0)
    drops = changes[positive & (before >= DROP_FACTOR * behind)] + 1
    restarts = changes[positive & (behind >= DROP_FACTOR * before) & (changes >= after)] + 1
    return tuple(int(s) for s in steps[drops]), tuple(int(s) for s in steps[restarts])


def _zero_since(steps: Steps, values: Floats) -> int | None:
    if values[-1] != 0:
        return None
    moving = np.flatnonzero(values)
    return int(steps[moving[-1] + 1]) if len(moving) else int(steps[0])
