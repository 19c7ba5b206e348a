"""Healthy data are left in peace, whatever the law of their boxes and the format they come in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from unit.audit.sets import LAWS, NAMES, audited, scenes, serious, write_coco, write_voc, write_yolo

SIZES = {"landscape": (640, 480), "square": (512, 512), "portrait": (480, 854), "differing": None}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("law", LAWS)
def test_healthy_boxes_raise_no_warning_in_coco(tmp_path: Path, law: str, size: str) -> None:
    found = audited(write_coco(tmp_path, scenes(LAWS[law], size=SIZES[size], images=80)))
    assert serious(found) == {}
    assert found.verdict == "healthy"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("law", LAWS)
def test_healthy_boxes_raise_no_warning_in_voc(tmp_path: Path, law: str, size: str) -> None:
    assert serious(audited(write_voc(tmp_path, scenes(LAWS[law], size=SIZES[size], images=80, seed=1)))) == {}


@pytest.mark.parametrize("size", [(320, 240), (256, 256)])
@pytest.mark.parametrize("law", LAWS)
def test_healthy_boxes_raise_no_warning_in_yolo(tmp_path: Path, law: str, size: tuple[int, int]) -> None:
    assert serious(audited(write_yolo(tmp_path, scenes(LAWS[law], size=size, images=30, seed=2)))) == {}


@pytest.mark.parametrize("law", LAWS)
def test_labels_without_their_images_are_checked_all_the_same(tmp_path: Path, law: str) -> None:
    write_yolo(tmp_path, scenes(LAWS[law], images=30), with_images=False)
    (tmp_path / "data.yaml").unlink()
    (tmp_path / "classes.txt").write_text("\n".join(NAMES))
    found = audited(tmp_path)
    assert serious(found) == {}
    assert found.sets[0].unchecked


def test_long_tails_and_rare_classes_are_no_fault(tmp_path: Path) -> None:
    def skew(document: dict[str, list[dict[str, int]]]) -> None:
        for row, annotation in enumerate(document["annotations"]):
            annotation["category_id"] = 2 if row % 1000 == 0 else 1

    found = audited(write_coco(tmp_path, scenes(LAWS["crowded"], images=150), skew))
    assert serious(found) == {}


def test_a_tenth_of_a_percent_of_boxes_that_stick_out_is_no_warning(tmp_path: Path) -> None:
    def stretch(document: dict[str, list[dict[str, list[int]]]]) -> None:
        for annotation in document["annotations"][::1000]:
            annotation["bbox"][2] = 700

    assert serious(audited(write_coco(tmp_path, scenes(LAWS["crowded"], images=150), stretch))) == {}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("share", [0.005, 0.05, 0.3])
def test_boxes_that_stick_out_a_little_are_not_called_another_format(tmp_path: Path, law: str, share: float) -> None:
    """Annotators draw beyond the edge; the format is right all the same."""

    def stretch(document: dict[str, list[dict[str, list[float]]]]) -> None:
        rng = np.random.default_rng(3)
        for annotation in document["annotations"]:
            x, y, w, h = annotation["bbox"]
            if rng.random() < share and x + w > 500:
                annotation["bbox"] = [x, y, 640 - x + int(rng.integers(2, 12)), h]

    found = serious(audited(write_coco(tmp_path, scenes(LAWS[law], images=80), stretch)))
    assert "boxes_in_wrong_layout" not in found
