"""Whether the gradients outrun Adam's second moment, and optimizers that begin a step without any state."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from dettui_probe import tags
from dettui_probe.capture.cadence import Cadence
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Optimizer, Tensor, strided_view, torch
from dettui_probe.capture.tracked import SampleMatrix

CADENCE: Final = Cadence(full=32, every=8)
LEAST_ELEMENTS: Final = 16  # of a tensor: a mean of g^2 / v over fewer says little
_SECOND_MOMENT: Final = "exp_avg_sq"


class _Lag(NamedTuple):
    """One tensor's gradient and second moment, and what corrects that for its age."""

    row: int
    grad: Tensor
    moment: Tensor
    correction: float


class SecondMoments:
    """``RMS = sqrt(mean(g^2 / v))`` of every tensor, v as it is before the step; above 2.3 a step comes out far too
    large (Wortsman et al. 2023, stable and low-precision training)."""

    def __init__(self, matrix: SampleMatrix) -> None:
        self._matrix = matrix
        self._row_of = {id(param): row for row, param in enumerate(matrix.params)}
        buffer, (self._gradient_rows, self._moment_rows) = matrix.new_buffer(2)
        self._gradients, self._moments = buffer[:, 0], buffer[:, 1]

    def read(self, optimizers: Sequence[Optimizer]) -> Reading | None:
        """The gradients and the second moments as they are before the step."""
        lags = list(self._lags(optimizers))
        if not lags:
            return None
        torch._foreach_copy_([self._gradient_rows[lag.row] for lag in lags], [strided_view(lag.grad) for lag in lags])
        torch._foreach_copy_([self._moment_rows[lag.row] for lag in lags], [strided_view(lag.moment) for lag in lags])
        alive = self._moments > 0
        ratio = torch.where(alive, self._gradients.square() / self._moments, 0.0).sum(dim=1)
        corrections = {lag.row: lag.correction for lag in lags}

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            sums, counts = arrived[0].tolist(), arrived[1].tolist()
            means = [
                sums[row] / counts[row] * correction
                for row, correction in corrections.items()
                if counts[row] >= LEAST_ELEMENTS
            ]
            if means and all(map(math.isfinite, means)):
                sheet.values[tags.UPDATE_LAG] = math.sqrt(max(means))

        return Reading([ratio, alive.sum(dim=1)], decode)

    def _lags(self, optimizers: Sequence[Optimizer]) -> Iterator[_Lag]:
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                correction: float | None = None  # the same for all of a group, save parameters that skipped steps
                for param in group["params"]:
                    row, state = self._row_of.get(id(param)), optimizer.state.get(param, {})
                    moment = state.get(_SECOND_MOMENT)
                    if row is None or param.grad is None or moment is None:
                        continue
                    correction = _correction(group, state) if correction is None else correction
                    if correction is None:
                        break
                    if moment.stride() == param.stride() == param.grad.stride():
                        yield _Lag(row, param.grad, moment, correction)


def _correction(group: Mapping[str, Any], state: Mapping[str, Any]) -> float | None:
    """``1 - beta2^t``; None where the number of steps is not known without waiting for a device."""
    steps, betas = state.get("step"), group.get("betas")
    if betas is None or steps is None or (isinstance(steps, Tensor) and steps.device.type != "cpu"):
        return None
    count = float(steps)
    return 1.0 - float(betas[1]) ** count if count >= 1 and isinstance(betas[1], float) else None


def begins_afresh(optimizers: Collection[Optimizer]) -> bool | None:
    """Whether one of *optimizers* that keep state has none; None where none of them keeps any."""
    keeping = [optimizer for optimizer in optimizers if _keeps_state(optimizer)]
    return any(not optimizer.state for optimizer in keeping) if keeping else None


def _keeps_state(optimizer: Optimizer) -> bool:
    group = optimizer.param_groups[0]
    return "betas" in group or bool(group.get("momentum")) or bool(optimizer.state)
