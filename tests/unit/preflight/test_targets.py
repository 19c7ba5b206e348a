"""What is wrong with targets is named; what is right is left in peace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import IterableDataset
from unit.preflight.pictures import HEIGHT, WIDTH, Change, Pictures, load

from dettui_probe.contract import NAMED, UNKNOWN, Contract
from dettui_probe.prechecks.batches import deliver, understand
from dettui_probe.prechecks.report import Check
from dettui_probe.prechecks.targets import check_targets

FOUR_CLASSES = Contract("xyxy", "pixels", background=0, first_label=1, num_classes=4, family="torchvision.FasterRCNN")
DETR = Contract("cxcywh", "unit", num_classes=4, family="detr")
SIDES = torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT])


def checks_of(change: Change, contract: Contract = FOUR_CLASSES, count: int = 96) -> dict[str, Check]:
    return {check.name: check for check in check_targets(deliver(load(Pictures(count, change))), contract)}


def with_boxes(change: Any) -> Change:
    def spoil(image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        return image, {**target, "boxes": change(target["boxes"])}

    return spoil


def with_labels(change: Any) -> Change:
    def spoil(image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        return image, {**target, "labels": change(target["labels"])}

    return spoil


def as_xywh(boxes: Tensor) -> Tensor:
    return torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1)


def as_cxcywh(boxes: Tensor) -> Tensor:
    return torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], dim=1)


def with_nan(boxes: Tensor) -> Tensor:
    return boxes.clone().index_fill_(1, torch.tensor([3]), torch.nan)


def nothing(image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
    return image, {**target, "boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}


@pytest.mark.parametrize(
    ("change", "name", "cause"),
    [
        (with_boxes(with_nan), "degenerate_boxes", "degenerate_boxes"),
        (with_boxes(lambda boxes: boxes[:, [0, 1, 0, 3]]), "degenerate_boxes", "degenerate_boxes"),
        (with_boxes(as_xywh), "box_format", "boxes_wrong_format"),
        (with_boxes(as_cxcywh), "box_format", "boxes_wrong_format"),
        (with_boxes(lambda boxes: boxes[:, [1, 0, 3, 2]]), "box_format", "boxes_wrong_format"),
        (with_boxes(lambda boxes: boxes / SIDES), "box_format", "boxes_wrong_scale"),
        (with_boxes(lambda boxes: boxes * 2), "boxes_inside", "boxes_wrong_scale"),
        (with_labels(lambda labels: labels - 1), "labels", "background_label_used"),
        (with_labels(lambda labels: labels + 1), "labels", "labels_out_of_range"),
        (with_labels(lambda labels: torch.full_like(labels, -1)), "labels", "labels_out_of_range"),
        (with_labels(lambda labels: torch.cat([labels, labels])), "target_structure", "labels_boxes_mismatch"),
        (nothing, "objects", "empty_targets"),
    ],
    ids=["nan", "flat", "xywh", "cxcywh", "yxyx", "unit", "scaled", "from0", "high", "negative", "length", "empty"],
)
def test_a_certain_fault_is_certain_and_named(change: Change, name: str, cause: str) -> None:
    check = checks_of(change)[name]
    assert (check.verdict, check.severity, check.cause) == ("failed", "certain", cause), check
    assert check.remedy


def test_sound_targets_pass_everything() -> None:
    assert {check.verdict for check in checks_of(lambda image, target: (image, target)).values()} == {"passed"}


def test_shares_of_the_image_are_right_for_a_detr_and_corners_in_pixels_are_not() -> None:
    sound = checks_of(with_boxes(lambda boxes: as_cxcywh(boxes) / SIDES), DETR)
    assert {check.verdict for check in sound.values()} == {"passed"}
    assert checks_of(lambda image, target: (image, target), DETR)["boxes_inside"].cause == "boxes_wrong_scale"


def test_a_few_boxes_in_another_format_are_a_warning_only() -> None:
    check = checks_of(with_boxes(as_xywh), count=16)["box_format"]
    assert (check.verdict, check.severity) == ("failed", "warn")


def test_an_unknown_head_has_no_format_no_scale_and_no_class_ids() -> None:
    checks = checks_of(with_boxes(lambda boxes: boxes / SIDES), UNKNOWN)
    assert {checks[name].verdict for name in ("box_format", "boxes_inside", "labels")} == {"abstained"}


def test_targets_in_keys_of_their_own_are_no_fault_before_an_unknown_head() -> None:
    def own(image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        return image, {"boxes": target["boxes"], "kind": target["labels"].float(), "masks": torch.zeros(1, 8, 8)}

    assert checks_of(own, UNKNOWN)["target_structure"].verdict == "passed"
    assert checks_of(own)["target_structure"].severity == "certain"


def test_class_id_0_is_legal_for_a_head_without_background() -> None:
    head = Contract("xyxy", "pixels", num_classes=3, family=NAMED["fcos"].family)
    assert checks_of(with_labels(lambda labels: labels - 1), head)["labels"].verdict == "passed"


def test_the_example_names_image_box_and_file() -> None:
    def spoil(image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        return image, {**target, "boxes": with_nan(target["boxes"]), "file_name": "street_17.jpg"}

    assert "street_17.jpg" in checks_of(spoil)["degenerate_boxes"].evidence


def test_a_loader_that_raises_is_reported_and_the_rest_is_still_checked() -> None:
    def sometimes(image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        if int(target["image_id"]) == 5:
            raise ValueError("cannot read picture 5")
        return image, target

    checks = checks_of(sometimes)
    assert "cannot read picture 5" in checks["loader"].evidence
    assert checks["box_format"].verdict == "passed"


# --- what a batch may look like -----------------------------------------------------------------------------------

IMAGES = [torch.rand(3, HEIGHT, WIDTH) for _ in range(2)]
BOXES = [torch.tensor([[1.0, 2.0, 30.0, 40.0]])] * 2
LABELS = [torch.tensor([1])] * 2
TARGETS = [{"boxes": boxes, "labels": labels} for boxes, labels in zip(BOXES, LABELS, strict=True)]


@pytest.mark.parametrize(
    "raw",
    [
        (IMAGES, TARGETS),
        [torch.stack(IMAGES), TARGETS],
        {"images": IMAGES, "targets": TARGETS},
        {"pixel_values": torch.stack(IMAGES), "labels": TARGETS},
        {"image": torch.stack(IMAGES), "bboxes": BOXES, "labels": LABELS},
        (torch.stack(IMAGES), BOXES, LABELS),
        list(zip(IMAGES, TARGETS, strict=True)),
        ((IMAGES, TARGETS), {"epoch": 1}),
        [[IMAGES, TARGETS]],
    ],
    ids=["tuple", "stacked", "dict", "hf", "columns-dict", "columns", "pairs", "nested", "nested-list"],
)
def test_batches_of_many_shapes_are_understood(raw: object) -> None:
    batch = understand(raw)
    assert batch is not None
    assert len(batch.images) == len(batch.targets) == 2
    assert torch.equal(batch.targets[1]["boxes"], BOXES[1])
    assert torch.equal(torch.as_tensor(batch.targets[1]["labels"]), LABELS[1])


@pytest.mark.parametrize("raw", [None, 3, "text", [], {}, (torch.rand(4, 3, 8, 8), torch.tensor([1, 2, 3, 4]))])
def test_other_batches_are_not(raw: object) -> None:
    assert understand(raw) is None


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Iterator[int]:
        return iter(range(10**9))


@pytest.mark.parametrize(
    ("loader", "why"),
    [
        (torch.utils.data.DataLoader(Endless()), "IterableDataset"),
        (iter([1, 2]), "using it up"),
        (None, "no loader"),
        (7, "not iterable"),
        ([], "no batch"),
        ([(1, 2)], "not understood"),
    ],
    ids=["iterable", "iterator", "none", "number", "empty", "strange"],
)
def test_what_cannot_be_read_twice_is_not_read(loader: object, why: str) -> None:
    delivery = deliver(loader)
    assert delivery.batches == () and why in delivery.missing


def test_an_iterator_is_not_moved_on() -> None:
    iterator = iter([(IMAGES, TARGETS)] * 3)
    deliver(iterator)
    assert len(list(iterator)) == 3


def test_what_the_dataset_opens_while_it_is_read_stays_out_of_the_original() -> None:
    class Lazy(Pictures):
        handle: object = None

        def __getitem__(self, index: int) -> Any:
            self.handle = object()
            return super().__getitem__(index)

    inner = Lazy()
    delivery = deliver(load(torch.utils.data.Subset(inner, range(8))))
    assert delivery.images == 8 and inner.handle is None
