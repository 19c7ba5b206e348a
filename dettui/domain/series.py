"""A series: the values of one tag over the steps of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Steps: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Series:
    """An immutable view of one tag: ``steps`` and ``values`` have shape (n,), in order of arrival.

    The arrays are read-only views on the store's append-only blocks: taking one copies nothing, and later growth
    of the store does not show.  Values may be NaN or infinite; those are news, not noise.  They are float32 or
    float64: whoever sums them up widens them first.
    """

    tag: str
    steps: Steps
    values: Floats
    times: Floats  # seconds since the epoch
    unit: str = ""
    starts: tuple[int, ...] = ()  # first points of later starts of the run, whose steps may begin anew

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def strands(self) -> tuple[Series, ...]:
        """The points of each start of the run that has some, the newest last: steps do not fall within one."""
        ends = (*self.starts, len(self))
        cuts = [slice(first, end) for first, end in zip((0, *self.starts), ends, strict=True) if first < end]
        if len(cuts) <= 1:
            return (self,)
        return tuple(Series(self.tag, self.steps[c], self.values[c], self.times[c], self.unit) for c in cuts)

    @property
    def last(self) -> float | None:
        """The newest value, None where there is none."""
        return float(self.values[-1]) if len(self.values) else None

    def between(self, first: int, last: int) -> Series:
        """The points with ``first <= step <= last``; steps are non-decreasing within a strand."""
        low = int(np.searchsorted(self.steps, first, side="left"))
        high = int(np.searchsorted(self.steps, last, side="right"))
        return Series(self.tag, self.steps[low:high], self.values[low:high], self.times[low:high], self.unit)

    def newest(self, points: int) -> Series:
        """The newest *points* > 0 points, or all where there are fewer; what was told of strands is left behind."""
        tail = slice(-points, None)
        return Series(self.tag, self.steps[tail], self.values[tail], self.times[tail], self.unit)


@dataclass(frozen=True, eq=False)
class ClassCounts:
    """How often each class occurred so far.  ``seen[k]`` belongs to class id ``k``; shape (K,)."""

    kind: str  # "targets" | "predictions"
    names: tuple[str, ...]
    seen: NDArray[np.int64]
    first_step: int = 0
    last_step: int = 0
