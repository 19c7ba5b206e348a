"""COCO instances: one JSON file with images, annotations and categories."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from dettui.audit.dataset import ClassTable, Complaint, Dataset
from dettui.audit.reading.columns import BoxRows, ImageRows, Quadruple, seen_classes, xyxy_of_xywh
from dettui.audit.reading.files import Finder
from dettui.errors import NotADataset

Row: TypeAlias = "Mapping[str, Any]"  # as the JSON holds it: every field may be anything
Identity: TypeAlias = "int | str"

UNKNOWN_SIZE: Final = (float("nan"), float("nan"))


class Annotation(msgspec.Struct, gc=False):
    """The fields of an annotation that an audit reads; of segmentations, which fill most files, nothing is kept."""

    image_id: Any = None
    category_id: Any = None
    bbox: Any = None
    id: Any = None
    area: Any = None
    iscrowd: Any = None
    attributes: Any = None


class Instances(msgspec.Struct):
    """A file of instances."""

    images: list[Any] = []
    annotations: list[Annotation] = []
    categories: list[Any] | None = None


def read_coco(path: Path, folders: Sequence[Path]) -> Dataset:
    """Read the instances at *path*; the images are sought in *folders*.  Raises NotADataset where it is no JSON."""
    complaints: list[Complaint] = []
    instances = decode(path, complaints)
    finder = Finder(folders, path.parent)
    images, places = _images(instances.images, path.name, finder, complaints)
    taken = _Annotations(path.name, places, images.files, complaints)
    for row, annotation in enumerate(instances.annotations):
        taken.take(row, annotation)
    classes = _classes(instances.categories, path.name, complaints) or seen_classes(taken.boxes.class_ids)
    complaints += taken.lacking_fields()
    return Dataset(
        str(path),
        "coco",
        "xywh",
        images.table(was_searched=True),
        taken.boxes.columns(xyxy_of_xywh(taken.boxes.quadruples()), classes),
        classes,
        len(instances.annotations),
        tuple(complaints),
    )


def decode(path: Path, complaints: list[Complaint]) -> Instances:
    """The file as rows.  The fast decoder first; NaN, and rows that are no objects, take the patient way."""
    raw = path.read_bytes()
    try:
        return msgspec.json.decode(raw, type=Instances)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _decode_patiently(raw, path, complaints)


def _decode_patiently(raw: bytes, path: Path, complaints: list[Complaint]) -> Instances:
    try:
        document = json.loads(raw)  # accepts NaN and Infinity, which are no JSON and do occur
    except (ValueError, RecursionError) as error:
        raise NotADataset(f"{path} is not readable as JSON: {error}") from error
    if not isinstance(document, dict):
        raise NotADataset(f"{path} holds a {type(document).__name__} at the top, not an object with annotations")
    annotations = [
        _annotation(row, item, path.name, complaints) for row, item in enumerate(_list(document, "annotations", path))
    ]
    return Instances(_list(document, "images", path), annotations, document.get("categories"))


def _list(document: Row, key: str, path: Path) -> list[Any]:
    value = document.get(key, [])
    if not isinstance(value, list):
        raise NotADataset(f"{path}: {key!r} is a {type(value).__name__}, not a list")
    return value


def _annotation(row: int, item: object, file: str, complaints: list[Complaint]) -> Annotation:
    if isinstance(item, dict):
        return Annotation(**{key: item.get(key) for key in Annotation.__struct_fields__})
    complaints.append(Complaint("malformed_row", file, row, f"annotation is a {type(item).__name__}, not an object"))
    return _REFUSED


_REFUSED: Final = Annotation()
"""Stands for a row that a complaint speaks of already, so that the rows after it keep their index."""


@dataclass
class _Annotations:
    """Takes annotations in, row by row."""

    file: str
    places: Mapping[Identity, int]
    image_files: Sequence[str]
    complaints: list[Complaint]
    boxes: BoxRows = field(default_factory=BoxRows)
    without_area: int = 0
    without_crowd: int = 0

    def take(self, row: int, annotation: Annotation) -> None:
        """Add the box of *annotation*, or complain."""
        if annotation is _REFUSED:
            return
        image = self.places.get(annotation.image_id) if isinstance(annotation.image_id, int | str) else None
        if image is None:
            self._complain(
                "annotation_of_unknown_image", row, f"image_id {annotation.image_id!r} is not among the images"
            )
            return
        box, class_id = quadruple(annotation.bbox), whole(annotation.category_id)
        if box is None or class_id is None:
            wrong = f"bbox {annotation.bbox!r}" if box is None else f"category_id {annotation.category_id!r}"
            self._complain("malformed_row", row, f"{wrong} in {self.image_files[image]}"[:160])
            return
        self.without_area += annotation.area is None
        self.without_crowd += annotation.iscrowd is None
        self.boxes.add(
            box, class_id, image, row,
            crowd=annotation.iscrowd in (1, True), id=whole(annotation.id), attributes=texts(annotation.attributes),
        )  # fmt: skip

    def lacking_fields(self) -> Iterator[Complaint]:
        """Complaints about fields that evaluators read and that some annotations lack."""
        for name, lacking in (("area", self.without_area), ("iscrowd", self.without_crowd)):
            if lacking:
                yield Complaint(
                    "evaluation_field_missing", self.file, None, f"{lacking:,} annotations have no {name!r}"
                )

    def _complain(self, kind: str, row: int, text: str) -> None:
        self.complaints.append(Complaint(kind, self.file, row, text))


def quadruple(value: object) -> Quadruple | None:
    """Four numbers, else None.  NaN and infinity are numbers here: they are another finding."""
    if not isinstance(value, list | tuple) or len(value) != 4:
        return None
    if not all(isinstance(item, int | float) and not isinstance(item, bool) for item in value):
        return None
    try:
        a, b, c, d = map(float, value)
    except OverflowError:  # JSON knows integers of any length
        return None
    return a, b, c, d


def whole(value: object) -> int | None:
    """A whole number that fits into 64 bits, else None."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return int(value) if fits else None  # type: ignore[call-overload]


