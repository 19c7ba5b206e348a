"""A sample of the gradient: how much of it is exactly zero, and whether successive gradients agree."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dettui_probe import tags
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Tensor, strided_view, torch
from dettui_probe.capture.tracked import SampleMatrix


class GradientSketch:
    """Samples every gradient at fixed coordinates into a matrix, and keeps the one of the step before."""

    def __init__(self, matrix: SampleMatrix) -> None:
        self._matrix = matrix
        self._now, self._now_rows = matrix.new_buffer()
        self._last, self._last_rows = matrix.new_buffer()
        self._last_step = -1

    def read(self, step: int) -> Reading | None:
        """Sample the gradients of *step* as they are now."""
        present = [row for row, param in enumerate(self._matrix.params) if _fits(param)]
        if not present:
            return None
        self._swap()
        if len(present) < len(self._now_rows):
            self._now.zero_()
        grads = [strided_view(grad) for row in present if (grad := self._matrix.params[row].grad) is not None]
        torch._foreach_copy_([self._now_rows[row] for row in present], grads)
        successive, self._last_step = self._last_step == step - 1, step
        return self._reading(present, successive)

    def _swap(self) -> None:
        self._now, self._last = self._last, self._now
        self._now_rows, self._last_rows = self._last_rows, self._now_rows

    def _reading(self, present: Sequence[int], successive: bool) -> Reading:
        matrix = self._matrix
        tensors = [torch.count_nonzero(self._now, dim=1)]
        if successive:
            tensors += [(self._now * other).sum(dim=1) for other in (self._last, self._now)]
            tensors.append((self._last * self._last).sum(dim=1))

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            _write_zeros(sheet, matrix, present, arrived[0].tolist())
            if len(arrived) > 1:
                _write_agreement(sheet, matrix, *(column.tolist() for column in arrived[1:]))

        return Reading(tensors, decode)


def _fits(param: Tensor) -> bool:
    """True where the gradient lies in memory as the parameter does, so that one stride samples both."""
    grad = param.grad
    return grad is not None and not grad.is_sparse and grad.stride() == param.stride()


def _write_zeros(sheet: Sheet, matrix: SampleMatrix, present: Sequence[int], nonzero: Sequence[int]) -> None:
    zeros = {row: matrix.lengths[row] - nonzero[row] for row in present}
    sheet.values[tags.GRAD_ZERO] = sum(zeros.values()) / sum(matrix.lengths[row] for row in present)
    if sheet.detailed:
        sheet.values.update(
            {tags.LAYER_GRAD_ZERO + matrix.names[row]: zero / matrix.lengths[row] for row, zero in zeros.items()}
        )


def _write_agreement(
    sheet: Sheet, matrix: SampleMatrix, dots: Sequence[float], now: Sequence[float], last: Sequence[float]
) -> None:
    """cos(g_t, g_{t-1}); each row weighs as many elements as its tensor has, not as were sampled."""
    weights = [numel / length for numel, length in zip(matrix.numels, matrix.lengths, strict=True)]

    def weighed(column: Sequence[float]) -> float:
        return sum(weight * value for weight, value in zip(weights, column, strict=True))

    norms = math.sqrt(weighed(now)) * math.sqrt(weighed(last))
    if norms > 0 and math.isfinite(norms):
        sheet.values[tags.GRAD_AGREEMENT] = weighed(dots) / norms
