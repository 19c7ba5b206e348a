"""At which steps a run is evaluated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple


@dataclass(frozen=True)
class Strides:
    """Cells of steps, by bands.  Each bound is a multiple of the stride that follows it."""

    bands: tuple[tuple[int, int], ...]  # (up to this step, stride)
    after: int

    def cell_end(self, step: int) -> int:
        """The last step of the cell of *step*."""
        stride = self._stride(step)
        return -(-step // stride) * stride

    def cell_before(self, step: int) -> int:
        """The last step of the cell before that of *step*; 0 where it lies in the first one."""
        stride = self._stride(step)
        return (-(-step // stride) - 1) * stride

    def _stride(self, step: int) -> int:
        return next((stride for upto, stride in self.bands if step <= upto), self.after)


HURRIED: Final = 50
"""Steps a second beyond which nobody can follow, and a second more or less does not matter."""


@dataclass(frozen=True)
class Pace:
    """How soon after one evaluation the next may come, in seconds of the run's own clock."""

    share: float  # of the time that the run has taken so far, to begin with
    at_most_s: float
    later_share: float = 0.0  # the same once that is more than at_most_s
    later_at_most_s: float = 0.0
    hurried_at_most_s: float = 0.0  # of a run of more than HURRIED steps a second

    def is_due(self, since_s: float, so_far_s: float, steps: int = 0) -> bool:
        """True *since_s* and *steps* after the last evaluation, *so_far_s* into the run; also where the clock was set
        back."""
        later = min(self.later_share * so_far_s, self.later_at_most_s)
        hurried = self.hurried_at_most_s if steps > HURRIED * since_s else 0.0
        return not 0 <= since_s < min(self.share * so_far_s, max(self.at_most_s, later, hurried))


@dataclass(frozen=True)
class EvaluationGrid:
    """Cells of steps; a run is evaluated at the end of a cell in which something came, where it is due.

    The grid depends on nothing but the step numbers and times that the run recorded, so that a recording is evaluated
    where the live run was.  It is dense at first, where exact checks save the most time, and coarse later.  Statistics
    have cells of their own, each made of whole cells of the exact checks: a statistic over tens of steps changes
    little from one step to the next, and costs most of an evaluation.  The paces spare runs of many steps a second,
    which nobody can follow step by step; one of ten steps a second is hardly touched by them.
    """

    exact: Strides
    statistics: Strides
    exact_pace: Pace = Pace(0.0, 0.0)
    statistics_pace: Pace = Pace(0.0, 0.0)


GRID: Final = EvaluationGrid(
    exact=Strides(((16, 1), (64, 4), (1024, 16)), 32),
    statistics=Strides(((64, 8), (512, 16), (2048, 32)), 64),
    exact_pace=Pace(0.25, 1.0, later_share=0.01, later_at_most_s=2.0, hurried_at_most_s=2.0),
    statistics_pace=Pace(0.25, 2.5, later_share=0.02, later_at_most_s=10.0, hurried_at_most_s=5.0),
)
"""A third or less of the cost of one dense grid for both; a statistical finding comes at most 3 % of the run later.

64 runs of 100 steps a second are evaluated 32 times a second exactly and 13 times statistically, later 32 and 6 times,
not 200 and 100."""


class Due(NamedTuple):
    """What is to be evaluated at the end of one cell."""

    exact: bool
    statistics: bool


class EvaluationClock:
    """When one start of a run is due for an evaluation: by its steps, and by the times of its rows."""

    def __init__(self, grid: EvaluationGrid) -> None:
        self._grid = grid
        self._began: float | None = None
        self._now = -math.inf  # greatest time of the open cell, then that of the one closed last
        self._is_open = False
        self._evaluated_at = [-math.inf, -math.inf]  # exactly, statistically
        self._evaluated_step = [0, 0]

    def advance(self, first: float, last: float) -> None:
        """Rows of the open cell were made, the first at *first* and none later than *last*, in seconds."""
        if self._began is None:
            self._began = first
        self._now = max(self._now, last) if self._is_open else last
        self._is_open = True

    def due(self, cell: int, following: int | None) -> Due:
        """What is due at the end of *cell*, before the step *following*; everything where nothing follows."""
        self._is_open = False
        if following is None:
            return self._marked(Due(exact=True, statistics=True))
        cell_end = self._grid.statistics.cell_end
        ends_statistics = cell_end(following) > cell_end(cell)
        statistics = ends_statistics and self._is_time(1, cell, self._grid.statistics_pace)
        due = Due(statistics or self._is_time(0, cell, self._grid.exact_pace), statistics)
        self._evaluated_step = [
            cell if is_due else before for is_due, before in zip(due, self._evaluated_step, strict=True)
        ]
        return self._marked(due)

    def skipped(self, last_step: int) -> int | None:
        """The end of the last cell of statistics before *last_step*, where it was not evaluated: the run was too fast.

        A run that ends has its last evaluation brought forward.  A slower one would have been asked here before, and
        what only its last steps show can be confirmed by no other evaluation.
        """
        before = self._grid.statistics.cell_before(last_step)
        return before if before > self._evaluated_step[1] else None

    def _is_time(self, which: int, cell: int, pace: Pace) -> bool:
        so_far = self._now - self._began if self._began is not None else 0.0
        return pace.is_due(self._now - self._evaluated_at[which], so_far, cell - self._evaluated_step[which])

    def _marked(self, due: Due) -> Due:
        self._evaluated_at = [
            self._now if is_due else before for is_due, before in zip(due, self._evaluated_at, strict=True)
        ]
        return due
