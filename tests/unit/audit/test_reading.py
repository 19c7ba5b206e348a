"""Readers: what is malformed is told, and the rest is still checked."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unit.audit.sets import NAMES, audited, by_id, scenes, serious, severities, write_coco, write_voc, write_yolo

from dettui.audit.as_json import to_json
from dettui.audit.audit import Audit
from dettui.audit.reading.torch_style import pixels_of
from dettui.errors import NotADataset

IMAGES = scenes(images=30, size=(160, 120))
COUNT = sum(len(scene.boxes) for scene in IMAGES)


def boxes_of(found: Audit) -> list[tuple[float, ...]]:
    """All boxes as corners, rounded to whole pixels and sorted."""
    return sorted(tuple(np.round(box).tolist()) for box in found.sets[0].data.boxes.xyxy)


# --- the three formats say the same


def test_coco_and_yolo_hold_the_same_boxes(tmp_path: Path) -> None:
    as_coco = audited(write_coco(tmp_path, IMAGES))
    as_yolo = audited(write_yolo(tmp_path / "yolo", IMAGES))
    assert boxes_of(as_coco) == boxes_of(as_yolo)
    assert as_coco.sets[0].data.boxes_per_class.tolist() == as_yolo.sets[0].data.boxes_per_class.tolist()


def test_voc_counts_from_one(tmp_path: Path) -> None:
    as_coco = audited(write_coco(tmp_path, IMAGES))
    as_voc = audited(write_voc(tmp_path / "voc", IMAGES))
    assert [(x - 1, y - 1, right, low) for x, y, right, low in boxes_of(as_voc)] == boxes_of(as_coco)


# --- which format is it


@pytest.mark.parametrize(("write", "format"), [(write_coco, "coco"), (write_yolo, "yolo"), (write_voc, "voc")])
def test_a_folder_is_recognised_and_the_reason_is_told(tmp_path: Path, write: Any, format: str) -> None:
    write(tmp_path, IMAGES)
    found = audited(tmp_path)
    assert found.sets[0].data.format == format
    assert "holds" in found.reason


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"3", b'{"annotations": 5}', b"\xff\xfe\x00{", b'{"annotations": [', b"[" * 100_000]
)
def test_a_broken_json_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "instances.json"
    path.write_bytes(content)
    with pytest.raises(NotADataset) as error:
        audited(path)
    assert "\n" not in str(error.value) and "instances.json" in str(error.value)


@pytest.mark.parametrize("name", ["notes.csv", "weights.pt", "empty"])
def test_what_is_no_dataset_is_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.mkdir() if name == "empty" else path.write_text("hello")
    with pytest.raises(NotADataset, match="COCO JSON, a YOLO"):
        audited(path)


@pytest.mark.parametrize("text", ["names: [", "3", "train: nowhere\nnames: [a]\n", "names: [a]\n"])
def test_a_yaml_that_leads_nowhere_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "data.yaml"
    path.write_text(text)
    with pytest.raises(NotADataset) as error:
        audited(path)
    assert "\n" not in str(error.value)


# --- single rows that are wrong


@pytest.mark.parametrize(
    "row",
    [
        {"bbox": None}, {"bbox": [1, 2, 3]}, {"bbox": "1 2 3 4"}, {"bbox": [1, 2, 3, "4"]}, {"bbox": [1, 2, 3, None]},
        {"category_id": None}, {"category_id": "car"}, {"category_id": 1.5}, {"category_id": 10**30},
        {"bbox": [10**400, 1, 1, 1]}, {"bbox": [True, 1, 1, 1]},
    ],
)  # fmt: skip
def test_a_malformed_coco_row_is_told_and_the_rest_is_checked(tmp_path: Path, row: dict[str, Any]) -> None:
    found = audited(write_coco(tmp_path, IMAGES, lambda document: document["annotations"][3].update(row)))
    finding = by_id(found)["malformed_row"]
    assert (finding.count, finding.examples[0].row) == (1, 3)
    assert len(found.sets[0].data.boxes) == COUNT - 1


@pytest.mark.parametrize("item", [None, 5, "text", [], [1, 2]])
def test_an_annotation_that_is_no_object_is_told_with_its_index(tmp_path: Path, item: object) -> None:
    found = audited(write_coco(tmp_path, IMAGES, lambda document: document["annotations"].__setitem__(2, item)))
    finding = by_id(found)["malformed_row"]
    assert (finding.count, finding.examples[0].row) == (1, 2)
    assert len(found.sets[0].data.boxes) == COUNT - 1


def test_annotations_of_images_that_are_not_listed_are_told(tmp_path: Path) -> None:
    found = audited(write_coco(tmp_path, IMAGES, lambda document: document["images"].pop(0)))
    assert by_id(found)["annotation_of_unknown_image"].count == len(IMAGES[0].boxes)


def test_a_coco_file_with_images_of_unknown_size_is_still_checked(tmp_path: Path) -> None:
    def forget(document: dict[str, Any]) -> None:
        for image in document["images"]:
            del image["width"], image["height"]
        document["annotations"][0]["bbox"][2] = 0

    assert serious(audited(write_coco(tmp_path, IMAGES, forget))) == {"degenerate_box": "certain"}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("0 0.5 0.5 0.1", "4 columns"), ("0 0.5 0.5 0.1 0.1 0.9", "6 columns"), ("car 0.5 0.5 0.1 0.1", "car"),
        ("1.5 0.5 0.5 0.1 0.1", "not a whole number"), ("0,0.5,0.5,0.1,0.1", "1 columns"),
    ],
)  # fmt: skip
def test_a_malformed_yolo_row_is_told_with_its_line(tmp_path: Path, row: str, said: str) -> None:
    path = write_yolo(tmp_path, IMAGES)
    labels = tmp_path / "labels" / "0000.txt"
    labels.write_text(f"0 0.5 0.5 0.1 0.1\n\n{row}\n")
    example = by_id(audited(path))["malformed_row"].examples[0]
    assert (example.file, example.row) == ("labels/0000.txt", 3) and said in example.text


def test_polygons_of_yolo_count_as_their_boxes(tmp_path: Path) -> None:
    path = write_yolo(tmp_path, IMAGES[:1])
    (tmp_path / "labels" / "0000.txt").write_text("2 0.25 0.25 0.5 0.25 0.5 0.75\n")
    assert boxes_of(audited(path)) == [(40.0, 30.0, 80.0, 90.0)]


@pytest.mark.parametrize("row", ["4 0.5 0.5 0.1 0.1", "-1 0.5 0.5 0.1 0.1"])
def test_a_yolo_class_beyond_the_names_is_undefined(tmp_path: Path, row: str) -> None:
    path = write_yolo(tmp_path, IMAGES)
    (tmp_path / "labels" / "0000.txt").write_text(row)
    assert severities(audited(path))["class_undefined"] == "certain"


@pytest.mark.parametrize(
    ("row", "id"), [("0 nan 0.5 0.1 0.1", "non_finite_box"), ("0 0.5 0.5 0 0.1", "degenerate_box")]
)
def test_yolo_rows_without_a_box_are_certain(tmp_path: Path, row: str, id: str) -> None:
    path = write_yolo(tmp_path, IMAGES)
    (tmp_path / "labels" / "0000.txt").write_text(row)
    assert serious(audited(path)) == {id: "certain"}


def test_label_files_that_are_no_text_are_told(tmp_path: Path) -> None:
    path = write_yolo(tmp_path, IMAGES)
    (tmp_path / "labels" / "0001.txt").write_bytes(b"\xff\xfe\x80\x81")
    (tmp_path / "labels" / "0002.txt").unlink()
    found = severities(audited(path))
    assert found["unreadable_label_file"] == "certain" and found["label_file_missing"] == "info"


@pytest.mark.parametrize(
    ("yaml", "id"),
    [
        ("train: images\nnames: car\n", "names_not_a_list"),
        ("train: images\nnc: 7\nnames: [a, b, c, d]\n", "names_count_differs"),
        ("train: images\nval: nowhere\nnames: [a, b, c, d]\n", "split_missing"),
    ],
)
def test_what_is_wrong_with_data_yaml_is_certain(tmp_path: Path, yaml: str, id: str) -> None:
    path = write_yolo(tmp_path, IMAGES)
    path.write_text(yaml)
    assert severities(audited(path))[id] == "certain"


def test_names_may_be_a_mapping(tmp_path: Path) -> None:
    path = write_yolo(tmp_path, IMAGES)
    path.write_text("train: images\nnames:\n" + "".join(f"  {index}: {name}\n" for index, name in enumerate(NAMES)))
    assert audited(path).sets[0].data.classes.names == NAMES


@pytest.mark.parametrize(
    "text",
    [
        "<annotation><object>", "", "<html></html>",
        "<annotation><object><name>car</name><bndbox><xmin>a</xmin></bndbox></object></annotation>",
        "<annotation><object><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>",
    ],
)  # fmt: skip
def test_a_broken_voc_file_is_told_and_the_rest_is_checked(tmp_path: Path, text: str) -> None:
    write_voc(tmp_path, IMAGES)
    (tmp_path / "Annotations" / "0000.xml").write_text(text)
    found = audited(tmp_path)
    assert list(serious(found).values()) == ["certain"]
    assert len(found.sets[0].data.boxes) == COUNT - len(IMAGES[0].boxes)


# --- Datasets in Python


class Shelf:
    """A Dataset whose items are given."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        item = self.items[index]
        if isinstance(item, Exception):
            raise item
        return item


