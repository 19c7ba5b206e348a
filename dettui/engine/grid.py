"""At which steps a run is evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Strides:
    """Cells of steps, by bands.  Each bound is a multiple of the stride that follows it."""

    bands: tuple[tuple[int, int], ...]  # (up to this step, stride)
    after: int

    def cell_end(self, step: int) -> int:
        """The last step of the cell of *step*."""
        stride = next((stride for upto, stride in self.bands if step <= upto), self.after)
        return -(-step // stride) * stride


@dataclass(frozen=True)
class EvaluationGrid:
    """Cells of steps; a run is evaluated at the end of each cell in which something came.

    The grid depends on nothing but the step number.  It is dense at first, where exact checks save the most time, and
    coarse later.  Statistics have cells of their own, each made of whole cells of the exact checks: a statistic over
    tens of steps changes little from one step to the next, and costs most of an evaluation.
    """

    exact: Strides
    statistics: Strides


GRID: Final = EvaluationGrid(
    exact=Strides(((16, 1), (64, 4), (1024, 16)), 32),
    statistics=Strides(((64, 8), (512, 16), (2048, 32)), 64),
)
"""A third or less of the cost of one dense grid for both; a statistical finding comes at most 3 % of the run later."""
