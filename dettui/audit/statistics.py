"""The numbers that a reader of the report looks at: classes, sizes, shapes, places, objects per image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from dettui.audit.dataset import Dataset, Ints
from dettui.domain.series import Floats

SMALL_PX, LARGE_PX = 32.0, 96.0
"""COCO's limits between small, medium and large: the square roots of its areas."""

MAP_ROWS: Final = 8
MAP_COLUMNS: Final = 32


@dataclass(frozen=True, eq=False)
class Statistics:
    """Distributions over the sound boxes of one set; the arrays have one value a box."""

    sides: Floats  # square root of the area, pixels where known, else shares of the image
    sides_in_pixels: bool
    aspects: Floats  # log2 of width over height: 0 square, 1 twice as wide as high
    per_image: Ints  # boxes, one value an image
    places: Floats  # (MAP_ROWS, MAP_COLUMNS) how many boxes cover each cell of the image
    small: float  # shares of boxes below, between and above COCO's limits; NaN where pixels are not known
    medium: float
    large: float


def statistics(data: Dataset) -> Statistics:
    """Of the sound boxes of *data*."""
    sound = data.boxes.sound
    in_pixels = bool(len(data.boxes)) and bool(data.box_in_pixels[sound].all())
    sides = np.sqrt(data.boxes.widths[sound] * data.boxes.heights[sound])
    aspects = np.log2(data.boxes.widths[sound] / data.boxes.heights[sound])
    small, large = (
        (float((sides < SMALL_PX).mean()), float((sides >= LARGE_PX).mean())) if len(sides) else (np.nan, np.nan)
    )
    if not in_pixels:
        small = large = np.nan
    return Statistics(
        sides, in_pixels, aspects, data.boxes_per_image, heat(data), small, 1.0 - small - large, large
    )  # fmt: skip


def heat(data: Dataset, rows: int = MAP_ROWS, columns: int = MAP_COLUMNS) -> Floats:
    """(rows, columns) how many boxes cover each cell, all images laid over each other."""
    known = data.boxes.sound & np.isfinite(data.box_sizes).all(axis=1)
    scaled = data.boxes.xyxy[known] / np.tile(data.box_sizes[known], 2)
    grid = np.asarray([columns, rows])
    first = np.clip(np.floor(scaled[:, :2] * grid), 0, grid - 1).astype(np.int64)
    last = np.clip(np.ceil(scaled[:, 2:] * grid), 1, grid).astype(np.int64)
    # Corners of a summed-area table: each box adds 1 over a rectangle at the cost of four cells.
    steps = np.zeros((rows + 1, columns + 1))
    for x, y, sign in ((first[:, 0], first[:, 1], 1), (last[:, 0], first[:, 1], -1),
                       (first[:, 0], last[:, 1], -1), (last[:, 0], last[:, 1], 1)):  # fmt: skip
        np.add.at(steps, (y, x), sign)
    covered: Floats = steps.cumsum(axis=0).cumsum(axis=1)[:rows, :columns]
    return covered
