"""Boxes and labels as a detector receives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.capture.contracts import contract_of
from dettui_probe.run import Run

ToldReader = Callable[[], Any]


class FasterRCNN(nn.Module):
    """Only the name and the head's attributes of torchvision's class."""

    def __init__(self, num_classes: int = 4) -> None:
        super().__init__()
        self.roi_heads = nn.Module()
        self.roi_heads.box_predictor = nn.Module()
        self.roi_heads.box_predictor.cls_score = nn.Linear(2, num_classes)

    def forward(self, images: Any, targets: Any = None) -> dict[str, Tensor]:
        return {"loss_classifier": self.roi_heads.box_predictor.cls_score(torch.ones(1, 2)).mean()}


def target(boxes: list[list[float]], labels: list[int] | None = None, **more: object) -> dict[str, object]:
    labels = [1] * len(boxes) if labels is None else labels
    return {"boxes": torch.tensor(boxes).reshape(-1, 4), "labels": torch.tensor(labels), **more}


class Own(nn.Module):
    """A detector that nobody knows."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 4)

    def forward(self, images: Any, targets: Any = None) -> dict[str, Tensor]:
        return {"loss": self.layer(torch.ones(1, 2)).mean()}


@pytest.fixture
def seen(run: Run, told: ToldReader) -> Callable[..., Any]:
    """What one training step of a Faster R-CNN on given targets tells; the images are 100 wide and 50 high."""
    return trainer(FasterRCNN(), run, told)


@pytest.fixture
def seen_by_own(run: Run, told: ToldReader) -> Callable[..., Any]:
    """The same of a detector that nobody knows."""
    return trainer(Own(), run, told)


def trainer(model: nn.Module, run: Run, told: ToldReader) -> Callable[..., Any]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attach(run, model, optimizer)

    def train(*targets: object) -> Any:
        images = [torch.rand(3, 50, 100) for _ in targets]
        sum(model(images, list(targets)).values()).backward()  # type: ignore[union-attr]
        optimizer.step()
        return told()

    return train


GOOD = [10.0, 10.0, 30.0, 40.0]


def test_good_boxes_give_no_offence(seen: Callable[..., Any]) -> None:
    now = seen(target([GOOD, [50, 5, 99, 49]]), target([]))
    values = now.rows[0].values
    assert (values[tags.TARGET_BOXES], values[tags.TARGET_EMPTY], values[tags.BATCH_SIZE]) == (2, 1, 2)
    offences = (tags.TARGET_DEGENERATE, tags.TARGET_OUTSIDE, tags.TARGET_NONFINITE, tags.TARGET_MISMATCH)
    assert [values[tag] for tag in offences] == [0, 0, 0, 0]
    assert values[tags.TARGET_LEGAL_XYXY] == 2
    assert values[tags.TARGET_IMAGE_SIDE] == 50
    assert now.events == []


@pytest.mark.parametrize(
    ("box", "tag"),
    [
        ([30.0, 10.0, 10.0, 40.0], tags.TARGET_DEGENERATE),
        ([10.0, 10.0, 10.0, 40.0], tags.TARGET_DEGENERATE),
        ([10.0, 10.0, float("nan"), 40.0], tags.TARGET_NONFINITE),
        ([10.0, 10.0, 30.0, 60.0], tags.TARGET_OUTSIDE),
        ([-5.0, 10.0, 30.0, 40.0], tags.TARGET_OUTSIDE),
    ],
)
def test_an_offending_box_is_counted_and_told_with_its_place(
    seen: Callable[..., Any], box: list[float], tag: str
) -> None:
    now = seen(target([GOOD]), target([GOOD, box], file_name="b.png"))
    assert now.rows[0].values[tag] == 1
    (event,) = [event for event in now.events if event.kind == "bad_target"]
    assert (event.data["image"], event.data["box_index"], event.data["file"]) == (1, 1, "b.png")
    assert (event.data["width"], event.data["height"]) == (100, 50)


