"""One model of every dataset: columns of boxes and a table of images, so that checks are arithmetic on arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dettui.domain.series import Floats

Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
FormatName: TypeAlias = Literal["coco", "yolo", "voc", "torch"]
BoxLayout: TypeAlias = Literal["xyxy", "xywh", "cxcywh", "yxyx"]

UNKNOWN = -1
"""In a column of indices: nothing that the tables know."""

BEYOND_ANY_IMAGE = 1e9
"""Pixels.  Coordinates from here on are as good as infinite, and areas made of them overflow."""


@dataclass(frozen=True, eq=False)
class Images:
    """The table of images, n rows.  ``paths`` holds None where the file was not found or not looked for."""

    files: tuple[str, ...]  # as the annotations name them
    paths: tuple[Path | None, ...]
    sizes: Floats  # (n, 2) width and height as boxes count them; NaN unknown; 1 x 1 where only shares are known
    in_pixels: Flags  # (n,) whether the boxes of the image are known in pixels
    ids: tuple[int | str, ...]  # as the file gives them; the position where it gives none
    was_searched: bool  # whether files were looked for at all
    declares_size: Flags  # (n,) whether the annotations give the size, and not the file

    def __len__(self) -> int:
        return len(self.files)


@dataclass(frozen=True, eq=False)
class Attribute:
    """One attribute of boxes: for each box the index of its value, UNKNOWN where it has none."""

    values: tuple[str, ...]
    codes: Ints  # (n,)


@dataclass(frozen=True, eq=False)
class Boxes:
    """The boxes, n rows in the order of the files."""

    xyxy: Floats  # (n, 4) in the units of the image's size
    classes: Ints  # (n,) index into the table of classes, UNKNOWN where it holds no such id
    class_ids: Ints  # (n,) as the file gives them
    images: Ints  # (n,) index into the table of images
    rows: Ints  # (n,) where in its file: index of the annotation, or number of the line or object
    crowd: Flags  # (n,) marked as a region of many objects
    ids: Ints | None = None  # (n,) annotation ids where the format has them
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.xyxy)

    @cached_property
    def widths(self) -> Floats:
        """(n,)"""
        return self.xyxy[:, 2] - self.xyxy[:, 0]

    @cached_property
    def heights(self) -> Floats:
        """(n,)"""
        return self.xyxy[:, 3] - self.xyxy[:, 1]

    @cached_property
    def finite(self) -> Flags:
        """(n,) no NaN, no infinity and nothing beyond any image among the coordinates."""
        finite: Flags = np.logical_and.reduce(np.abs(self.xyxy) < BEYOND_ANY_IMAGE, axis=1)
        return finite

    @cached_property
    def sound(self) -> Flags:
        """(n,) finite with an area: the boxes that further checks can reason about."""
        return self.finite & (self.widths > 0) & (self.heights > 0)


@dataclass(frozen=True)
class ClassTable:
    """The classes that the dataset defines, in its order; ``is_declared`` is False where they were only seen."""

    ids: tuple[int, ...]
    names: tuple[str, ...]
    is_declared: bool = True

    def __len__(self) -> int:
        return len(self.ids)

    def name(self, index: int) -> str:
        """The name of the class at *index*."""
        return self.names[index] if 0 <= index < len(self.names) else "unknown class"


@dataclass(frozen=True)
class Complaint:
    """Something that a reader could not take in, or that only the file shows: becomes a finding of this *kind*."""

    kind: str
    file: str
    row: int | None
    text: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset as read: what could be taken in, and complaints about the rest."""

    source: str
    format: FormatName
    layout: BoxLayout  # in which the file gives its boxes
    images: Images
    boxes: Boxes
    classes: ClassTable
    declared_boxes: int  # rows that the files hold, readable or not
    complaints: tuple[Complaint, ...] = ()
    notes: tuple[str, ...] = ()  # what the reader should know about the reading
    picture: Callable[[int], object] | None = None  # the image at an index, where it does not come from a file

    @cached_property
    def box_sizes(self) -> Floats:
        """(n, 2) width and height of the image of each box."""
        return self.images.sizes[self.boxes.images]

    @cached_property
    def box_in_pixels(self) -> Flags:
        """(n,) whether each box is known in pixels."""
        return self.images.in_pixels[self.boxes.images]

    @cached_property
    def boxes_per_image(self) -> Ints:
        """(number of images,)"""
        return np.bincount(self.boxes.images, minlength=len(self.images)).astype(np.int64)

    @cached_property
    def boxes_per_class(self) -> Ints:
        """(number of classes,)"""
        known = self.boxes.classes[self.boxes.classes >= 0]
        return np.bincount(known, minlength=len(self.classes)).astype(np.int64)
