"""Image files against what is said of them: there, readable, as large, turned, whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from unit.audit.sets import Scene, audited, by_id, scenes, serious, severities, write_coco, write_image, write_yolo

from dettui.audit.audit import Audit

IMAGES = scenes(images=12, size=(160, 120))


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """A healthy set with its images beside it."""
    for index, scene in enumerate(IMAGES):
        write_image(tmp_path / "images" / scene.file, scene.size, seed=index)
    return write_coco(tmp_path, IMAGES)


def save_turned(path: Path, size: tuple[int, int]) -> None:
    """A picture that EXIF turns by a quarter."""
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", size, (90, 120, 60)).save(path, exif=exif)


def test_images_as_declared_are_left_in_peace(coco: Path) -> None:
    found = audited(coco)
    assert serious(found) == {} and len(found.sets[0].found.headers) == len(IMAGES)


def test_a_missing_image_is_certain(coco: Path) -> None:
    (coco.parent / "images" / "0003.jpg").unlink()
    finding = by_id(audited(coco))["image_missing"]
    assert finding.severity == "certain" and finding.images.tolist() == [3]


def test_where_no_image_is_found_the_files_are_not_checked_and_nothing_is_accused(coco: Path) -> None:
    for path in (coco.parent / "images").iterdir():
        path.unlink()
    found = audited(coco)
    assert serious(found) == {}
    assert "--images" in found.sets[0].unchecked[0].reason


def test_images_may_lie_elsewhere(coco: Path, tmp_path: Path) -> None:
    (coco.parent / "images").rename(tmp_path / "photos")
    assert len(audited(coco, images=tmp_path / "photos").sets[0].found.headers) == len(IMAGES)


@pytest.mark.parametrize("content", [b"", b"no image", b"\xff\xd8\xff\xe0"])
def test_a_file_that_is_no_image_is_certain(coco: Path, content: bytes) -> None:
    (coco.parent / "images" / "0003.jpg").write_bytes(content)
    assert serious(audited(coco)) == {"image_unreadable": "certain"}


def test_a_jpeg_that_ends_early_is_a_warning(coco: Path) -> None:
    path = coco.parent / "images" / "0003.jpg"
    path.write_bytes(path.read_bytes()[:-200])
    assert serious(audited(coco)) == {"image_cut_off": "warning"}


def test_another_size_than_declared_is_certain(coco: Path) -> None:
    write_image(coco.parent / "images" / "0003.jpg", (80, 60))
    finding = by_id(audited(coco))["image_size_differs"]
    assert finding.examples[0].text == "declared 160x120, is 80x60"


def test_exchanged_sides_are_exifs_only_where_exif_turns(coco: Path) -> None:
    save_turned(coco.parent / "images" / "0003.jpg", (120, 160))
    assert serious(audited(coco)) == {"image_turned_by_exif": "warning"}
    write_image(coco.parent / "images" / "0003.jpg", (120, 160))
    assert serious(audited(coco)) == {"image_size_differs": "certain"}


def test_yolo_follows_exif_and_is_only_told_of_it(tmp_path: Path) -> None:
    path = write_yolo(tmp_path, [*IMAGES, Scene("turned.jpg", (120, 160), ((10, 10, 50, 60),), (0,))])
    save_turned(tmp_path / "images" / "turned.jpg", (160, 120))
    found = audited(path)
    assert serious(found) == {} and severities(found)["image_has_exif_turn"] == "info"
    assert found.sets[0].data.images.sizes[-1].tolist() == [120, 160]


@pytest.mark.parametrize(("side", "is_told"), [(9, True), (10, False)])
def test_images_below_ten_pixels_are_told(tmp_path: Path, side: int, is_told: bool) -> None:
    path = write_yolo(tmp_path, IMAGES)
    write_image(tmp_path / "images" / "0000.jpg", (side, 60))
    (tmp_path / "labels" / "0000.txt").write_text("0 0.5 0.5 0.9 0.5\n")
    assert ("image_too_small" in severities(audited(path))) == is_told


def test_a_limit_opens_that_many_images_spread_evenly(coco: Path) -> None:
    found = audited(coco, limit=4)
    assert sorted(found.sets[0].found.headers) == [0, 4, 7, 11]
    assert "4 of 12" in found.sets[0].unchecked[0].reason


def test_progress_goes_from_nothing_to_all(coco: Path) -> None:
    told: list[tuple[str, int, int]] = []
    audited(coco, progress=lambda what, done, total: told.append((what, done, total)))
    assert told[0] == ("images read", 0, 12) and told[-1] == ("images read", 12, 12)


def test_a_file_name_may_be_a_path_from_the_annotations_or_from_the_root(tmp_path: Path) -> None:
    names = ["photos/a.jpg", str(tmp_path / "elsewhere" / "b.jpg")]
    for index, name in enumerate(names):
        write_image(tmp_path / name, (160, 120), seed=index)
    made = [Scene(name, (160, 120), ((5, 5, 50, 50),), (0,)) for name in [*names, "\0", "x" * 5000]]
    found = audited(write_coco(tmp_path, made))
    assert by_id(found)["image_missing"].images.tolist() == [2, 3]


def test_files_in_folders_of_their_own_are_told_apart(tmp_path: Path) -> None:
    made = [Scene(f"{folder}/1.jpg", (160, 120), ((5, 5, 50, 50),), (0,)) for folder in ("a", "b")]
    for index, scene in enumerate(made):
        write_image(tmp_path / "images" / scene.file, scene.size, seed=index)
    found: Audit = audited(write_coco(tmp_path, made))
    assert [path.parent.name for path in found.sets[0].data.images.paths if path] == ["a", "b"]
    assert serious(found) == {}


def test_a_format_that_some_trainers_do_not_read_is_told(coco: Path) -> None:
    Image.new("RGB", (160, 120)).save(coco.parent / "images" / "0003.jpg", format="GIF")
    found = audited(coco)
    assert serious(found) == {} and severities(found)["image_format_unusual"] == "info"