def test_a_thin_box_is_tiny_and_no_offence(seen: Callable[..., Any]) -> None:
    now = seen(target([[10.0, 10.0, 11.0, 40.0]]))
    assert now.rows[0].values[tags.TARGET_TINY] == 1
    assert now.events == []


def test_offences_of_one_kind_are_told_a_few_times_and_counted_always(seen: Callable[..., Any]) -> None:
    now = seen(*(target([[30.0, 10.0, 10.0, 40.0]] * 4) for _ in range(5)))
    assert now.rows[0].values[tags.TARGET_DEGENERATE] == 20
    assert now.kinds().count("bad_target") == 3


def test_labels_are_held_against_the_head(seen: Callable[..., Any]) -> None:
    now = seen(target([GOOD] * 4, [0, 3, 4, -1]))
    values = now.rows[0].values
    assert (values[tags.TARGET_BACKGROUND], values[tags.TARGET_LABEL_ILLEGAL]) == (1, 2)
    assert (values[tags.TARGET_LABEL_MIN], values[tags.TARGET_LABEL_MAX]) == (-1, 4)
    assert {event.data["label"] for event in now.events} == {0, 4, -1}


def test_a_row_without_class_ids_below_0_says_so(seen_by_own: Callable[..., Any]) -> None:
    """Or a window of this series would reach further back than one of the boxes."""
    assert seen_by_own(target([GOOD], [0])).rows[0].values[tags.TARGET_BELOW_ZERO] == 0


def test_class_ids_below_0_are_told_where_the_head_is_not_known(seen_by_own: Callable[..., Any]) -> None:
    now = seen_by_own(target([GOOD, [50, 5, 99, 45]], [-1, 1]), target([GOOD], [0]))
    assert now.rows[0].values[tags.TARGET_BELOW_ZERO] == 1
    assert [(event.data["what"], event.data["image"], event.data["box_index"]) for event in now.events] == [
        ("label_below_zero", 0, 0)
    ]


@pytest.mark.parametrize(
    "filler",
    [
        [[-1.0] * 4] * 3,
        [[0.0] * 4],
        [GOOD, GOOD],
        [[0.0, 0.0, 100.0, 50.0]],
        [[50.0, 25.0, 100.0, 50.0]],
        [[0.0, 0.0, 1.0, 1.0]],
    ],
)
def test_what_fills_up_a_target_is_no_object(seen_by_own: Callable[..., Any], filler: list[list[float]]) -> None:
    """Of batches that are padded to the fullest image: with -1, zeros, copies of a box, all of the image, a pixel."""
    now = seen_by_own(target([[50, 5, 99, 45], *filler], [1] + [-1] * len(filler)))
    assert now.rows[0].values[tags.TARGET_BELOW_ZERO] == 0
    assert "label_below_zero" not in [event.data["what"] for event in now.events]


def test_labels_of_boxes_that_were_filtered_out_are_a_mismatch(seen: Callable[..., Any]) -> None:
    now = seen(target([GOOD], [1, 2, 3]), target([GOOD]))
    assert now.rows[0].values[tags.TARGET_MISMATCH] == 1
    assert now.events[0].data["what"] == "length_mismatch"


def test_boxes_of_another_shape_are_told(seen: Callable[..., Any]) -> None:
    now = seen({"boxes": torch.zeros(0), "labels": torch.zeros(0, dtype=torch.long)}, target([GOOD]))
    assert now.events[0].data["what"] == "shape"
    assert now.rows[0].values[tags.TARGET_BOXES] == 1


def test_readings_of_the_format_are_told_apart(seen: Callable[..., Any]) -> None:
    xywh = [[60.0, 20.0, 30.0, 20.0], [40.0, 25.0, 50.0, 20.0]]
    values = seen(target(xywh)).rows[0].values
    assert values[tags.TARGET_LEGAL_XYWH] == 2
    assert values[tags.TARGET_LEGAL_XYXY] == 0


