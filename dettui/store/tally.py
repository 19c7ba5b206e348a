"""How often each class occurred."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dettui.domain.series import ClassCounts
from dettui_probe import wire

MAX_CLASSES = 100_000
"""Class ids from here on are not counted: an id is an index, and a hostile one must not fill the memory."""


class Tally:
    """Running counts of one kind."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._seen: NDArray[np.int64] = np.zeros(0, np.int64)
        self._first_step: int | None = None
        self._last_step = 0

    def add(self, counts: wire.Counts) -> None:
        """Add one message.  Negative ids are no index and stay out; the target checks report them."""
        pairs = [(c, n) for c, n in zip(counts.classes, counts.counts, strict=False) if 0 <= c < MAX_CLASSES and n >= 0]
        self._reach(max((class_id for class_id, _ in pairs), default=-1) + 1)
        for class_id, count in pairs:
            self._seen[class_id] += min(count, 1 << 40)
        if self._first_step is None:
            self._first_step = counts.step
        self._last_step = counts.step

    def result(self, names: Sequence[str]) -> ClassCounts:
        """The counts so far; every known class has an entry, and every class seen has a name."""
        self._reach(min(len(names), MAX_CLASSES))
        labels = (*names, *(str(class_id) for class_id in range(len(names), len(self._seen))))
        seen = self._seen.copy()
        seen.setflags(write=False)
        return ClassCounts(self._kind, labels[: len(seen)], seen, self._first_step or 0, self._last_step)

    def _reach(self, classes: int) -> None:
        if classes > len(self._seen):
            self._seen = np.concatenate([self._seen, np.zeros(classes - len(self._seen), np.int64)])
