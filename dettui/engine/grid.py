"""At which steps a run is evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class EvaluationGrid:
    """Cells of steps; a run is evaluated at the end of each cell in which something came.

    The grid depends on nothing but the step number.  It is dense at first, where exact checks save the most time, and
    coarse later, where a statistic over hundreds of steps changes little from one step to the next.  Each bound is a
    multiple of the stride that follows it.
    """

    bands: tuple[tuple[int, int], ...] = ((64, 1), (256, 4), (2048, 16))  # (up to this step, stride)
    stride_after: int = 32

    def cell_ends(self, steps: NDArray[np.int64]) -> NDArray[np.int64]:
        """The last step of the cell of each of *steps*; shape (n,) to (n,)."""
        bounds = [steps <= upto for upto, _ in self.bands]
        strides = np.select(bounds, [stride for _, stride in self.bands], default=self.stride_after)
        ends: NDArray[np.int64] = -(-steps // strides) * strides
        return ends


GRID: Final = EvaluationGrid()