def test_what_was_made_wrongly_is_undone_only_where_boxes_stray(seen_by_own: Callable[..., Any]) -> None:
    """Corners 40, 10, 60, 40 and 10, 10, 30, 30 that were taken for centres and sizes."""
    values = seen_by_own(target([[10, -10, 70, 30], [-5, -5, 25, 25]])).rows[0].values
    assert (values[tags.TARGET_STRAYING], values[tags.TARGET_UNDONE + "xyxy_as_cxcywh"]) == (2, 2)
    assert values[tags.TARGET_UNDONE + "cxcywh_as_xywh"] == 0
    assert tags.TARGET_STRAYING not in seen_by_own(target([GOOD])).rows[0].values


def test_boxes_of_a_transposed_image_are_legal_only_as_yxyx(seen: Callable[..., Any]) -> None:
    values = seen(target([[10.0, 60.0, 40.0, 90.0]])).rows[0].values
    assert (values[tags.TARGET_LEGAL_YXYX], values[tags.TARGET_LEGAL_XYXY]) == (1, 0)


def test_repeated_boxes_are_counted_within_an_image_only(seen: Callable[..., Any]) -> None:
    values = seen(target([GOOD, GOOD]), target([GOOD])).rows[0].values
    assert values[tags.TARGET_DUPLICATES] == 1


def test_targets_changed_in_place_after_the_forward_pass_are_told_as_they_were(run: Run, told: ToldReader) -> None:
    model = FasterRCNN()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attach(run, model, optimizer)
    targets = [target([GOOD])]
    loss = model([torch.rand(3, 50, 100)], targets)["loss_classifier"]
    targets[0]["boxes"].mul_(-1)  # type: ignore[attr-defined]
    targets[0]["labels"].fill_(9)  # type: ignore[attr-defined]
    loss.backward()
    optimizer.step()
    values = told().rows[0].values
    assert (values[tags.TARGET_DEGENERATE], values[tags.TARGET_LABEL_MAX]) == (0, 1)


def test_a_target_that_makes_the_model_raise_is_still_told(run: Run, told: ToldReader) -> None:
    class Strict(FasterRCNN):
        def forward(self, images: Any, targets: Any = None) -> dict[str, Tensor]:
            raise ValueError("degenerate")

    model = Strict()
    attach(run, model)
    with pytest.raises(ValueError, match="degenerate"):
        model([torch.rand(3, 50, 100)], [target([[30.0, 10.0, 10.0, 40.0]])])
    run._at_finish[0]()
    now = told()
    assert now.rows[0].values[tags.TARGET_DEGENERATE] == 1
    assert (now.models[0].family, now.models[0].box_format) == ("torchvision.FasterRCNN", "xyxy")
    assert not any(tags.MISSING_PARAMS in row.values for row in now.rows)


def test_the_first_targets_are_told_before_the_model_sees_them(run: Run, told: ToldReader) -> None:
    seen_by_the_model: list[Any] = []

    class Looks(FasterRCNN):
        def forward(self, images: Any, targets: Any = None) -> dict[str, Tensor]:
            seen_by_the_model.append(told())
            return super().forward(images, targets)

    model = Looks()
    attach(run, model, torch.optim.SGD(model.parameters(), lr=0.1))
    model([torch.rand(3, 50, 100)], [target([GOOD])])
    (early,) = seen_by_the_model
    assert [(row.step, row.values[tags.TARGET_BOXES]) for row in early.rows] == [(1, 1)]
    assert early.models[0].num_classes == 4


def test_a_head_that_only_shares_its_name_is_unknown() -> None:
    class RetinaNet(nn.Module):
        pass

    assert contract_of(RetinaNet()).family == "unknown"


def test_heads_of_torchvision_are_recognised() -> None:
    detection = pytest.importorskip("torchvision.models.detection")
    ssd = detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=5)
    fcos = detection.fcos_resnet50_fpn(weights=None, weights_backbone=None, num_classes=5)
    found = [contract_of(model) for model in (ssd, nn.Sequential(fcos))]
    assert [(one.family, one.num_classes, one.background) for one in found] == [
        ("torchvision.SSD", 5, 0),
        ("torchvision.FCOS", 5, None),
    ]
