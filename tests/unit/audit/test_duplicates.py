"""Pairs of boxes: the same twice, nearly the same, two classes at one place, one annotation everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unit.audit.sets import audited, by_id, scenes, serious, severities, write_coco

from dettui.audit.checks.duplicates import iou, overlapping
from dettui.audit.reading.coco import read_coco

IMAGES = scenes(images=60)
COUNT = sum(len(scene.boxes) for scene in IMAGES)


def add_copies(count: int, **changes: Any) -> Any:
    """Appends the first *count* annotations again, with *changes*."""

    def spoil(document: dict[str, Any]) -> None:
        rows = document["annotations"]
        for annotation in rows[:count]:
            rows.append({**annotation, "id": len(rows) + 1, **changes})

    return spoil


@pytest.mark.parametrize(("copies", "severity"), [(1, "info"), (4, "info"), (5, "warning"), (50, "warning")])
def test_exact_copies_warn_from_five_and_half_a_percent(tmp_path: Path, copies: int, severity: str) -> None:
    found = by_id(audited(write_coco(tmp_path, IMAGES, add_copies(copies))))["duplicate_box"]
    assert (found.count, found.severity) == (copies, severity)
    assert found.boxes.tolist() == list(range(COUNT, COUNT + copies))  # the later rows, not the first


def test_an_exact_copy_is_not_counted_as_a_near_one_too(tmp_path: Path) -> None:
    assert "near_duplicate_box" not in by_id(audited(write_coco(tmp_path, IMAGES, add_copies(10))))


def test_two_classes_at_one_place_conflict(tmp_path: Path) -> None:
    def spoil(document: dict[str, Any]) -> None:
        add_copies(10)(document)
        for annotation in document["annotations"][COUNT:]:
            annotation["category_id"] = annotation["category_id"] % 4 + 1

    assert serious(audited(write_coco(tmp_path, IMAGES, spoil))) == {"conflicting_classes": "warning"}


@pytest.mark.parametrize(("grown", "is_told"), [(1.04, True), (1.06, False)])
def test_near_copies_overlap_by_more_than_95_percent(tmp_path: Path, grown: float, is_told: bool) -> None:
    def spoil(document: dict[str, Any]) -> None:
        add_copies(10)(document)
        for annotation in document["annotations"][COUNT:]:
            annotation["bbox"][2] = annotation["bbox"][2]
            x, y, w, h = annotation["bbox"]
            annotation["bbox"] = [x, y, w, h * grown]

    assert ("near_duplicate_box" in severities(audited(write_coco(tmp_path, IMAGES, spoil)))) == is_told


def test_pairs_are_those_of_comparing_everything_with_everything(tmp_path: Path) -> None:
    def crowd(document: dict[str, Any]) -> None:
        rng = np.random.default_rng(0)
        for annotation in document["annotations"]:
            x, y = rng.normal(100, 1.5, 2)
            w, h = rng.normal(80, 1.5, 2)
            annotation["bbox"] = [float(x), float(y), float(w), float(h)]

    data = read_coco(write_coco(tmp_path, IMAGES[:20], crowd), [])
    pairs = overlapping(data, 0.95, data.boxes.sound)
    first, second = np.triu_indices(len(data.boxes), 1)
    same = data.boxes.images[first] == data.boxes.images[second]
    near = same & (iou(data.boxes.xyxy[first], data.boxes.xyxy[second]) > 0.95)
    expected = {frozenset(pair) for pair in zip(first[near].tolist(), second[near].tolist(), strict=True)}
    assert expected
    assert {frozenset(pair) for pair in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)} == expected


def test_one_annotation_on_every_image_is_told(tmp_path: Path) -> None:
    def copy_everywhere(document: dict[str, Any]) -> None:
        document["annotations"] = [
            {
                "id": 5 * i + k + 1,
                "image_id": i + 1,
                "category_id": 1,
                "bbox": [10 + 90 * k, 20, 80, 60],
                "area": 1,
                "iscrowd": 0,
            }
            for i in range(300)
            for k in range(2)
        ]

    found = severities(audited(write_coco(tmp_path, scenes(images=300), copy_everywhere)))
    assert found["boxes_repeat_across_images"] == "warning"


def test_a_fixed_camera_whose_boxes_often_recur_is_no_warning(tmp_path: Path) -> None:
    def park(document: dict[str, Any]) -> None:
        rng = np.random.default_rng(0)
        for annotation in document["annotations"]:
            slot = int(rng.integers(0, 40))
            annotation["bbox"] = [15 * slot, 200, 14, 12]

    found = severities(audited(write_coco(tmp_path, scenes(images=200), park)))
    assert found["boxes_repeat_across_images"] == "info"
