"""What the peers check, item by item, on one broken data set each; and what both of them miss.

    pytest -v tests/unit/audit/test_peers.py    prints the table

datumaro's DetectionValidator compares two more anomalies with a list of attributes that a class may have
(UndefinedAttribute, AttributeDefinedButNotFound); none of the formats here holds one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from unit.audit.sets import LAWS, NAMES, audited, by_id, scenes, write_coco, write_image, write_yolo

Document = dict[str, Any]
MADE = scenes(LAWS["small"], images=320)


def annotations(change: Callable[[int, Document], object]) -> Callable[[Document], None]:
    """*change* made to each annotation, given its number."""

    def spoil(document: Document) -> None:
        for row, annotation in enumerate(document["annotations"]):
            change(row, annotation)

    return spoil


def only(row: int, **values: Any) -> Callable[[Document], None]:
    """Annotation number *row* with other *values*."""
    return lambda document: document["annotations"][row].update(values)


def weather(row: int, annotation: Document) -> None:
    annotation["attributes"] = {"weather": "rain" if row % 200 == 0 else "sun"}


def sized(row: int, annotation: Document) -> None:
    annotation["attributes"] = {"size": "small" if row % 2 else "tiny"}


def outlier_of_attribute(document: Document) -> None:
    annotations(sized)(document)
    only(7, bbox=[0, 0, 600, 440])(document)


def giants_of_attribute(document: Document) -> None:
    annotations(sized)(document)
    for annotation in document["annotations"][::50]:
        annotation["bbox"] = [10, 10, 600, 400]


def conflict(document: Document) -> None:
    first = document["annotations"][0]
    other = first["category_id"] % len(NAMES) + 1
    document["annotations"].append({**first, "id": len(document["annotations"]) + 1, "category_id": other})


def copies(document: Document) -> None:
    rows = document["annotations"]
    rows += [{**row, "id": len(rows) + number} for number, row in enumerate(rows[:200], 1)]


def as_corners(_: int, annotation: Document) -> None:
    x, y, width, height = annotation["bbox"]
    annotation["bbox"] = [x, y, x + width, y + height]


def restart(document: Document) -> None:
    seen: dict[int, int] = {}
    for annotation in document["annotations"]:
        seen[annotation["image_id"]] = annotation["id"] = seen.get(annotation["image_id"], 0) + 1


DATUMARO: dict[str, tuple[Callable[[Document], object], str]] = {
    "MissingLabelCategories": (lambda document: document["categories"].clear(), "no_class_table"),
    "MissingAnnotation": (
        lambda d: d.update(annotations=[a for a in d["annotations"] if a["image_id"] > 3]), "images_without_boxes",
    ),
    "MissingAttribute": (
        annotations(lambda row, a: a.update(attributes={"weather": "sun"} if row else {})), "attribute_missing",
    ),
    "UndefinedLabel": (only(5, category_id=77), "class_undefined"),
    "LabelDefinedButNotFound": (lambda d: d["categories"].append({"id": 9, "name": "tram"}), "class_unused"),
    "OnlyOneLabel": (
        lambda d: (
            d.update(categories=d["categories"][:1]),
            annotations(lambda _, a: a.update(category_id=1))(d),
        ), "only_one_class",
    ),
    "OnlyOneAttributeValue": (
        annotations(lambda _, a: a.update(attributes={"weather": "sun"})), "attribute_has_one_value",
    ),
    "FewSamplesInLabel": (annotations(lambda row, a: a.update(category_id=1 if row else 2)), "class_has_one_box"),
    "FewSamplesInAttribute": (
        annotations(lambda row, a: a.update(attributes={"weather": "sun" if row else "snow"})), "attribute_value_rare",
    ),
    "ImbalancedLabels": (
        annotations(lambda row, a: a.update(category_id=2 if row % 200 == 0 else 1)), "class_imbalance",
    ),
    "ImbalancedAttribute": (annotations(weather), "attribute_imbalance"),
    "ImbalancedDistInLabel": (
        annotations(lambda row, a: a.update(bbox=[10, 10, 600, 400]) if row % 50 == 0 else None), "box_sizes_skewed",
    ),
    "ImbalancedDistInAttribute": (giants_of_attribute, "attribute_sizes_skewed"),
    "FarFromLabelMean": (only(7, bbox=[0, 0, 600, 440]), "box_unlike_its_class"),
    "FarFromAttributeMean": (outlier_of_attribute, "box_unlike_its_attribute"),
    "NegativeLength": (only(7, bbox=[10, 10, 0.5, 20]), "box_below_one_pixel"),
    "InvalidValue": (only(7, bbox=[float("nan"), 10, 20, 20]), "non_finite_box"),
}  # fmt: skip

MISSED_BY_BOTH: dict[str, tuple[Callable[[Document], object], str]] = {
    "boxes beyond their image": (
        annotations(lambda row, a: a.update(bbox=[600, 10, 90, 20]) if row % 10 == 0 else None), "box_outside_image",
    ),
    "zero area": (only(7, bbox=[10, 10, 0, 20]), "degenerate_box"),
    "duplicates": (copies, "duplicate_box"),
    "one place, two classes": (conflict, "conflicting_classes"),
    "annotation ids restart": (restart, "annotation_id_repeated"),
    "another box format": (annotations(as_corners), "boxes_in_wrong_layout"),
    "normalised boxes": (annotations(lambda _, a: a.update(bbox=[v / 640 for v in a["bbox"]])), "boxes_in_other_unit"),
    "declared against usable boxes": (
        annotations(lambda row, a: a.update(bbox=a["bbox"][:3]) if row % 10 == 0 else None), "boxes_lost",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "id"), DATUMARO.values(), ids=list(DATUMARO))
def test_every_anomaly_of_datumaro_is_found(tmp_path: Path, spoil: Any, id: str) -> None:
    assert id not in by_id(audited(write_coco(tmp_path, MADE)))
    found = by_id(audited(write_coco(tmp_path, MADE, spoil)))
    assert id in found, sorted(found)


@pytest.mark.parametrize(("spoil", "id"), MISSED_BY_BOTH.values(), ids=list(MISSED_BY_BOTH))
def test_what_both_miss_in_annotations_is_found(tmp_path: Path, spoil: Any, id: str) -> None:
    assert id not in by_id(audited(write_coco(tmp_path, MADE)))
    found = by_id(audited(write_coco(tmp_path, MADE, spoil)))
    assert id in found, sorted(found)


def first_label(folder: Path) -> Path:
    return folder / "labels" / "0000.txt"


def rewrite(text: str) -> Callable[[Path], object]:
    """The first label file with *text*."""
    return lambda folder: first_label(folder).write_text(text)


def cut_off(folder: Path) -> None:
    path = folder / "images" / "0000.jpg"
    path.write_bytes(path.read_bytes()[:-40])


def turned(folder: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    path = folder / "images" / "0000.jpg"
    Image.open(path).copy().save(path, exif=exif)


ULTRALYTICS: dict[str, tuple[Callable[[Path], object], str]] = {
    "image that does not open": (lambda f: (f / "images" / "0000.jpg").write_bytes(b"no image"), "image_unreadable"),
    "image below 10 px": (lambda f: write_image(f / "images" / "0000.jpg", (9, 40)), "image_too_small"),
    "unusual format": (
        lambda f: Image.open(f / "images" / "0000.jpg").copy().save(f / "images" / "0000.jpg", "PCX"),
        "image_format_unusual",
    ),
    "JPEG without its end": (cut_off, "image_cut_off"),
    "not five columns": (rewrite("0 0.5 0.5 0.1\n"), "malformed_row"),
    "coordinates above 1": (rewrite("0 0.95 0.5 0.3 0.1\n"), "box_outside_image"),
    "coordinates below 0": (rewrite("0 0.02 0.5 0.3 0.1\n"), "box_outside_image"),
    "class that is no integer": (rewrite("0.5 0.5 0.5 0.1 0.1\n"), "malformed_row"),
    "class beyond nc": (rewrite("9 0.5 0.5 0.1 0.1\n"), "class_undefined"),
    "duplicate rows": (rewrite("0 0.5 0.5 0.1 0.1\n" * 2), "duplicate_box"),
    "labels missing": (lambda f: first_label(f).unlink(), "label_file_missing"),
    "labels empty": (rewrite(""), "images_without_boxes"),
    "labels that are no text": (lambda f: first_label(f).write_bytes(b"\xff\xfe\x00"), "unreadable_label_file"),
    "EXIF turn": (turned, "image_has_exif_turn"),
    "nc against names": (
        lambda f: (f / "data.yaml").write_text("train: images\nnc: 3\nnames: [a, b, c, d]\n"), "names_count_differs",
    ),
    "names that are one text": (
        lambda f: (f / "data.yaml").write_text("train: images\nnames: cars\n"), "names_not_a_list",
    ),
    "set that leads nowhere": (
        lambda f: (f / "data.yaml").write_text("train: images\nval: nowhere\nnames: [a, b, c, d]\n"), "split_missing",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "id"), ULTRALYTICS.values(), ids=list(ULTRALYTICS))
def test_every_check_of_ultralytics_is_made(tmp_path: Path, spoil: Any, id: str) -> None:
    data = write_yolo(tmp_path, scenes(images=6, size=(64, 48)))
    assert id not in by_id(audited(data))
    spoil(tmp_path)
    found = by_id(audited(data))
    assert id in found, sorted(found)


def test_sizes_ids_and_pictures_of_two_sets_are_compared(tmp_path: Path) -> None:
    """EXIF turns against declared sizes, declared against readable images, id sets, leakage: both peers miss them."""
    sets = {"train": scenes(images=12, size=(160, 120)), "val": scenes(images=12, size=(160, 120), prefix="v")}
    for name, made in sets.items():
        (tmp_path / name).mkdir()
        for index, scene in enumerate(made):
            write_image(tmp_path / name / scene.file, scene.size, seed=index + 100 * (name == "val"))
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(np.zeros((160, 120, 3), np.uint8)).save(tmp_path / "train" / "0000.jpg", exif=exif)
    (tmp_path / "train" / "0001.jpg").unlink()
    shutil.copy(tmp_path / "train" / "0005.jpg", tmp_path / "val" / "v0003.jpg")
    Image.open(tmp_path / "train" / "0006.jpg").resize((100, 75)).save(tmp_path / "val" / "v0004.jpg", quality=60)
    train, val = (write_coco(tmp_path / name, made) for name, made in sets.items())
    document = json.loads(val.read_text())
    document["categories"][0]["name"], document["categories"][1]["name"] = NAMES[1], NAMES[0]
    val.write_text(json.dumps(document))
    found = by_id(audited(train, val=str(val)))
    wanted = {"image_turned_by_exif", "image_missing", "sets_name_classes_differently", "sets_share_pictures"}
    assert wanted <= found.keys(), sorted(found)
