"""The marker test and the losses of transforms that are given, or found in a dataset."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import albumentations as A  # noqa: N812 - as its own documentation does
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision import tv_tensors
from torchvision.transforms import v2

from dettui_probe.contract import NAMED, UNKNOWN
from dettui_probe.prechecks.library_warnings import ignored_arguments
from dettui_probe.prechecks.report import Check
from dettui_probe.prechecks.transforms import check_transform

HEIGHT, WIDTH = 160, 200
FLIP = A.HorizontalFlip(p=0.5)
FIELDS = A.BboxParams("pascal_voc", label_fields=["labels"])
Prepare = Callable[[Any, Any, Any, Any], tuple[Any, dict[str, Any]]]


def collate(rows: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    return [row[0] for row in rows], [row[1] for row in rows]


def chw(image: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float() / 255


def target(boxes: Any, labels: Any) -> dict[str, Any]:
    corners = torch.as_tensor(np.asarray(boxes), dtype=torch.float32).reshape(-1, 4)
    return {"boxes": corners, "labels": torch.as_tensor(np.asarray(labels)).long()}


def usual(transform: Any, image: Any, boxes: Any, labels: Any) -> tuple[Any, dict[str, Any]]:
    out = transform(image=image, bboxes=boxes.tolist(), labels=labels.tolist())
    return chw(out["image"]), target(out["bboxes"], out["labels"])


def image_only(transform: Any, image: Any, boxes: Any, labels: Any) -> tuple[Any, dict[str, Any]]:
    return chw(transform(image=image)["image"]), target(boxes, labels)


def forgetful(transform: Any, image: Any, boxes: Any, labels: Any) -> tuple[Any, dict[str, Any]]:
    return usual(transform, image, boxes, labels)[0], target(boxes, labels)


def plain_tensors(transform: Any, image: Any, boxes: Any, labels: Any) -> tuple[Any, dict[str, Any]]:
    out, found = transform(tv_tensors.Image(chw(image)), target(boxes, labels))
    return out.as_subclass(Tensor), found


class Augmented(Dataset[Any]):
    def __init__(self, transform: Any, prepare: Prepare = usual) -> None:
        self.transform = transform
        self.prepare = prepare

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> Any:
        dice = np.random.default_rng(index)
        image = dice.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        extent = dice.integers(24, 60, (int(dice.integers(1, 5)), 2))
        corner = (dice.random(extent.shape) * (np.array([WIDTH, HEIGHT]) - extent)).astype(np.int64)
        boxes = np.concatenate([corner, corner + extent], axis=1)
        return self.prepare(self.transform, image, boxes, dice.integers(1, 4, len(boxes)))


def checks_of(dataset: Any = None, transform: Any = None, contract: Any = NAMED["fasterrcnn"]) -> dict[str, Check]:
    loader = None if dataset is None else DataLoader(dataset, 4, collate_fn=collate)
    return {check.name: check for check in check_transform(transform, loader, contract)}


def test_a_dataset_that_flips_boxes_with_its_images_passes_everything() -> None:
    checks = checks_of(Augmented(A.Compose([FLIP], bbox_params=FIELDS)))
    assert {check.verdict for check in checks.values()} == {"passed"}, checks
    assert {"marker_boxes", "marker_labels", "marker_dataset", "boxes_kept", "slivers", "noise"} <= set(checks)


def test_the_snippet_of_the_article_is_caught() -> None:
    """``labels=`` beside boxes, no ``label_fields``, and a crop: labels of boxes that are gone stay."""
    article = A.Compose(
        [A.RandomCrop(100, 120), A.HorizontalFlip(p=0.5), A.RandomBrightnessContrast(p=0.2)],
        bbox_params=A.BboxParams("pascal_voc"),
    )
    checks = checks_of(Augmented(article))
    assert (checks["marker_labels"].severity, checks["marker_labels"].cause) == ("certain", "labels_boxes_mismatch")
    assert "label_fields" in checks["marker_labels"].remedy
    assert checks["marker_boxes"].verdict == "passed"


def test_the_same_snippet_without_a_crop_is_no_fault_yet() -> None:
    checks = checks_of(Augmented(A.Compose([FLIP], bbox_params=A.BboxParams("pascal_voc"))))
    assert not [check for check in checks.values() if check.verdict == "failed"]


@pytest.mark.parametrize(
    ("transform", "prepare"),
    [
        (A.Compose([FLIP]), image_only),
        (A.Compose([FLIP], bbox_params=FIELDS), forgetful),
        (v2.RandomHorizontalFlip(), plain_tensors),
    ],
    ids=["not passed", "result forgotten", "plain tensors"],
)
def test_boxes_left_behind_in_a_dataset_are_certain(transform: Any, prepare: Prepare) -> None:
    check = checks_of(Augmented(transform, prepare))["marker_dataset"]
    assert (check.severity, check.cause) == ("certain", "boxes_not_transformed")


def test_a_transform_that_moves_nothing_may_go_without_boxes() -> None:
    colour = A.Compose([A.RandomBrightnessContrast(p=1)])
    assert checks_of(Augmented(colour, image_only))["marker_dataset"].verdict == "passed"


def test_a_transform_behind_a_subset_is_found() -> None:
    subset = Subset(Augmented(A.Compose([FLIP]), image_only), range(48))
    assert checks_of(subset)["marker_dataset"].cause == "boxes_not_transformed"


def test_without_a_known_head_delivered_boxes_are_not_judged() -> None:
    checks = checks_of(Augmented(A.Compose([FLIP], bbox_params=FIELDS)), contract=UNKNOWN)
    assert checks["marker_dataset"].verdict == "abstained"
    assert checks["marker_boxes"].verdict == "passed"


def test_the_dataset_keeps_its_own_transform_in_its_own_state() -> None:
    pipeline = A.Compose([FLIP], bbox_params=FIELDS, seed=3)
    dataset = Augmented(pipeline)
    state = pipeline.random_generator.bit_generator.state
    checks_of(dataset)
    assert dataset.transform is pipeline
    assert pipeline.random_generator.bit_generator.state == state


def test_a_crop_that_eats_boxes_is_a_warning() -> None:
    crop = A.Compose([A.RandomCrop(60, 70)], bbox_params=FIELDS, seed=1)
    checks = checks_of(Augmented(crop))
    assert checks["boxes_kept"].cause == "augmentation_drops_boxes"
    assert checks["slivers"].cause == "augmentation_drops_boxes"


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        ([A.Affine(rotate=(40, 50), p=1)], "box_bloat"),
        ([A.GaussNoise(std_range=(0.4, 0.5), p=1)], "noise"),
    ],
    ids=["bloat", "noise"],
)
def test_a_transform_that_is_too_strong_is_a_warning(steps: list[Any], name: str) -> None:
    check = checks_of(transform=A.Compose(steps, bbox_params=FIELDS))[name]
    assert (check.severity, check.cause) == ("warn", "augmentation_too_strong")


def flip_pair(image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
    if torch.rand(()) < 0.5:
        boxes, width = target["boxes"], image.shape[-1]
        flipped = torch.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], dim=1)
        return image.flip(-1), {**target, "boxes": flipped}
    return image, target


def flip_image(image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
    return (image.flip(-1) if torch.rand(()) < 0.5 else image), target


def flip_keywords(image: Any, bboxes: Any, labels: Any) -> dict[str, Any]:
    width = image.shape[1]
    return {
        "image": image[:, ::-1],
        "bboxes": [[width - c, b, width - a, d] for a, b, c, d in bboxes],
        "labels": labels,
    }


@pytest.mark.parametrize(
    ("transform", "verdict"),
    [
        (flip_pair, "passed"),
        (flip_image, "failed"),
        (flip_keywords, "passed"),
        (v2.Compose([v2.RandomHorizontalFlip(), v2.RandomResizedCrop(128), v2.SanitizeBoundingBoxes()]), "passed"),
        (A.Compose([FLIP], bbox_params=A.BboxParams("yolo", label_fields=["k"])), "passed"),
        (A.Compose([FLIP]), "failed"),
    ],
    ids=["pair", "image alone", "keywords", "v2", "yolo", "no bbox_params"],
)
def test_a_transform_given_alone_is_called_as_its_kind_is(transform: Any, verdict: str) -> None:
    assert checks_of(transform=transform)["marker_boxes"].verdict == verdict


def test_a_transform_that_raises_on_some_images_is_judged_on_the_others() -> None:
    calls = iter(range(10**6))

    def fragile(image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        if next(calls) % 7 == 5:
            raise ValueError("unlucky picture")
        return flip_pair(image, target)

    check = checks_of(transform=fragile)["marker_boxes"]
    assert check.verdict == "passed" and "unlucky picture" in check.evidence


def broken(image: Tensor, target: dict[str, Any]) -> Any:
    raise RuntimeError("always")


@pytest.mark.parametrize(
    "transform", [broken, 7, A.Compose([A.Mosaic(p=1)], bbox_params=FIELDS), v2.MixUp(num_classes=3)]
)
def test_what_cannot_be_judged_is_abstained_on(transform: Any) -> None:
    assert {check.verdict for check in checks_of(transform=transform).values()} == {"abstained"}


def test_without_any_transform_nothing_is_said() -> None:
    assert checks_of()["marker_boxes"].verdict == "abstained"


def test_an_ignored_argument_is_found_long_after_its_warning() -> None:
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("default")
        A.GaussNoise(var_limit=(10, 50))
        check = ignored_arguments([])
    assert check.cause == "augmentation_arguments_ignored" and "var_limit" in check.evidence
