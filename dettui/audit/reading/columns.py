"""Gathering rows one by one into the columns of a ``Dataset``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dettui.audit.dataset import UNKNOWN, Attribute, Boxes, ClassTable, Images, Ints
from dettui.domain.series import Floats

Quadruple = tuple[float, float, float, float]


@dataclass
class ImageRows:
    """The table of images while it grows."""

    files: list[str] = field(default_factory=list)
    paths: list[Path | None] = field(default_factory=list)
    sizes: list[tuple[float, float]] = field(default_factory=list)
    in_pixels: list[bool] = field(default_factory=list)
    ids: list[int | str] = field(default_factory=list)

    def add(
        self, file: str, path: Path | None, size: tuple[float, float], *, in_pixels: bool = True, id: int | str | None
    ) -> int:
        """Add an image; its index."""
        self.files.append(file)
        self.paths.append(path)
        self.sizes.append(size)
        self.in_pixels.append(in_pixels)
        self.ids.append(len(self.ids) if id is None else id)
        return len(self.files) - 1

    def table(self, *, was_searched: bool) -> Images:
        """The finished table."""
        sizes = np.asarray(self.sizes, np.float64).reshape(-1, 2)
        in_pixels = np.asarray(self.in_pixels, np.bool_)
        return Images(
            tuple(self.files),
            tuple(self.paths),
            sizes,
            in_pixels,
            tuple(self.ids),
            was_searched,
            in_pixels & np.isfinite(sizes[:, 0]),
        )


@dataclass
class BoxRows:
    """The boxes while they come in; one call of ``add`` for each row of a file."""

    coordinates: list[Quadruple] = field(default_factory=list)
    class_ids: list[int] = field(default_factory=list)
    images: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    crowd: list[bool] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    attributes: list[Mapping[str, str]] = field(default_factory=list)

    def add(
        self,
        coordinates: Quadruple,
        class_id: int,
        image: int,
        row: int,
        *,
        crowd: bool = False,
        id: int | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Add a box."""
        self.coordinates.append(coordinates)
        self.class_ids.append(class_id)
        self.images.append(image)
        self.rows.append(row)
        self.crowd.append(crowd)
        if id is not None:
            self.ids.append(id)
        self.attributes.append(attributes or {})

    def quadruples(self) -> Floats:
        """(n, 4) as they came."""
        return np.asarray(self.coordinates, np.float64).reshape(-1, 4)

    def columns(self, xyxy: Floats, classes: ClassTable) -> Boxes:
        """The finished columns, with *xyxy* for coordinates."""
        class_ids = np.asarray(self.class_ids, np.int64)
        return Boxes(
            xyxy,
            indices_of(class_ids, classes),
            class_ids,
            np.asarray(self.images, np.int64),
            np.asarray(self.rows, np.int64),
            np.asarray(self.crowd, np.bool_),
            np.asarray(self.ids, np.int64) if self.ids and len(self.ids) == len(self.rows) else None,
            attribute_columns(self.attributes),
        )


def indices_of(class_ids: Ints, classes: ClassTable) -> Ints:
    """(n,) position of each id in the table of *classes*, UNKNOWN where it is not there."""
    if not len(classes) or not len(class_ids):
        return np.full(len(class_ids), UNKNOWN, np.int64)
    known = np.asarray(classes.ids, np.int64)
    order = np.argsort(known, kind="stable")
    places = np.minimum(np.searchsorted(known, class_ids, sorter=order), len(known) - 1)
    found: Ints = order[places].astype(np.int64)
    return np.where(known[found] == class_ids, found, UNKNOWN)


def seen_classes(class_ids: Iterable[int]) -> ClassTable:
    """A table of what was seen, where the dataset defines no classes."""
    ids = tuple(sorted(set(class_ids)))
    return ClassTable(ids, tuple(f"class {id}" for id in ids), is_declared=False)


def attribute_columns(rows: Sequence[Mapping[str, str]]) -> Mapping[str, Attribute]:
    """One column for each attribute that any row has."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _attribute_column([row.get(name) for row in rows]) for name in names}


def _attribute_column(column: Sequence[str | None]) -> Attribute:
    values = tuple(sorted({value for value in column if value is not None}))
    place = {value: index for index, value in enumerate(values)}
    codes = [UNKNOWN if value is None else place[value] for value in column]
    return Attribute(values, np.asarray(codes, np.int64))


def xyxy_of_xywh(boxes: Floats) -> Floats:
    """(n, 4) corners of boxes given as corner and size."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def xyxy_of_cxcywh(boxes: Floats) -> Floats:
    """(n, 4) corners of boxes given as centre and size."""
    return np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1)
