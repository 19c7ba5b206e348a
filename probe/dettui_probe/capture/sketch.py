"""A sample of gradients and weights at fixed coordinates, in two successive steps: zeros, and four directions.

Of gradient g_t, step d_t and weights w_t these cosines are read: (g_t, g_t-1), whether successive gradients agree;
(g_t, d_t-1), above 0 where the step before went beyond the minimum along itself; (g_t-1, d_t-1), above 0 where the
step climbs; (-d_t-1, w_t-1), near 1 where the step does nothing but shrink the weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from dettui_probe import tags
from dettui_probe.capture import half
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Tensor, strided_view, torch
from dettui_probe.capture.tracked import SampleMatrix

_MOVED: Final = 2  # place of the step between the gradients (places 0 and 1, in turn) and the weights before it
_BEFORE: Final = 3


class GradientSketch:
    """Samples every gradient and weight at fixed coordinates, and keeps those of the step before."""

    def __init__(self, matrix: SampleMatrix) -> None:
        self._matrix = matrix
        self._places, rows = matrix.new_buffer(4)
        self._gradient_rows = rows[:2]
        self._weights, self._weight_rows = matrix.new_buffer(1)
        self._now = 0  # place of the newest gradients
        self._last_step = -1
        self._numels = torch.tensor(matrix.numels, dtype=torch.float64)
        self._lengths = torch.tensor(matrix.lengths, dtype=torch.float64)
        self._lengths_there = self._lengths.to(self._places.device)

    def read(self, step: int) -> Reading | None:
        """Sample the gradients of *step*, and the weights, as they are before the optimizer steps."""
        present = [row for row, param in enumerate(self._matrix.params) if _fits(param)]
        if not present:
            return None
        self._now = 1 - self._now
        self._sample_gradients(present)
        successive, self._last_step = self._last_step == step - 1, step
        self._sample_weights(successive)
        return self._reading(present, successive, half.CADENCE.due(step))

    def _sample_gradients(self, present: Sequence[int]) -> None:
        rows = self._gradient_rows[self._now]
        if len(present) < len(rows):
            self._places[:, self._now].zero_()
        grads = [strided_view(grad) for row in present if (grad := self._matrix.params[row].grad) is not None]
        torch._foreach_copy_([rows[row] for row in present], grads)

    def _sample_weights(self, successive: bool) -> None:
        weights = self._weights[:, 0]
        if successive:
            self._places[:, _BEFORE].copy_(weights)
        torch._foreach_copy_(self._weight_rows[0], self._matrix.live_views())
        if successive:
            torch.sub(weights, self._places[:, _BEFORE], out=self._places[:, _MOVED])

    def _reading(self, present: Sequence[int], successive: bool, looks_for_half: bool) -> Reading:
        matrix, now = self._matrix, self._now
        tensors = [torch.count_nonzero(self._places[:, now], dim=1)]
        if looks_for_half:
            tensors.append(half.counts_of_half(self._places[:, now], self._lengths_there))
        if successive:
            tensors.append(torch.bmm(self._places, self._places.transpose(1, 2)))

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            _write_zeros(sheet, matrix, present, arrived[0].tolist())
            if looks_for_half:
                half.write_shares(sheet.values, arrived[1].tolist())
            if successive:  # each row weighs as many elements as its tensor has, not as were sampled
                weights = (self._numels / self._lengths)[:, None, None]
                _write_directions(sheet, (arrived[-1].double() * weights).sum(dim=0).tolist(), now)

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


def _write_directions(sheet: Sheet, products: Sequence[Sequence[float]], now: int) -> None:
    """Cosines from the inner *products* of the four places, [4][4]."""
    last = 1 - now
    wanted = {
        tags.GRAD_AGREEMENT: (now, last, 1.0),
        tags.UPDATE_OVERSHOOT: (now, _MOVED, 1.0),
        tags.UPDATE_ASCENT: (last, _MOVED, 1.0),
        tags.UPDATE_DECAY: (_BEFORE, _MOVED, -1.0),
    }
    for tag, (a, b, sign) in wanted.items():
        lengths = math.sqrt(max(products[a][a], 0.0)) * math.sqrt(max(products[b][b], 0.0))
        if lengths > 0 and math.isfinite(lengths):
            sheet.values[tag] = sign * products[a][b] / lengths
