"""Pascal VOC: an XML file for every image, boxes as corners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from dettui.audit.dataset import ClassTable, Complaint, Dataset
from dettui.audit.reading.columns import BoxRows, ImageRows, Quadruple
from dettui.audit.reading.files import Finder
from dettui.errors import NotADataset

ATTRIBUTES: Final = ("pose", "truncated", "difficult", "occluded")
CORNERS: Final = ("xmin", "ymin", "xmax", "ymax")
UNKNOWN_SIZE: Final = (float("nan"), float("nan"))


@dataclass
class _Reading:
    """What has been read so far."""

    images: ImageRows = field(default_factory=ImageRows)
    boxes: BoxRows = field(default_factory=BoxRows)
    complaints: list[Complaint] = field(default_factory=list)
    class_ids: dict[str, int] = field(default_factory=dict)
    declared: int = 0


def read_voc(folder: Path, folders: Sequence[Path]) -> Dataset:
    """Read all annotations under *folder*; the images are sought in *folders*.  Raises NotADataset for none."""
    files = sorted(folder.rglob("*.xml"))
    if not files:
        raise NotADataset(f"{folder} holds no XML annotations")
    reading, finder = _Reading(), Finder(folders, folder)
    for path in files:
        _read_file(path, path.relative_to(folder).as_posix(), finder, reading)
    names = tuple(reading.class_ids)
    classes = ClassTable(tuple(range(len(names))), names, is_declared=False)
    return Dataset(
        str(folder),
        "voc",
        "xyxy",
        reading.images.table(was_searched=True),
        reading.boxes.columns(reading.boxes.quadruples(), classes),
        classes,
        reading.declared,
        tuple(reading.complaints),
    )


def _read_file(path: Path, name: str, finder: Finder, reading: _Reading) -> None:
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, OSError, ValueError, LookupError) as error:
        reading.complaints.append(Complaint("unreadable_label_file", name, None, str(error)[:120]))
        return
    if root.tag != "annotation":
        reading.complaints.append(
            Complaint("unreadable_label_file", name, None, f"<{root.tag}> where <annotation> belongs")
        )
        return
    file = (root.findtext("filename") or path.stem).strip()
    # Tools copy <filename> from one file to the next; the name of the XML file itself cannot lie.
    place = finder.find(file) or finder.find(path.stem + Path(file).suffix)
    image = reading.images.add(file, place, _size(root), id=name)
    for row, item in enumerate(root.iter("object"), 1):
        reading.declared += 1
        _take(item, name, row, image, reading)


def _take(item: ElementTree.Element, file: str, row: int, image: int, reading: _Reading) -> None:
    label, box = (item.findtext("name") or "").strip(), _corners(item.find("bndbox"))
    if not label or box is None:
        wrong = "object without a name" if not label else "object without four numbers in <bndbox>"
        reading.complaints.append(Complaint("malformed_row", file, row, wrong))
        return
    class_id = reading.class_ids.setdefault(label, len(reading.class_ids))
    reading.boxes.add(box, class_id, image, row, attributes=_attributes(item))


def _corners(box: ElementTree.Element | None) -> Quadruple | None:
    if box is None:
        return None
    try:
        left, top, right, bottom = (float(box.findtext(corner) or "") for corner in CORNERS)
    except ValueError:
        return None
    return left, top, right, bottom


def _attributes(item: ElementTree.Element) -> Mapping[str, str]:
    found = {name: (item.findtext(name) or "").strip() for name in ATTRIBUTES}
    return {name: value for name, value in found.items() if value}


def _size(root: ElementTree.Element) -> tuple[float, float]:
    try:
        width, height = (float(root.findtext(f"size/{side}") or "") for side in ("width", "height"))
    except ValueError:
        return UNKNOWN_SIZE
    return (width, height) if width > 0 and height > 0 else UNKNOWN_SIZE
