"""How far an optimizer step moves each parameter, from fixed samples of at most SAMPLE_WIDTH elements."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Sequence

from dettui_probe import tags
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Tensor, torch
from dettui_probe.capture.tracked import SampleMatrix, Tracked


class Updates:
    """Copies samples of the weights before the step and compares after it.  Buffers and views are made once."""

    def __init__(self, matrix: SampleMatrix) -> None:
        self._matrix = matrix
        buffer, (self._before_rows, self._after_rows) = matrix.new_buffer(2)
        self._before, self._after = buffer[:, 0], buffer[:, 1]
        self._armed = False

    def before(self) -> None:
        """Copy the samples as they are before the optimizer step."""
        if not self._matrix.params:
            return
        torch._foreach_copy_(self._before_rows, self._matrix.live_views())
        self._armed = True

    def moved(self) -> Tensor:
        """How far the sample of each parameter is from where ``before`` found it, shape (rows,)."""
        if self._matrix.params:
            torch._foreach_copy_(self._after_rows, self._matrix.live_views())
        moved: Tensor = torch.linalg.vector_norm(self._after - self._before, dim=1)
        return moved

    def after(self, held: Collection[int]) -> Reading | None:
        """Compare with the samples after the step.  *held*: ids of the parameters that the optimizers hold."""
        if not self._armed:
            return None
        self._armed = False
        moved = self.moved()
        norms = torch.linalg.vector_norm(self._before, dim=1)
        rows = [row for row, param in enumerate(self._matrix.params) if id(param) in held]
        matrix = self._matrix

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            _write(sheet, matrix, rows, arrived[0].tolist(), arrived[1].tolist())

        return Reading([moved, norms], decode)


def _write(
    sheet: Sheet, matrix: SampleMatrix, rows: Sequence[int], moved: Sequence[float], norms: Sequence[float]
) -> None:
    ratios = {row: moved[row] / norms[row] for row in rows if norms[row] > 0}
    if ratios:
        sheet.values[tags.UPDATE_RATIO] = statistics.median(ratios.values())
    if rows:
        sheet.values[tags.UPDATE_UNCHANGED] = sum(moved[row] == 0 for row in rows) / len(rows)
    if sheet.detailed:
        names = matrix.names
        sheet.values.update({tags.LAYER_UPDATE_RATIO + names[row]: ratio for row, ratio in ratios.items()})


class Weights:
    """L2 norms of all trainable parameters: one read of the weights."""

    def read(self, tracked: Tracked) -> Reading | None:
        """The norms as they are now."""
        params = tracked.params
        dense = [i for i, param in enumerate(params) if param.is_floating_point() and not param.is_sparse]
        if not dense:
            return None
        norms = torch.stack(torch._foreach_norm([params[i] for i in dense], 2, dtype=torch.float32))
        kept = [tracked.names[i] for i in dense]

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            values = arrived[0].tolist()
            sheet.values[tags.WEIGHT_NORM] = math.sqrt(sum(norm * norm for norm in values))
            sheet.values[tags.WEIGHT_NONFINITE] = sum(not math.isfinite(norm) for norm in values)
            if sheet.detailed:
                sheet.values.update(
                    {tags.LAYER_WEIGHT_NORM + name: norm for name, norm in zip(kept, values, strict=True)}
                )

        return Reading([norms], decode)
