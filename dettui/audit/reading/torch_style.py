"""A Dataset in the style of torch: ``len()``, and ``[index]`` gives an image and its target.  Imports no torch."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from dettui.audit.dataset import Complaint, Dataset
from dettui.audit.progress import Progress
from dettui.audit.reading.coco import quadruple, texts, whole
from dettui.audit.reading.columns import BoxRows, ImageRows, Quadruple, seen_classes, xyxy_of_xywh
from dettui.domain.series import Floats
from dettui.errors import NotADataset

Target: TypeAlias = "Any"  # whatever the user's Dataset returns
Pixels: TypeAlias = NDArray[np.uint8]

RAISED: Final = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError, RuntimeError,
    SyntaxError, TypeError, ValueError,
)  # fmt: skip
"""What another's code may raise in our hands.  Not everything: an interrupt or a lack of memory is not its fault."""

PLANES: Final = frozenset({1, 3, 4})
"""Channels of an image, first for tensors and last for arrays."""


class Indexable(Protocol):
    """What a torch-style Dataset can do."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


def find_object(name: str) -> Indexable:
    """The Dataset that *name*, ``module:attribute``, leads to; a callable is called.  Raises NotADataset."""
    module, _, attribute = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: object = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
        if callable(found) and (isinstance(found, type) or not hasattr(found, "__getitem__")):
            found = found()
    except RAISED as error:
        raise NotADataset(f"{name} cannot be had: {type(error).__name__}: {first_line(error)}") from error
    if not (hasattr(found, "__getitem__") and hasattr(found, "__len__")):
        raise NotADataset(f"{name} is a {type(found).__name__}, without the len() and [index] of a Dataset")
    return cast(Indexable, found)


def first_line(error: BaseException) -> str:
    """The first line of what *error* says."""
    return next(iter(str(error).splitlines()), "")[:160]


@dataclass
class _Reading:
    """What has been read so far."""

    images: ImageRows = field(default_factory=ImageRows)
    boxes: BoxRows = field(default_factory=BoxRows)
    complaints: list[Complaint] = field(default_factory=list)
    declared: int = 0
    layouts: set[str] = field(default_factory=set)


def read_dataset(items: Indexable, name: str, most: int, progress: Progress) -> Dataset:
    """Read *most* items of *items*, spread evenly; 0 reads all."""
    reading, total = _Reading(), len(items)
    chosen = (
        np.unique(np.linspace(0, total - 1, min(total, most or total)).round().astype(int)).tolist() if total else []
    )
    for done, index in enumerate(chosen):
        progress("items read", done, len(chosen))
        _read_item(items, index, reading)
    progress("items read", len(chosen), len(chosen))
    classes = seen_classes(reading.boxes.class_ids)
    notes = () if len(chosen) == total else (f"read {len(chosen):,} of {total:,} items; --limit 0 reads all",)
    return Dataset(
        name,
        "torch",
        "xywh" if reading.layouts == {"xywh"} else "xyxy",
        reading.images.table(was_searched=False),
        reading.boxes.columns(reading.boxes.quadruples(), classes),
        classes,
        reading.declared,
        tuple(reading.complaints),
        notes,
        lambda place: items[int(reading.images.ids[place])][0],
    )


def _read_item(items: Indexable, index: int, reading: _Reading) -> None:
    file = f"item {index}"
    try:
        image, target = items[index]
    except RAISED as error:
        reading.complaints.append(
            Complaint("unreadable_item", file, None, f"{type(error).__name__}: {first_line(error)}")
        )
        return
    place = reading.images.add(file, None, size_of(image), id=index)
    try:
        _take(target, file, place, reading)
    except RAISED as error:
        reading.complaints.append(
            Complaint("malformed_target", file, None, f"{type(error).__name__}: {first_line(error)}")
        )


def size_of(image: object) -> tuple[float, float]:
    """Width and height of a PIL image, a tensor (channels first) or an array (channels last); NaN for others."""
    shape = getattr(image, "shape", None)
    if shape is None:
        size = getattr(image, "size", None)
        return (float(size[0]), float(size[1])) if isinstance(size, tuple) and len(size) == 2 else (np.nan, np.nan)
    sides = [int(side) for side in shape]
    if len(sides) == 3:
        sides = sides[1:] if sides[0] in PLANES and sides[2] not in PLANES else sides[:2]
    return (float(sides[1]), float(sides[0])) if len(sides) == 2 else (np.nan, np.nan)


def _take(target: Target, file: str, image: int, reading: _Reading) -> None:
    """Add the boxes of *target*: a dict of columns, or COCO's list of annotations."""
    if isinstance(target, Mapping):
        _take_columns(target, file, image, reading)
    elif isinstance(target, Sequence) and all(isinstance(item, Mapping) for item in target):
        _take_annotations(target, file, image, reading)
    else:
        kind = type(target).__name__
        text = f"target is a {kind}; a dict with 'boxes' and 'labels', or COCO's list, can be read"
        reading.complaints.append(Complaint("malformed_target", file, None, text))


