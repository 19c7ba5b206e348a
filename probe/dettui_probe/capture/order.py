"""Whether batches are random samples: their class counts against those of all batches before, on the writer thread."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from dettui_probe import tags
from dettui_probe.capture.record import Sheet

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
        self._seen: dict[int, int] = {}
        self._total = 0
        self._batches = 0
        self._last: dict[int, float] = {}
        self._last_step = -1

    def see(self, counts: Mapping[int, int], sheet: Sheet) -> None:
        """The objects of one batch by class id."""
        if not counts or min(counts) < 0 or max(counts) >= MOST_CLASSES:
            return
        total = sum(counts.values())
        if self._batches >= LEARNT_FROM and total >= LEAST_OBJECTS:
            self._compare(sheet, counts, total)
        for class_id, count in counts.items():
            self._seen[class_id] = self._seen.get(class_id, 0) + count
        self._total += total
        self._batches += 1

    def _compare(self, sheet: Sheet, counts: Mapping[int, int], total: int) -> None:
        met = self._seen.keys() | counts.keys()
        if len(met) < 2:
            return
        whole = self._total + 0.5 * len(met)
        shares = {class_id: (self._seen.get(class_id, 0) + 0.5) / whole for class_id in met}
        deviation = {class_id: counts.get(class_id, 0) / total - share for class_id, share in shares.items()}
        chi2 = total * sum(deviation[class_id] ** 2 / share for class_id, share in shares.items()) / (len(met) - 1)
        sheet.values[tags.ORDER_CHI2] = chi2
        if self._last and self._last_step != sheet.step:
            length = math.sqrt(_product(deviation, deviation) * _product(self._last, self._last))
            if length > 0:
                sheet.values[tags.ORDER_CARRY] = _product(deviation, self._last) / length
        self._last, self._last_step = deviation, sheet.step


def _product(one: Mapping[int, float], other: Mapping[int, float]) -> float:
    return sum(value * other.get(class_id, 0.0) for class_id, value in one.items())
