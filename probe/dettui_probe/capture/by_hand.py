"""Whether weights change although no optimizer is seen to step: a loop that changes them itself, or an optimizer of a
library that we do not know."""

from __future__ import annotations

from collections.abc import Sequence

from dettui_probe.capture.record import Reading, Sheet
from dettui_probe.capture.torchlib import Tensor
from dettui_probe.capture.tracked import SampleMatrix, Tracked
from dettui_probe.capture.updates import Updates


class ByHand:
    """Compares the weights of now and then, until they were seen to change.

    Versions of tensors do not tell: what is written to ``param.data`` leaves that of the parameter as it is.
    """

    def __init__(self) -> None:
        self.changed = False  # set by whoever reads the answer: on another thread, some steps later
        self._tracked: Tracked | None = None
        self._samples: Updates | None = None

    def look(self, tracked: Tracked) -> Reading | None:
        """The first look takes samples of *tracked*, later ones compare with them."""
        if self._samples is None or self._tracked is not tracked:
            self._tracked, self._samples = tracked, Updates(SampleMatrix(tracked))
            self._samples.before()
            return None
        return Reading([self._samples.moved()], self._decode)

    def _decode(self, arrived: Sequence[Tensor], _: Sheet) -> None:
        self.changed = self.changed or any(moved != 0 for moved in arrived[0].tolist())  # NaN: changed, too
