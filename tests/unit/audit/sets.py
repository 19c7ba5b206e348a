"""Datasets to audit: healthy ones by several laws, written as each format has them, and ways to spoil them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dettui.audit.audit import Audit, audit
from dettui.audit.finding import AuditFinding, AuditSeverity

NAMES = ("car", "person", "bicycle", "dog")
Law = Callable[[np.random.Generator, int, int], Sequence[tuple[int, int, int, int]]]


@dataclass(frozen=True)
class Scene:
    """One image and its boxes: whole pixels, corner and size, inside the image."""

    file: str
    size: tuple[int, int]
    boxes: tuple[tuple[int, int, int, int], ...]
    classes: tuple[int, ...]


def spread_boxes(smallest: float, largest: float, most: int = 6) -> Law:
    """Boxes anywhere, with sides between two shares of the image."""

    def law(rng: np.random.Generator, width: int, height: int) -> list[tuple[int, int, int, int]]:
        sides = rng.uniform(smallest, largest, (rng.integers(1, most + 1), 2)) * (width, height)
        sides = np.maximum(sides.astype(int), 3)
        corners = (rng.uniform(0, 1, sides.shape) * (np.array([width, height]) - sides + 1)).astype(int)
        return [(int(x), int(y), int(w), int(h)) for (x, y), (w, h) in zip(corners, sides, strict=True)]

    return law


def lower_half(rng: np.random.Generator, width: int, height: int) -> list[tuple[int, int, int, int]]:
    """As a camera in a car sees them: objects stand in the lower half, and larger further down."""
    bottom = rng.integers(height // 2, height, rng.integers(1, 6))
    sides = np.maximum((bottom - height // 2) // 2, 8)
    return [
        (int(rng.integers(0, width - s)), int(max(b - s, 0)), int(s), int(s))
        for b, s in zip(bottom, sides, strict=True)
    ]


def upper_left(rng: np.random.Generator, width: int, height: int) -> list[tuple[int, int, int, int]]:
    """A fixed camera whose objects all pass through one quarter of the image."""
    sides = rng.integers(10, min(width, height) // 6, (2, 2))
    return [(int(rng.integers(0, width // 4)), int(rng.integers(0, height // 4)), int(w), int(h)) for w, h in sides]


LAWS: Mapping[str, Law] = {
    "mixed": spread_boxes(0.03, 0.6),
    "small": spread_boxes(0.02, 0.06),
    "large": spread_boxes(0.5, 0.95, most=2),
    "lower half": lower_half,
    "upper left": upper_left,
    "crowded": spread_boxes(0.02, 0.2, most=40),
}


def scenes(
    law: Law = LAWS["mixed"],
    images: int = 60,
    size: tuple[int, int] | None = (640, 480),
    seed: int = 0,
    prefix: str = "",
) -> list[Scene]:
    """*images* scenes by *law*; sizes differ from image to image where *size* is None."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(images):
        width, height = size or (int(rng.integers(300, 900)), int(rng.integers(300, 900)))
        boxes = tuple(dict.fromkeys(law(rng, width, height)))
        classes = tuple(rng.integers(0, len(NAMES), len(boxes)).tolist())
        made.append(Scene(f"{prefix}{index:04d}.jpg", (width, height), boxes, classes))
    return made


def instances(made: Sequence[Scene]) -> dict[str, Any]:
    """*made* as COCO has them."""
    rows = [(image, box, k) for image, s in enumerate(made) for box, k in zip(s.boxes, s.classes, strict=True)]
    return {
        "images": [
            {"id": id, "file_name": s.file, "width": s.size[0], "height": s.size[1]} for id, s in enumerate(made, 1)
        ],
        "annotations": [
            {
                "id": row + 1, "image_id": image + 1, "category_id": k + 1, "bbox": list(box),
                "area": box[2] * box[3], "iscrowd": 0,
            }
            for row, (image, box, k) in enumerate(rows)
        ],
        "categories": [{"id": index + 1, "name": name} for index, name in enumerate(NAMES)],
    }  # fmt: skip


def write_coco(folder: Path, made: Sequence[Scene], spoil: Callable[[dict[str, Any]], object] = lambda _: None) -> Path:
    """A file of instances, after *spoil* has changed it in place."""
    document = instances(made)
    spoil(document)
    path = folder / "instances.json"
    path.write_text(json.dumps(document))
    return path


def write_yolo(folder: Path, made: Sequence[Scene], *, with_images: bool = True) -> Path:
    """Labels, images and a data.yaml with one set; the path of the data.yaml."""
    (folder / "labels").mkdir(parents=True, exist_ok=True)
    for scene in made:
        rows = "".join(f"{k} {yolo_row(box, scene.size)}\n" for box, k in zip(scene.boxes, scene.classes, strict=True))
        (folder / "labels" / scene.file).with_suffix(".txt").write_text(rows)
        if with_images:
            write_image(folder / "images" / scene.file, scene.size)
    (folder / "data.yaml").write_text(f"train: images\nnames: [{', '.join(NAMES)}]\n")
    return folder / "data.yaml"


def yolo_row(box: tuple[int, int, int, int], size: tuple[int, int]) -> str:
    """Centre and size as shares."""
    (x, y, w, h), (width, height) = box, size
    return f"{(x + w / 2) / width:.6f} {(y + h / 2) / height:.6f} {w / width:.6f} {h / height:.6f}"


def write_voc(folder: Path, made: Sequence[Scene]) -> Path:
    """Annotations with corners counted from 1; the folder."""
    annotations = folder / "Annotations"
    annotations.mkdir(parents=True, exist_ok=True)
    for scene in made:
        objects = "".join(
            f"<object><name>{NAMES[k]}</name><difficult>0</difficult><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin>"
            f"<xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>"
            for (x, y, w, h), k in zip(scene.boxes, scene.classes, strict=True)
        )
        size = f"<size><width>{scene.size[0]}</width><height>{scene.size[1]}</height><depth>3</depth></size>"
        text = f"<annotation><filename>{scene.file}</filename>{size}{objects}</annotation>"
        (annotations / scene.file).with_suffix(".xml").write_text(text)
    return folder


def write_image(path: Path, size: tuple[int, int], seed: int = 0, **options: Any) -> None:
    """A picture with structure, of its own for each *seed*."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.random.default_rng(seed).integers(0, 255, (12, 12, 3)).astype(np.uint8)
    Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC).save(path, **options)


def audited(path: Path | str, **options: Any) -> Audit:
    """The audit of *path*."""
    return audit(str(path), **options)


def by_id(found: Audit) -> dict[str, AuditFinding]:
    """Findings by id."""
    return {finding.id: finding for _, finding in found.findings}


def severities(found: Audit) -> dict[str, AuditSeverity]:
    """Severity of each finding."""
    return {id: finding.severity for id, finding in by_id(found).items()}


def serious(found: Audit) -> dict[str, AuditSeverity]:
    """Those of warning or worse."""
    return {id: severity for id, severity in severities(found).items() if severity != "info"}
