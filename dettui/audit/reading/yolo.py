"""YOLO: a text file of normalised rows beside every image, and a data.yaml that names the classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dettui.audit.dataset import ClassTable, Complaint, Dataset
from dettui.audit.reading.columns import BoxRows, ImageRows, Quadruple, seen_classes, xyxy_of_cxcywh
from dettui.audit.reading.files import IMAGE_SUFFIXES, image_files, imported
from dettui.errors import NotADataset

SHARES: Final = (1.0, 1.0)
"""The size of an image whose boxes are only known as shares of it."""

BOX_COLUMNS: Final = 5
POLYGON_COLUMNS_FROM: Final = 7  # class and three points; ultralytics turns longer rows into boxes too
NOT_LABELS: Final = frozenset({"classes.txt", "train.txt", "val.txt", "test.txt", "readme.txt", "requirements.txt"})


@dataclass(frozen=True)
class Description:
    """What data.yaml says, or what stands in for it."""

    source: Path
    classes: ClassTable | None = None
    splits: Mapping[str, Sequence[Path]] = field(default_factory=dict)  # images of each split
    complaints: tuple[Complaint, ...] = ()


def describe_yaml(path: Path) -> Description:
    """The classes and splits that the data.yaml at *path* names.  Raises NotADataset where it is no such file."""
    yaml = imported("yaml", "reading data.yaml")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8", errors="replace"))
    except yaml.YAMLError as error:
        raise NotADataset(f"{path} is not readable as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise NotADataset(f"{path} holds no mapping with 'train', 'val' and 'names'")
    complaints: list[Complaint] = []
    classes = _classes(document, path, complaints)
    root = _root(document, path)
    splits = {name: _split(document[name], root) for name in ("train", "val", "test") if document.get(name)}
    complaints += [
        Complaint("split_missing", path.name, None, f"{name!r} leads to no image: {document[name]}")
        for name, images in splits.items()
        if not images
    ]
    return Description(path, classes, splits, tuple(complaints))


def describe_folder(folder: Path) -> Description:
    """The images under *folder*, split as its sub-folders are: images/train or train/images."""
    images = list(image_files(folder).values())
    splits: dict[str, list[Path]] = {}
    for path in images or list(_labels_without_images(folder)):
        parts = {part.lower() for part in path.relative_to(folder).parts[:-1]}
        splits.setdefault(next((s for s in ("train", "val", "valid", "test") if s in parts), ""), []).append(path)
    if "valid" in splits:
        splits["val"] = splits.pop("valid")
    names = next((_names_file(candidate) for candidate in sorted(folder.rglob("classes.txt"))), None)
    return Description(folder, names, splits)


def read_yolo(description: Description, images: Iterable[Path]) -> Dataset:
    """Read the labels of *images*, boxes as shares of the image."""
    table, boxes, complaints = ImageRows(), BoxRows(), list(description.complaints)
    root = description.source if description.source.is_dir() else description.source.parent
    declared = unlabelled = 0
    for path in images:
        exists = path.suffix.lower() in IMAGE_SUFFIXES
        index = table.add(_below(path, root), path if exists else None, SHARES, in_pixels=False, id=None)
        labels = label_file(path) if exists else path
        if not labels.is_file():
            unlabelled += 1
            continue
        declared += _read_labels(labels, _below(labels, root), index, boxes, complaints)
    if unlabelled:
        complaints.append(
            Complaint("label_file_missing", str(root), None, f"{unlabelled:,} of {len(table.files):,} images")
        )
    classes = description.classes
    if classes is None:
        complaints.append(Complaint("no_class_table", str(root), None, "no data.yaml and no classes.txt"))
        classes = seen_classes(boxes.class_ids)
    return Dataset(
        str(description.source),
        "yolo",
        "cxcywh",
        table.table(was_searched=True),
        boxes.columns(xyxy_of_cxcywh(boxes.quadruples()), classes),
        classes,
        declared,
        tuple(complaints),
    )


def label_file(image: Path) -> Path:
    """Where ultralytics looks for the labels of *image*: the last folder called images becomes labels."""
    parts = list(image.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _read_labels(path: Path, name: str, image: int, boxes: BoxRows, complaints: list[Complaint]) -> int:
    """Add the boxes of one label file; how many rows it holds."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        complaints.append(Complaint("unreadable_label_file", name, None, str(error)[:120]))
        return 0
    rows = [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]
    for number, tokens in rows:
        read = parse_row(tokens)
        if isinstance(read, str):
            complaints.append(Complaint("malformed_row", name, number, read))
        else:
            boxes.add(read[1], read[0], image, number)
    return len(rows)


