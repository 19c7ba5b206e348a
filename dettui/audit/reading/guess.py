"""From what the user names to a dataset: which format it is, why we think so, and where its images are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dettui.audit.dataset import Dataset, FormatName
from dettui.audit.progress import Progress
from dettui.audit.reading import coco, torch_style, voc, yolo
from dettui.errors import NotADataset

OBJECT_NAME: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
YAML: Final = frozenset({".yaml", ".yml"})
IMAGE_FOLDERS: Final = ("", "images", "JPEGImages", "data", "train2017", "val2017", "train", "val")
FORMATS: Final = "COCO JSON, a YOLO data.yaml or folder, a Pascal VOC folder, or module:attribute"

SetName = str  # "train", "val", "test"; "" where the data are one set


@dataclass(frozen=True)
class Guess:
    """The format of the data, the reason in words, and how to read each of its sets."""

    format: FormatName
    reason: str
    sets: dict[SetName, Callable[[], Dataset]]


def guess(data: str, images: Path | None, limit: int, progress: Progress) -> Guess:
    """What *data* is: a path, or module:attribute.  Raises NotADataset where it is nothing that can be read."""
    path = Path(data)
    if path.is_file():
        return _guess_file(path, images)
    if path.is_dir():
        return _guess_folder(path, images)
    if OBJECT_NAME.fullmatch(data):
        found = torch_style.find_object(data)
        reason = f"{data} is a {type(found).__name__} with len() and [index]"
        return Guess("torch", reason, {"": lambda: torch_style.read_dataset(found, data, limit, progress)})
    raise NotADataset(f"there is no {data!r}; give {FORMATS}")


def _guess_file(path: Path, images: Path | None) -> Guess:
    suffix = path.suffix.lower()
    if suffix in YAML:
        return _yolo(yolo.describe_yaml(path), f"{path.name} is a YAML file{_unused(images)}")
    if suffix == ".json":
        return _coco(path, images, f"{path.name} is a JSON file")
    if suffix == ".xml":
        return _voc(path.parent, images, f"{path.name} is an XML file: all of its folder is read")
    raise NotADataset(f"{path} is in no format that can be read; give {FORMATS}")


def _guess_folder(folder: Path, images: Path | None) -> Guess:
    described = sorted(path for path in folder.iterdir() if path.suffix.lower() in YAML and _names_splits(path))
    if described:
        return _yolo(yolo.describe_yaml(described[0]), f"the folder holds {described[0].name}{_unused(images)}")
    if any(folder.rglob("*.xml")):
        annotations = folder / "Annotations"
        return _voc(annotations if annotations.is_dir() else folder, images, "the folder holds XML files")
    instances = sorted(path for path in folder.rglob("*.json") if holds_instances(path))
    if instances:
        return _coco_sets(instances, images)
    description = yolo.describe_folder(folder)
    if _has_labels(folder):
        return _yolo(description, f"the folder holds .txt files of rows with five columns{_unused(images)}")
    raise NotADataset(f"{folder} holds no annotations that can be read; give {FORMATS}")


def _unused(images: Path | None) -> str:
    """A word on --images where it has no effect."""
    return "; --images is not used, since YOLO's labels are found from its images" if images else ""


def _names_splits(path: Path) -> bool:
    text = path.read_text(errors="replace")[:100_000]
    return re.search(r"^\s*(train|val|names)\s*:", text, re.MULTILINE) is not None


def holds_instances(path: Path) -> bool:
    """Whether the JSON at *path* looks like COCO instances, by its first and last 64 KiB."""
    with path.open("rb") as file:
        first = file.read(65_536)
        file.seek(max(0, path.stat().st_size - 65_536))
        return b'"annotations"' in first + file.read() or b'"categories"' in first


def _has_labels(folder: Path) -> bool:
    """Whether any of the first label files below *folder* has a row of numbers."""
    files = (path for path in sorted(folder.rglob("*.txt")) if path.name.lower() not in yolo.NOT_LABELS)
    return any(_is_labels(path) for _, path in zip(range(200), files, strict=False))


def _is_labels(path: Path) -> bool:
    lines = path.read_text(errors="replace").splitlines()
    return any(not isinstance(yolo.parse_row(line.split()), str) for line in lines[:5] if line.strip())


def _yolo(description: yolo.Description, reason: str) -> Guess:
    sets = {name: _reader_of(description, paths) for name, paths in description.splits.items() if paths}
    if not sets:
        raise NotADataset(f"{description.source} leads to no images; check its 'path', 'train' and 'val'")
    return Guess("yolo", reason, sets)


def _reader_of(description: yolo.Description, paths: Sequence[Path]) -> Callable[[], Dataset]:
    return lambda: yolo.read_yolo(description, paths)


def _voc(folder: Path, images: Path | None, reason: str) -> Guess:
    folders = [images] if images else [folder.parent / "JPEGImages", folder.parent / "images", folder]
    return Guess("voc", reason, {"": lambda: voc.read_voc(folder, existing(folders))})


def _coco(path: Path, images: Path | None, reason: str) -> Guess:
    return Guess("coco", reason, {"": lambda: coco.read_coco(path, image_folders(path, images))})


def _coco_sets(paths: Sequence[Path], images: Path | None) -> Guess:
    """One set for each file whose name says which it is; the first file alone where none does."""
    sets: dict[SetName, Callable[[], Dataset]] = {}
    for path in paths:
        name = next((name for name in ("train", "val", "test") if name in path.stem.lower()), "")
        if not name:
            name = next((n for n in ("train", "val", "test") if path.parent.name.lower().startswith(n)), "")
        sets.setdefault(name, _coco(path, images, "").sets[""])
    if len(sets) > 1:
        sets.pop("", None)
    return Guess("coco", f"the folder holds {paths[0].name}", sets)


def image_folders(path: Path, images: Path | None) -> list[Path]:
    """Where the images of the annotations at *path* may be: where the user says, else beside it or beside its folder.

    Only folders with usual names are listed: a whole home directory would take minutes.
    """
    if images:
        return existing([images])
    near = [base / name for base in (path.parent, path.parent.parent) for name in (*IMAGE_FOLDERS[1:], path.stem)]
    return existing(near)


def existing(folders: Iterable[Path]) -> list[Path]:
    """Those of *folders* that exist, each once."""
    return list(dict.fromkeys(folder for folder in folders if folder.is_dir()))
