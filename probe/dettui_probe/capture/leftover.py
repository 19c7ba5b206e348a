"""Whether the gradients of the last step are still there when those of the next one are added to them."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Final

from dettui_probe import tags
from dettui_probe.capture.cadence import Cadence
from dettui_probe.capture.coverage import params_of
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Optimizer, Tensor, torch

CADENCE: Final = Cadence(full=16, every=8)
LARGEST: Final = 1 << 16  # elements of the parameter that is looked at
MOST_LOOKS: Final = 64  # backward passes of one step


class Leftover:
    """Follows the gradient of one small parameter from one step of its optimizer to the next.

    Only where it was neither gone nor zero before any backward pass in between was it never cleared.  That holds with
    gradients that are accumulated, which are cleared before the first of several passes, and where another network's
    loss is propagated through this one, which clears them later.
    """

    def __init__(self) -> None:
        self._watched: weakref.ReferenceType[Tensor] | None = None
        self._looks: list[Tensor] = []
        self._is_cleared = False

    def choose(self, stepped: Sequence[Optimizer]) -> None:
        """A parameter of the optimizers that *stepped*: the last one with a gradient, and then the same again."""
        self._looks, self._is_cleared = [], False
        held, stepping = self._param, params_of(stepped)
        if held is None or not _has_small_gradient(held) or not any(held is param for param in stepping):
            found = next((param for param in reversed(stepping) if _has_small_gradient(param)), None)
            self._watched = None if found is None else weakref.ref(found)

    def look(self) -> None:
        """A backward pass begins."""
        param = self._param
        if param is None or self._is_cleared or len(self._looks) >= MOST_LOOKS:
            return
        if param.grad is None:
            self._is_cleared = True
        else:
            self._looks.append(param.grad.any())

    @property
    def _param(self) -> Tensor | None:
        return None if self._watched is None else self._watched()

    def read(self) -> Reading | None:
        """What was seen since the last step; None where nothing was."""
        looks, is_cleared = self._looks, self._is_cleared
        if not looks and not is_cleared:
            return None

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            sheet.values[tags.GRAD_LEFT] = float(not is_cleared and bool(arrived[0].all()))

        return Reading([] if is_cleared else [torch.stack(looks)], decode)


def _has_small_gradient(param: Tensor) -> bool:
    """False of a gradient that is spread over ranks, too: to look at it, all of them would have to."""
    grad = param.grad
    is_plain = type(grad) is Tensor and grad.layout == torch.strided
    return param.requires_grad and is_plain and param.numel() <= LARGEST
