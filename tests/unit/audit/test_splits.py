"""Training against validation: the same classes, other pictures."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from unit.audit.sets import Scene, audited, by_id, scenes, serious, severities, write_coco, write_image

from dettui.audit.checks.splits import alike
from dettui.audit.policy import DEFAULT

TRAIN = scenes(images=40, size=(160, 120))
VAL = scenes(images=20, size=(160, 120), seed=1, prefix="val")


def two_sets(tmp_path: Path, spoil: Any = lambda _: None, val: list[Scene] = VAL) -> tuple[Path, Path]:
    """Files for training and validation in folders of their own; *spoil* changes the second."""
    for name in ("train", "val"):
        (tmp_path / name).mkdir(exist_ok=True)
    return write_coco(tmp_path / "train", TRAIN), write_coco(tmp_path / "val", val, spoil)


def found_between(tmp_path: Path, spoil: Any = lambda _: None) -> Any:
    train, val = two_sets(tmp_path, spoil)
    return audited(train, val=str(val))


def test_two_healthy_sets_fit_together(tmp_path: Path) -> None:
    found = found_between(tmp_path)
    assert serious(found) == {} and [audited.name for audited in found.sets] == ["train", "val"]


def test_other_names_under_the_same_ids_are_certain(tmp_path: Path) -> None:
    def exchange(document: dict[str, Any]) -> None:
        one, other, *_ = document["categories"]
        one["name"], other["name"] = other["name"], one["name"]

    assert severities(found_between(tmp_path, exchange))["sets_name_classes_differently"] == "certain"


def test_a_class_that_only_validation_shows_is_a_warning(tmp_path: Path) -> None:
    def only_dogs_here(document: dict[str, Any]) -> None:
        document["annotations"] = [a for a in document["annotations"] if a["category_id"] != 4]

    train, val = two_sets(tmp_path)
    write_coco(tmp_path / "train", TRAIN, only_dogs_here)
    assert severities(audited(train, val=str(val)))["class_only_in_validation"] == "warning"


def test_a_class_that_validation_lacks_is_only_told(tmp_path: Path) -> None:
    def no_dogs(document: dict[str, Any]) -> None:
        document["annotations"] = [a for a in document["annotations"] if a["category_id"] != 4]

    found = found_between(tmp_path, no_dogs)
    assert serious(found) == {} and "class_only_in_training" in severities(found)


@pytest.fixture
def with_pictures(tmp_path: Path) -> tuple[Path, Path]:
    """Two sets whose pictures all differ."""
    for name, made, first in (("train", TRAIN, 0), ("val", VAL, 1000)):
        for index, scene in enumerate(made):
            write_image(tmp_path / name / "images" / scene.file, scene.size, seed=first + index)
    return two_sets(tmp_path)


def test_different_pictures_do_not_leak(with_pictures: tuple[Path, Path]) -> None:
    train, val = with_pictures
    assert serious(audited(train, val=str(val))) == {}


def test_a_picture_in_both_sets_leaks_though_it_was_scaled_and_compressed_again(
    with_pictures: tuple[Path, Path],
) -> None:
    train, val = with_pictures
    source = train.parent / "images" / TRAIN[7].file
    Image.open(source).resize((150, 112)).resize((160, 120)).save(val.parent / "images" / VAL[3].file, quality=60)
    finding = by_id(audited(train, val=str(val)))["sets_share_pictures"]
    assert finding.severity == "warning" and finding.images.tolist() == [7]
    assert VAL[3].file in finding.examples[0].text


def test_the_same_file_in_both_sets_is_certain(with_pictures: tuple[Path, Path]) -> None:
    train, _ = with_pictures
    found = severities(audited(train, val=str(train)))
    assert found["sets_share_files"] == "certain"


def test_textureless_pictures_are_never_called_alike(with_pictures: tuple[Path, Path]) -> None:
    train, val = with_pictures
    for path, shade in ((train.parent / "images" / TRAIN[0].file, 90), (val.parent / "images" / VAL[0].file, 160)):
        Image.new("RGB", (160, 120), (shade, shade, shade)).save(path)
    assert serious(audited(train, val=str(val))) == {}


@pytest.mark.parametrize(("flipped", "count"), [(6, 1), (7, 0)])
def test_fingerprints_are_alike_up_to_six_bits_of_256(flipped: int, count: int) -> None:
    one = np.random.default_rng(0).random((1, 256)) > 0.5
    other = one.copy()
    other[0, :flipped] ^= True
    assert len(alike(one, other, DEFAULT)[0]) == count


def test_the_sets_that_data_yaml_names_are_compared_without_being_asked(tmp_path: Path) -> None:
    for name, made in (("train", TRAIN), ("val", VAL)):
        (tmp_path / "labels" / name).mkdir(parents=True)
        for index, scene in enumerate(made):
            write_image(tmp_path / "images" / name / scene.file, scene.size, seed=index + (name == "val") * 1000)
            (tmp_path / "labels" / name / scene.file).with_suffix(".txt").write_text(
                f"{index % 4} 0.5 0.5 0.2 0.{1 + index % 8}\n"
            )
    (tmp_path / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [a, b, c, d]\n")
    assert serious(audited(tmp_path / "data.yaml")) == {}
    shutil.copy(tmp_path / "images" / "train" / TRAIN[5].file, tmp_path / "images" / "val" / VAL[5].file)
    assert serious(audited(tmp_path / "data.yaml")) == {"sets_share_pictures": "warning"}
