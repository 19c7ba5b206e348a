"""An image as the model was given it, with the boxes that it was to find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class GivenImage:
    """A small picture of one image of a batch.  Its arrays are read-only."""

    step: int  # whose batch it was part of
    time: float  # seconds since the epoch, by the trainer's clock
    index: int  # in its batch
    rgb: Pixels  # (height, width, 3)
    boxes: NDArray[np.float64]  # (n, 4): x1, y1, x2, y2 as the head reads them, in pixels of the picture
    labels: tuple[int, ...]  # class ids of the boxes; fewer where the target held fewer
    box_count: int  # that the image was given with: n, or more where not all were told
    size: tuple[int, int]  # width and height of the image as given
    value_range: tuple[float, float]  # smallest and largest finite value of the image
    is_stretched: bool  # values lay outside [0, 1]: the smallest is black here, and the largest is white
    what: tuple[str, ...] = ()  # checks that its targets failed, as in the tags "targets/<what>"; () for any image
    file: str = ""  # name or id of the image, "" where the target carries none