def parse_row(tokens: Sequence[str]) -> tuple[int, Quadruple] | str:
    """Class id and box (centre and size) of one row; a polygon's box; else what is wrong with the row."""
    if len(tokens) != BOX_COLUMNS and (len(tokens) < POLYGON_COLUMNS_FROM or len(tokens) % 2 == 0):
        return f"{len(tokens)} columns; a box has 5, a polygon 7 or more and an odd number"
    try:
        class_id, *numbers = map(float, tokens)
    except ValueError as error:
        return str(error)[:120]
    if not class_id.is_integer():
        return f"class {tokens[0]} is not a whole number"
    if len(numbers) == BOX_COLUMNS - 1:
        a, b, c, d = numbers
        return int(class_id), (a, b, c, d)
    return int(class_id), _box_of_polygon(numbers[::2], numbers[1::2])


def _box_of_polygon(xs: Sequence[float], ys: Sequence[float]) -> Quadruple:
    left, right, top, bottom = min(xs), max(xs), min(ys), max(ys)
    return (left + right) / 2, (top + bottom) / 2, right - left, bottom - top


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _labels_without_images(folder: Path) -> Iterator[Path]:
    """Label files whose images are not here: the rows can be checked all the same."""
    return (path for path in sorted(folder.rglob("*.txt")) if path.name.lower() not in NOT_LABELS)


def _names_file(path: Path) -> ClassTable | None:
    names = tuple(line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip())
    return ClassTable(tuple(range(len(names))), names) if names else None


def _root(document: Mapping[str, Any], path: Path) -> Path:
    """The folder that splits are relative to: 'path', itself relative to the file; else the folder of the file."""
    declared = document.get("path")
    root = path.parent / str(declared) if declared else path.parent
    return root if root.is_dir() else path.parent


def _split(value: object, root: Path) -> list[Path]:
    """The images of one split: of folders, or of text files that list them."""
    found: list[Path] = []
    for item in value if isinstance(value, list) else [value]:
        place = _place(str(item), root)
        found += _listed(place) if place.suffix == ".txt" and place.is_file() else image_files(place).values()
    return found


def _place(item: str, root: Path) -> Path:
    """Where *item* leads.  Exports of Roboflow write ../train/images where train/images is meant."""
    place = root / item
    return place if place.exists() or not item.startswith("../") else root / item[3:]


def _listed(path: Path) -> list[Path]:
    lines = (line.strip() for line in path.read_text(errors="replace").splitlines())
    return [path.parent / line for line in lines if line]


def _classes(document: Mapping[str, Any], path: Path, complaints: list[Complaint]) -> ClassTable | None:
    names, count = document.get("names"), _count(document.get("nc"))
    if isinstance(names, str):
        complaints.append(Complaint("names_not_a_list", path.name, None, f"'names' is the text {names!r}, not a list"))
        names = [names]
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(isinstance(key, int) for key in names):
        return seen_classes(range(count)) if count else None
    if count and count != len(names):
        complaints.append(Complaint("names_count_differs", path.name, None, f"nc is {count}, names has {len(names)}"))
    return ClassTable(tuple(names), tuple(str(name) for name in names.values()))


def _count(value: object) -> int:
    """A number of classes that can be meant, else 0."""
    return value if isinstance(value, int) and 0 < value < 100_000 else 0