def _take_columns(target: Mapping[str, Any], file: str, image: int, reading: _Reading) -> None:
    boxes = np.asarray(_plain(target["boxes"]), np.float64)
    labels = np.asarray(_plain(target["labels"])).reshape(-1)
    if boxes.size == 0:
        boxes = boxes.reshape(0, 4)
    reading.declared += len(boxes)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        text = f"boxes have the shape {boxes.shape}, not (n, 4)"
        reading.complaints.append(Complaint("malformed_target", file, None, text))
        return
    if len(labels) != len(boxes):
        text = f"{len(boxes)} boxes and {len(labels)} labels"
        reading.complaints.append(Complaint("lengths_differ", file, None, text))
        return
    reading.layouts.add("xyxy")
    for row, (box, label) in enumerate(zip(boxes.tolist(), labels.tolist(), strict=True)):
        _add(reading, quadruple(box), whole(label), file=file, image=image, row=row)


def _take_annotations(target: Sequence[Mapping[str, Any]], file: str, image: int, reading: _Reading) -> None:
    reading.declared += len(target)
    for row, item in enumerate(target):
        box = quadruple(item.get("bbox"))
        corners = tuple(xyxy_of_xywh(np.asarray([box]))[0].tolist()) if box else None
        reading.layouts.add("xywh")
        _add(
            reading, corners, whole(item.get("category_id")),
            file=file, image=image, row=row, attributes=texts(item.get("attributes")),
        )  # fmt: skip


def _add(
    reading: _Reading,
    box: Quadruple | None,
    label: int | None,
    *,
    file: str,
    image: int,
    row: int,
    attributes: dict[str, str] | None = None,
) -> None:
    if box is None or label is None:
        wrong = "no four numbers as box" if box is None else "label is no whole number"
        reading.complaints.append(Complaint("malformed_row", file, row, wrong))
        return
    reading.boxes.add(box, label, image, row, attributes=attributes)


def pixels_of(image: Any) -> Pixels:
    """*image*, a tensor (channels first), an array (channels last) or a PIL image, as (height, width, 3) of bytes.

    Floats up to 1 are shares of full light; whatever reaches beyond, as normalised images do, is stretched to fit.
    """
    values = np.asarray(_plain(image.convert("RGB") if hasattr(image, "convert") else image))
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3:
        raise ValueError(f"an image of the shape {values.shape}")
    if values.shape[0] in PLANES and values.shape[2] not in PLANES:
        values = values.transpose(1, 2, 0)
    values = values[..., :3] if values.shape[2] >= 3 else values[..., :1].repeat(3, axis=2)
    return values.astype(np.uint8) if values.dtype == np.uint8 else _as_bytes(values.astype(np.float64))


def _as_bytes(values: Floats) -> Pixels:
    values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    if low < 0 or high > 255:
        values = (values - low) / ((high - low) or 1.0)
    elif high > 1:
        values = values / 255
    scaled: Pixels = np.rint(values * 255).astype(np.uint8)
    return scaled


def _plain(values: Any) -> Any:
    """*values* where numpy can read them: a tensor may live on a device or carry a gradient."""
    for step in ("detach", "cpu"):
        values = getattr(values, step, lambda same=values: same)()
    return values