def texts(value: object) -> dict[str, str] | None:
    """A mapping of attributes as texts; None where it is no mapping."""
    return {str(key): str(item) for key, item in value.items()} if isinstance(value, dict) else None


def _images(
    rows: Sequence[Any], file: str, finder: Finder, complaints: list[Complaint]
) -> tuple[ImageRows, Mapping[Identity, int]]:
    """The table of images, and the place of each id in it: of an id that comes twice, the first."""
    images, places = ImageRows(), dict[Identity, int]()
    for row, item in enumerate(rows):
        if not isinstance(item, dict) or not isinstance(item.get("id"), int | str):
            complaints.append(Complaint("malformed_row", file, row, f"image {item!r}"[:120]))
            continue
        name = str(item.get("file_name") or item["id"])
        index = images.add(name, finder.find(name), _size(item), id=item["id"])
        places.setdefault(item["id"], index)
    return images, places


def _size(image: Row) -> tuple[float, float]:
    width, height = whole(image.get("width")), whole(image.get("height"))
    return (float(width), float(height)) if width and height and width > 0 and height > 0 else UNKNOWN_SIZE


def _classes(rows: object, file: str, complaints: list[Complaint]) -> ClassTable | None:
    if not isinstance(rows, list) or not rows:
        complaints.append(Complaint("no_class_table", file, None, "the file has no 'categories'"))
        return None
    ids, names = [], []
    for row, item in enumerate(rows):
        id = whole(item.get("id")) if isinstance(item, dict) else None
        if id is None:
            complaints.append(Complaint("malformed_row", file, row, f"category {item!r}"[:120]))
            continue
        ids.append(id)
        names.append(str(item.get("name", f"class {id}")))
    return ClassTable(tuple(ids), tuple(names))
