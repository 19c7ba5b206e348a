"""Layers whose units are copies of each other: weights that began equal, or at zero, and stayed so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dettui_probe import tags
from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Tensor, nn, torch
from dettui_probe.capture.tracked import Tracked

READ_AT: Final = (1, 12)  # steps; a last layer that begins at zero, as many do on purpose, has left it by the second
READ_EVERY: Final = 64
SIDE: Final = 32  # units, and weights of each, that are compared
MOST_LAYERS: Final = 64
ROUNDING: Final = 1e-4  # of the largest weight: sums of equal terms differ by that much with their order


class Copies:
    """Counts the weights in which every row equals the first."""

    def __init__(self) -> None:
        self._next = 0

    def is_time(self, step: int) -> bool:
        """Whether *step* is one in which to read."""
        return step in READ_AT or step >= self._next

    def read(self, step: int, tracked: Tracked) -> Reading | None:
        """The weights as they are now."""
        self._next = (step // READ_EVERY + 1) * READ_EVERY
        weights = [param for param in tracked.params if _has_units(param)][:MOST_LAYERS]
        if not weights:
            return None
        equal = torch.stack([_are_copies(weight.detach()) for weight in weights])

        def decode(arrived: Sequence[Tensor], sheet: Sheet) -> None:
            sheet.values[tags.WEIGHT_COPIES] = float(arrived[0].sum())
            sheet.values[tags.WEIGHT_LAYERS] = len(weights)

        return Reading([equal], decode)


def _has_units(param: nn.Parameter) -> bool:
    return param.dim() >= 2 and param.is_floating_point() and not param.is_sparse and min(param.shape[:2]) >= 2


def _are_copies(weight: Tensor) -> Tensor:
    """Whether the first SIDE rows of *weight* are equal in the columns that are looked at, shape ()."""
    rows = weight[:SIDE].flatten(1)
    columns = rows[:, :: -(-rows.shape[1] // SIDE) or 1]
    return (columns - columns[:1]).abs().max() <= ROUNDING * columns.abs().max()
