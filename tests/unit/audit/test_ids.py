"""Ids, names and classes: what evaluators and heads look things up by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from unit.audit.sets import LAWS, audited, by_id, scenes, serious, severities, write_coco, write_voc

IMAGES = scenes(images=40)


def found_after(tmp_path: Path, spoil: Any) -> dict[str, str]:
    """Severity by id of what is found once *spoil* has changed the document."""
    return dict(severities(audited(write_coco(tmp_path, IMAGES, spoil))))


def test_annotation_ids_that_restart_are_certain(tmp_path: Path) -> None:
    def restart(document: dict[str, Any]) -> None:
        for row, annotation in enumerate(document["annotations"]):
            annotation["id"] = row % 5 + 1

    assert found_after(tmp_path, restart)["annotation_id_repeated"] == "certain"


def test_the_annotation_id_zero_is_certain(tmp_path: Path) -> None:
    def from_zero(document: dict[str, Any]) -> None:
        for row, annotation in enumerate(document["annotations"]):
            annotation["id"] = row

    found = audited(write_coco(tmp_path, IMAGES, from_zero))
    assert serious(found) == {"annotation_id_zero": "certain"}
    assert by_id(found)["annotation_id_zero"].cause == "evaluator_broken"


def test_an_image_id_used_twice_is_certain_and_a_file_listed_twice_a_warning(tmp_path: Path) -> None:
    def double(document: dict[str, Any]) -> None:
        document["images"][1]["id"] = 1
        document["images"][3]["file_name"] = document["images"][2]["file_name"]

    found = found_after(tmp_path, double)
    assert found["image_id_repeated"] == "certain" and found["file_listed_twice"] == "warning"


def test_class_ids_shifted_by_one_are_certain_and_say_so(tmp_path: Path) -> None:
    def shift(document: dict[str, Any]) -> None:
        for annotation in document["annotations"]:
            annotation["category_id"] -= 1

    finding = by_id(audited(write_coco(tmp_path, IMAGES, shift)))["class_undefined"]
    assert finding.severity == "certain"
    assert finding.remedy.startswith("add 1: ids 0 to 3 are used, 1 to 4 are defined")


def test_a_single_undefined_class_is_named(tmp_path: Path) -> None:
    def stray(document: dict[str, Any]) -> None:
        document["annotations"][0]["category_id"] = 77

    finding = by_id(audited(write_coco(tmp_path, IMAGES, stray)))["class_undefined"]
    assert finding.count == 1 and "77" in finding.remedy


def test_classes_that_share_an_id_or_a_name_are_told(tmp_path: Path) -> None:
    def confuse(document: dict[str, Any]) -> None:
        document["categories"] += [{"id": 1, "name": "lorry"}, {"id": 9, "name": "dog"}]

    found = found_after(tmp_path, confuse)
    assert found["class_id_repeated"] == "certain" and found["class_name_repeated"] == "warning"


def test_holes_and_unused_classes_are_only_told(tmp_path: Path) -> None:
    def widen(document: dict[str, Any]) -> None:
        document["categories"].append({"id": 90, "name": "toothbrush"})

    found = audited(write_coco(tmp_path, IMAGES, widen))
    assert serious(found) == {}
    assert {"class_ids_have_holes", "class_unused"} <= severities(found).keys()


def test_without_categories_the_classes_have_no_names(tmp_path: Path) -> None:
    assert found_after(tmp_path, lambda document: document.pop("categories"))["no_class_table"] == "warning"


def test_nothing_but_crowds_is_certain_and_some_crowds_are_nothing(tmp_path: Path) -> None:
    def crowd(document: dict[str, Any], step: int) -> None:
        for annotation in document["annotations"][::step]:
            annotation["iscrowd"] = 1

    assert found_after(tmp_path, lambda document: crowd(document, 1))["all_boxes_are_crowds"] == "certain"
    assert "all_boxes_are_crowds" not in found_after(tmp_path, lambda document: crowd(document, 2))


def test_fields_that_the_evaluation_needs_are_missed(tmp_path: Path) -> None:
    def strip(document: dict[str, Any]) -> None:
        for annotation in document["annotations"]:
            del annotation["area"], annotation["iscrowd"]

    assert found_after(tmp_path, strip) == {
        **found_after(tmp_path, lambda _: None),
        "evaluation_field_missing": "warning",
    }


@pytest.mark.parametrize(("emptied", "severity"), [(0, None), (24, "info"), (25, "warning")])
def test_empty_images_warn_beyond_sixty_percent(tmp_path: Path, emptied: int, severity: str | None) -> None:
    def empty(document: dict[str, Any]) -> None:
        document["annotations"] = [a for a in document["annotations"] if a["image_id"] > emptied]

    assert found_after(tmp_path, empty).get("images_without_boxes") == severity


def test_no_box_at_all_is_certain(tmp_path: Path) -> None:
    assert found_after(tmp_path, lambda document: document["annotations"].clear())["no_boxes"] == "certain"


def test_a_class_with_one_box_and_an_imbalance_of_fifty_are_told(tmp_path: Path) -> None:
    def skew(document: dict[str, Any]) -> None:
        for row, annotation in enumerate(document["annotations"]):
            annotation["category_id"] = 2 if row == 0 else 1

    found = audited(write_coco(tmp_path, scenes(LAWS["crowded"], images=80), skew))
    assert {"class_has_one_box", "class_imbalance", "class_unused"} <= severities(found).keys()


def test_a_table_with_one_class_is_told(tmp_path: Path) -> None:
    def one(document: dict[str, Any]) -> None:
        document["categories"] = document["categories"][:1]
        for annotation in document["annotations"]:
            annotation["category_id"] = 1

    assert found_after(tmp_path, one)["only_one_class"] == "info"


def test_a_box_far_from_the_mean_of_its_class_is_told(tmp_path: Path) -> None:
    def blow_up(document: dict[str, Any]) -> None:
        document["annotations"][7]["bbox"] = [0, 0, 600, 440]

    found = by_id(audited(write_coco(tmp_path, scenes(LAWS["small"], images=200), blow_up)))
    assert found["box_unlike_its_class"].boxes.tolist() == [7]


def test_attributes_that_some_boxes_lack_or_that_never_vary_are_told(tmp_path: Path) -> None:
    write_voc(tmp_path, IMAGES)
    first = tmp_path / "Annotations" / "0000.xml"
    first.write_text(first.read_text().replace("<difficult>0</difficult>", "", 1))
    found = audited(tmp_path)
    assert by_id(found)["attribute_missing"].count == 1
    assert "attribute_has_one_value" in severities(found)


def test_lost_boxes_are_summed_up(tmp_path: Path) -> None:
    def lose(document: dict[str, Any]) -> None:
        for annotation in document["annotations"][::10]:
            annotation["bbox"] = annotation["bbox"][:3]

    found = found_after(tmp_path, lose)
    assert found["boxes_lost"] == "warning" and found["malformed_row"] == "certain"


def test_attribute_values_of_one_box_or_of_very_different_frequency_are_told(tmp_path: Path) -> None:
    def give(document: dict[str, Any], values: dict[int, str]) -> None:
        for row, annotation in enumerate(document["annotations"]):
            annotation["attributes"] = {"weather": next((v for step, v in values.items() if row % step == 0), "sun")}

    crowded = scenes(LAWS["crowded"], images=80)
    rare = audited(write_coco(tmp_path, crowded, lambda document: give(document, {10_000: "snow"})))
    assert "attribute_value_rare" in severities(rare)
    seldom = audited(write_coco(tmp_path, crowded, lambda document: give(document, {200: "rain"})))
    assert "attribute_imbalance" in severities(seldom)
    often = audited(write_coco(tmp_path, crowded, lambda document: give(document, {3: "rain"})))
    assert not {"attribute_imbalance", "attribute_value_rare"} & severities(often).keys()
    assert serious(rare) == serious(seldom) == serious(often) == {}


def test_a_box_far_from_others_of_its_attribute_is_told(tmp_path: Path) -> None:
    def mark_small(document: dict[str, Any]) -> None:
        for row, annotation in enumerate(document["annotations"]):
            annotation["attributes"] = {"size": "small" if row % 2 else "tiny"}
        document["annotations"][7]["bbox"] = [0, 0, 600, 440]

    found = by_id(audited(write_coco(tmp_path, scenes(LAWS["small"], images=200), mark_small)))
    assert found["box_unlike_its_attribute"].boxes.tolist() == [7]


def test_a_class_of_one_size_with_a_few_giants_is_told(tmp_path: Path) -> None:
    def grow(document: dict[str, Any]) -> None:
        for annotation in document["annotations"][::50]:
            annotation["bbox"] = [10, 10, 600, 400]

    assert "box_sizes_skewed" in severities(audited(write_coco(tmp_path, scenes(LAWS["small"], images=200), grow)))
