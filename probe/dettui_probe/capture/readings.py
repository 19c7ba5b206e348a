"""Which format boxes have of a head that nobody knows: told by what they would be in each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final

from dettui_probe.capture.boxes import READINGS
from dettui_probe.capture.torchlib import Tensor
from dettui_probe.contract import BoxFormat

_SLACK: Final = 0.02  # of a side: rounding of annotation tools
_AS_LEGAL: Final = 0.02  # of all boxes: a difference that stray boxes make
_ENOUGH: Final = 30  # comparisons with pixels before they choose among readings that are as legal


class Readings:
    """Counts over a run, by reading: boxes that lie within their image, and comparisons with its pixels."""

    def __init__(self) -> None:
        self._legal: Counter[BoxFormat] = Counter()
        self._compared: defaultdict[str, float] = defaultdict(float)
        self._won: defaultdict[str, float] = defaultdict(float)
        self._seen = 0

    def of(self, raw: Tensor) -> dict[BoxFormat, Tensor]:
        """Corners of *raw* boxes (n, 4; shares of the sides of their images) in each reading; counts the legal ones."""
        read = {name: corners_of(raw) for name, corners_of in READINGS.items()}
        self._seen += len(raw)
        self._legal.update({name: int(_is_legal(boxes).sum()) for name, boxes in read.items()})
        return read

    def note(self, counted: Mapping[str, tuple[float, float]]) -> None:
        """Comparisons and wins that came by reading."""
        for name, (compared, won) in counted.items():
            self._compared[name] += compared
            self._won[name] += won

    def best(self) -> BoxFormat:
        """The reading that leaves most boxes within their images; of several, the one that fits the pixels best."""
        most = max(self._legal.values(), default=0)
        legal = [name for name in READINGS if self._legal[name] >= most - _AS_LEGAL * self._seen]
        if any(self._compared[name] < _ENOUGH for name in legal):
            return legal[0]
        return max(legal, key=lambda name: self._won[name] / self._compared[name])


def _is_legal(boxes: Tensor) -> Tensor:
    """Which of the corners *boxes* (n, 4) have an area and lie within their image; shape (n,)."""
    has_area = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)
    return has_area & (boxes >= -_SLACK).all(dim=1) & (boxes <= 1 + _SLACK).all(dim=1)
