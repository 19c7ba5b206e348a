"""A picture held as an array, for the live screens: they run where Pillow is not installed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dettui.widgets.picture import Pixels


class ArrayRaster:
    """RGB pixels, (height, width, 3), drawn like one of Pillow's images."""

    def __init__(self, rgb: Pixels) -> None:
        self._rgb = rgb

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._rgb.shape[1], self._rgb.shape[0]

    def resize(self, size: tuple[int, int], resample: int, *, reducing_gap: float) -> Pixels:
        """The pixels at *size*: means where it is smaller, repeated where it is larger.  The rest is Pillow's."""
        width, height = size
        return _resized(_resized(self._rgb, height, 0), width, 1)


def _resized(pixels: Pixels, length: int, axis: int) -> Pixels:
    have = pixels.shape[axis]
    if length >= have:
        nearest = (np.arange(length) * have + have // 2) // length
        return pixels[nearest] if axis == 0 else pixels[:, nearest]
    starts: NDArray[np.int64] = np.arange(length) * have // length
    sums = np.add.reduceat(pixels.astype(np.int64), starts, axis)
    shape = [1, 1, 1]
    shape[axis] = length
    counts = np.diff(starts, append=have).reshape(shape)
    means: Pixels = (sums // counts).astype(np.uint8)
    return means