def healthy_item(index: int) -> tuple[Any, Any]:
    """An image as a tensor has it, channels first, and a target of columns."""
    boxes = np.array([[10.0, 10.0 + index, 60.0 + index, 90.0], [100.0, 20.0, 150.0, 70.0 + index]])
    return np.zeros((3, 240, 320), np.float32), {"boxes": boxes, "labels": np.array([1, 2])}


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The items of ``shelf_module:shelf``; healthy until a test changes them."""
    items = [healthy_item(index) for index in range(30)]
    module = type(sys)("shelf_module")
    module.shelf = Shelf(items)  # type: ignore[attr-defined]
    module.make = lambda: Shelf(items)  # type: ignore[attr-defined]
    module.number = 5  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shelf_module", module)
    yield items


@pytest.mark.parametrize("name", ["shelf_module:shelf", "shelf_module:make"])
def test_a_healthy_dataset_is_left_in_peace(shelf: list[Any], name: str) -> None:
    found = audited(name)
    assert serious(found) == {}
    assert found.sets[0].data.images.sizes[0].tolist() == [320, 240]


BOX = {"boxes": np.ones((1, 4)), "labels": np.array([1])}


@pytest.mark.parametrize(
    ("item", "id"),
    [
        (ValueError("broken\nfile"), "unreadable_item"),
        ((np.zeros((3, 9, 9)), {"boxes": np.ones((2, 4)), "labels": np.array([1, 2, 3])}), "lengths_differ"),
        ((np.zeros((3, 9, 9)), {"boxes": np.ones((2, 5)), "labels": np.array([1, 2])}), "malformed_target"),
        ((np.zeros((3, 9, 9)), {"labels": np.array([1, 2])}), "malformed_target"),
        ((np.zeros((3, 9, 9)), 5), "malformed_target"),
        ((np.zeros((3, 9, 9)), {"boxes": [["a", 1, 2, 3]], "labels": [1]}), "malformed_target"),
        ((np.zeros((3, 9, 9)), {"boxes": [[1, 1, 5, 5]], "labels": ["car"]}), "malformed_row"),
        (7, "unreadable_item"),
    ],
)
def test_an_item_that_cannot_be_read_is_told_and_the_rest_is_checked(shelf: list[Any], item: Any, id: str) -> None:
    shelf[4] = item
    found = audited("shelf_module:shelf")
    assert serious(found) == {id: "certain"}
    assert by_id(found)[id].examples[0].file == "item 4"


def test_targets_as_torchvisions_coco_has_them_are_read(shelf: list[Any]) -> None:
    shelf[:] = [(np.zeros((240, 320, 3)), [{"bbox": [10, 10 + i, 50, 60], "category_id": 3}]) for i in range(10)]
    assert boxes_of(audited("shelf_module:shelf"))[0] == (10, 10, 60, 70)


@pytest.mark.parametrize("name", ["no_such_module:x", "shelf_module:missing", "shelf_module:number"])
def test_a_name_that_leads_to_no_dataset_is_one_line(shelf: list[Any], name: str) -> None:
    with pytest.raises(NotADataset) as error:
        audited(name)
    assert "\n" not in str(error.value)


def test_a_limit_reads_that_many_items_and_says_so(shelf: list[Any]) -> None:
    found = audited("shelf_module:shelf", limit=7)
    assert len(found.sets[0].data.images) == 7
    assert "7 of 30" in found.sets[0].data.notes[0]


def test_nan_in_the_json_is_a_finding_and_not_a_failure(tmp_path: Path) -> None:
    path = write_coco(
        tmp_path, IMAGES, lambda document: document["annotations"][0].update(bbox=[1, 1, float("nan"), 1])
    )
    assert "NaN" in path.read_text()
    assert serious(audited(path)) == {"non_finite_box": "certain"}


def test_a_file_of_two_objects_in_one_is_refused(tmp_path: Path) -> None:
    path = write_coco(tmp_path, IMAGES)
    path.write_text(path.read_text() + json.dumps({"annotations": []}))
    with pytest.raises(NotADataset):
        audited(path)


@pytest.mark.parametrize(
    ("image", "corner"),
    [
        (np.full((3, 20, 30), 0.5, np.float32), (128, 128, 128)),
        (np.full((20, 30, 3), 200, np.uint8), (200, 200, 200)),
        (np.full((20, 30), 255.0), (255, 255, 255)),
        (np.full((1, 20, 30), 90, np.uint8), (90, 90, 90)),
        (np.full((4, 20, 30), 0.0), (0, 0, 0)),
        (np.full((3, 20, 30), float("nan")), (0, 0, 0)),
    ],
)
def test_the_images_of_a_dataset_can_be_shown(image: Any, corner: tuple[int, int, int]) -> None:
    pixels = pixels_of(image)
    assert pixels.shape == (20, 30, 3) and pixels.dtype == np.uint8
    assert tuple(pixels[0, 0].tolist()) == corner


def test_a_normalised_image_is_stretched_to_be_seen() -> None:
    image = np.linspace(-2.1, 2.6, 600).reshape(1, 20, 30)
    pixels = pixels_of(image)
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_the_picture_of_an_item_is_that_of_its_place(shelf: list[Any]) -> None:
    data = audited("shelf_module:shelf", limit=7).sets[0].data
    assert data.picture is not None
    assert data.picture(6) is shelf[29][0]


def test_any_damage_to_a_json_leaves_a_report_or_one_line(tmp_path: Path) -> None:
    rng = random.Random(0)
    odd = [None, True, -1, 3.5, 10**25, 1e308, float("nan"), float("-inf"), "", "x", [], [1, 2, 3, 4], {}, {"id": 1}]
    for _ in range(60):

        def damage(document: dict[str, Any]) -> None:
            for _ in range(3):
                row = rng.choice(document[rng.choice(["images", "annotations", "categories"])])
                key = rng.choice([*row])
                if key == "bbox" and rng.random() < 0.7:
                    row[key][rng.randrange(4)] = rng.choice(odd)
                else:
                    row[key] = rng.choice(odd)

        json.dumps(to_json(audited(write_coco(tmp_path, IMAGES[:6], damage))), allow_nan=False)
