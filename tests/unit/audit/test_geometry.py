"""Boxes one by one, on either side of each limit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from unit.audit.sets import LAWS, audited, by_id, scenes, serious, severities, write_coco, write_voc, write_yolo

IMAGES = scenes(images=60)
COUNT = sum(len(scene.boxes) for scene in IMAGES)


def with_box(*box: float) -> Any:
    """Puts *box* (corner and size) in the place of the first annotation."""

    def spoil(document: dict[str, Any]) -> None:
        document["annotations"][0]["bbox"] = list(box)

    return spoil


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((10, 10, 0, 50), {"degenerate_box": "certain"}),
        ((10, 10, 50, -5), {"degenerate_box": "certain"}),
        ((10, 10, 0.5, 50), {"box_below_one_pixel": "warning"}),
        ((float("nan"), 10, 5, 50), {"non_finite_box": "certain"}),
        ((10, 10, float("inf"), 50), {"non_finite_box": "certain"}),
        ((10, 10, 50, 50), {}),
    ],
)
def test_one_impossible_box_is_found_and_nothing_else(tmp_path: Path, box: Any, expected: dict[str, str]) -> None:
    found = audited(write_coco(tmp_path, IMAGES, with_box(*box)))
    assert serious(found) == expected
    for id in expected:
        finding = by_id(found)[id]
        assert (finding.count, finding.total) == (1, COUNT)
        assert finding.examples[0].file == "0000.jpg" and finding.examples[0].row == 0


@pytest.mark.parametrize(
    ("box", "id"),
    [((10, 10, 1.5, 50), "tiny_box"), ((10, 10, 400, 12), "sliver_box"), ((600, 10, 100, 50), "box_outside_image")],
)
def test_one_odd_box_among_many_is_told_without_a_warning(tmp_path: Path, box: Any, id: str) -> None:
    assert severities(audited(write_coco(tmp_path, IMAGES, with_box(*box))))[id] == "info"


@pytest.mark.parametrize(("size", "is_told"), [((80, 4.1), False), ((88, 4.1), True)])
def test_a_sliver_is_more_than_twenty_times_as_long_as_wide(
    tmp_path: Path, size: tuple[float, float], is_told: bool
) -> None:
    found = by_id(audited(write_coco(tmp_path, IMAGES, with_box(10, 10, *size))))
    assert (0 in found["sliver_box"].boxes if "sliver_box" in found else False) == is_told


def every(step: int, change: Any) -> Any:
    """Changes the box of every annotation in *step*."""

    def spoil(document: dict[str, Any]) -> None:
        for annotation in document["annotations"][::step]:
            annotation["bbox"] = change(*annotation["bbox"])

    return spoil


@pytest.mark.parametrize(("step", "severity"), [(120, "info"), (30, "warning"), (3, "certain")])
def test_boxes_outside_weigh_by_their_share(tmp_path: Path, step: int, severity: str) -> None:
    found = audited(write_coco(tmp_path, IMAGES, every(step, lambda x, y, w, h: [x, y, 800, h])))
    assert severities(found)["box_outside_image"] == severity


@pytest.mark.parametrize(("beyond", "is_told"), [(6, False), (7, True)])
def test_a_hundredth_of_the_side_is_forgiven_at_the_edge(tmp_path: Path, beyond: int, is_told: bool) -> None:
    found = audited(write_coco(tmp_path, IMAGES, with_box(540, 10, 100 + beyond, 50)))
    assert ("box_outside_image" in by_id(found)) == is_told


def test_one_row_outside_is_certain_for_yolo_because_its_trainer_drops_the_image(tmp_path: Path) -> None:
    path = write_yolo(tmp_path, scenes(images=5))
    (tmp_path / "labels" / "0000.txt").write_text("0 0.95 0.5 0.2 0.1\n")
    finding = by_id(audited(path))["box_outside_image"]
    assert finding.severity == "certain" and "ultralytics" in finding.remedy


def test_boxes_of_images_before_they_were_shrunk_are_told_with_the_factor(tmp_path: Path) -> None:
    def shrink(document: dict[str, Any]) -> None:
        for image in document["images"]:
            image["width"], image["height"] = 160, 120

    finding = by_id(audited(write_coco(tmp_path, IMAGES, shrink)))["box_outside_image"]
    assert finding.severity == "certain" and "another size" in finding.remedy


def test_normalised_boxes_among_pixels_are_certain(tmp_path: Path) -> None:
    def normalise(document: dict[str, Any]) -> None:
        for annotation in document["annotations"][:40]:
            x, y, w, h = annotation["bbox"]
            annotation["bbox"] = [x / 640, y / 480, w / 640, h / 480]

    found = serious(audited(write_coco(tmp_path, IMAGES, normalise)))
    assert found["boxes_in_other_unit"] == "certain"
    assert "box_below_one_pixel" not in found  # explained by the unit


def test_pixels_among_shares_are_certain(tmp_path: Path) -> None:
    path = write_yolo(tmp_path, scenes(images=10))
    for label in sorted((tmp_path / "labels").iterdir())[:5]:
        label.write_text("0 320 240 100 80\n1 200 200 50 50\n")
    found = serious(audited(path))
    assert found == {"boxes_in_other_unit": "certain"}


def test_a_single_box_of_one_pixel_in_the_corner_is_not_called_normalised(tmp_path: Path) -> None:
    assert "boxes_in_other_unit" not in by_id(audited(write_coco(tmp_path, IMAGES, with_box(0, 0, 1, 1))))


def test_corners_one_pixel_too_low_are_the_voc_offset(tmp_path: Path) -> None:
    write_voc(tmp_path, IMAGES)
    first = tmp_path / "Annotations" / "0000.xml"
    first.write_text(re.sub("<xmin>[0-9]+<", "<xmin>-1<", first.read_text()))
    assert severities(audited(tmp_path))["box_off_by_one"] == "warning"


@pytest.mark.parametrize(("share", "severity"), [(5, "info"), (2, "warning")])
def test_boxes_over_the_whole_image_warn_only_in_numbers(tmp_path: Path, share: int, severity: str) -> None:
    found = audited(write_coco(tmp_path, IMAGES, every(share, lambda *_: [0, 0, 640, 480])))
    assert severities(found)["full_image_box"] == severity


def test_tiny_boxes_warn_from_one_in_a_hundred(tmp_path: Path) -> None:
    found = audited(write_coco(tmp_path, scenes(LAWS["small"]), every(20, lambda x, y, w, h: [x, y, w, 1.5])))
    assert severities(found)["tiny_box"] == "warning"
