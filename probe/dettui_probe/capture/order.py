"""Whether batches are random samples: their class counts against those of all batches before, on the writer thread."""

from __future__ import annotations

import math
from typing import Final

from dettui_probe import tags
from dettui_probe.capture.record import Sheet
from dettui_probe.capture.torchlib import Tensor, torch

MOST_CLASSES: Final = 1024
LEARNT_FROM: Final = 8  # batches before the first verdict
LEAST_OBJECTS: Final = 2  # in a batch


class ClassOrder:
    """Compares each batch with what came before it.

    ``chi2 = sum (n_k - n p_k)^2 / (n p_k) / (K - 1)`` is 1 on average for random batches, whatever their size
    (objects of one image may belong together: then it is more).  ``carry`` is the cosine of the deviations of two
    successive batches: 0 on average where they are drawn independently, and near 1 in sorted data.
    """

    def __init__(self) -> None:
        self._seen = torch.zeros(0, dtype=torch.float64)
        self._batches = 0
        self._last: Tensor | None = None
        self._last_step = -1

    def see(self, ids: Tensor, counts: Tensor, sheet: Sheet) -> None:
        """Class *ids* of one batch with their *counts*."""
        if not len(ids) or int(ids.min()) < 0 or int(ids.max()) >= MOST_CLASSES:
            return
        batch = self._spread(ids, counts)
        total = float(batch.sum())
        if self._batches >= LEARNT_FROM and total >= LEAST_OBJECTS:
            self._compare(sheet, batch, total)
        self._seen += batch
        self._batches += 1

    def _spread(self, ids: Tensor, counts: Tensor) -> Tensor:
        size = max(int(ids.max()) + 1, len(self._seen))
        if size > len(self._seen):
            self._seen = torch.cat([self._seen, torch.zeros(size - len(self._seen), dtype=torch.float64)])
            self._last = None
        return torch.zeros(size, dtype=torch.float64).scatter_(0, ids.long(), counts.double())

    def _compare(self, sheet: Sheet, batch: Tensor, total: float) -> None:
        met = (self._seen > 0) | (batch > 0)
        classes = int(met.sum())
        if classes < 2:
            return
        share = torch.where(met, self._seen + 0.5, 0.0)
        share = share / share.sum()
        expected = total * share[met]
        chi2 = ((batch[met] - expected).square() / expected).sum() / (classes - 1)
        deviation = batch / total - share
        sheet.values[tags.ORDER_CHI2] = float(chi2)
        if self._last is not None and len(self._last) == len(deviation) and self._last_step != sheet.step:
            length = math.sqrt(float(deviation.square().sum() * self._last.square().sum()))
            if length > 0:
                sheet.values[tags.ORDER_CARRY] = float(deviation @ self._last) / length
        self._last, self._last_step = deviation, sheet.step
