"""Targets are judged against what the head asks of them, recognised or pinned."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.capture.contracts import contract_of
from dettui_probe.contract import NAMED, Contract, contract_named
from dettui_probe.run import Run

ToldReader = Callable[[], Any]


class Detector(nn.Module):
    """Takes images and targets; what it computes does not matter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images: Any, targets: Any = None) -> dict[str, Tensor]:
        return {"loss": self.weight.sum()}


class DetrForObjectDetection(Detector):
    """Only the name and the configuration of Hugging Face's class."""

    config = SimpleNamespace(num_labels=3)


class DETR(Detector):
    """Only the name and the head of the original."""

    def __init__(self) -> None:
        super().__init__()
        self.class_embed = nn.Linear(2, 4)


class DetectionModel(Detector):
    """Only the name and the class count of ultralytics' class, which takes its whole batch as one dict."""

    nc = 3

    def forward(self, batch: Any, targets: Any = None) -> Any:
        return self.weight.sum()


def step(run: Run, told: ToldReader, model: nn.Module, *args: Any, contract: Contract | None = None) -> Any:
    """The values of one training step of *model* called with *args*, and the model as it was introduced."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    attach(run, model, optimizer, contract=contract)
    out = model(*args)
    (sum(out.values()) if isinstance(out, dict) else out).backward()
    optimizer.step()
    now = told()
    return {tag: value for row in now.rows for tag, value in row.values.items()}, now


def images(count: int = 1) -> list[Tensor]:
    return [torch.rand(3, 50, 100) for _ in range(count)]


CENTRED = {"boxes": torch.tensor([[0.5, 0.5, 0.4, 0.9], [0.2, 0.8, 0.1, 0.2]]), "class_labels": torch.tensor([0, 2])}


def test_normalised_centres_are_what_a_detr_wants(run: Run, told: ToldReader) -> None:
    values, now = step(run, told, DetrForObjectDetection(), images(), [CENTRED])
    offences = (tags.TARGET_DEGENERATE, tags.TARGET_OUTSIDE, tags.TARGET_LABEL_ILLEGAL)
    assert [values[tag] for tag in offences] == [0, 0, 0]
    assert values[tags.TARGET_LEGAL_CXCYWH] == 2
    assert (now.models[0].box_format, now.models[0].box_scale, now.models[0].num_classes) == ("cxcywh", "unit", 3)


def test_a_pinned_contract_makes_the_same_of_an_unknown_model(run: Run, told: ToldReader) -> None:
    values, now = step(run, told, Detector(), images(), [CENTRED], contract=NAMED["detr"])
    assert (values[tags.TARGET_DEGENERATE], values[tags.TARGET_OUTSIDE]) == (0, 0)
    assert now.models[0].family == "detr"


def test_a_box_without_width_is_degenerate_in_any_format(run: Run, told: ToldReader) -> None:
    flat = {"boxes": torch.tensor([[0.5, 0.5, 0.0, 0.2]]), "labels": torch.tensor([0])}
    values, now = step(run, told, Detector(), images(), [flat], contract=Contract("cxcywh", "unit"))
    assert values[tags.TARGET_DEGENERATE] == 1
    assert now.events[0].kind == "bad_target"


def test_pixels_given_to_a_head_of_shares_are_out_of_every_image(run: Run, told: ToldReader) -> None:
    pixels = {"boxes": torch.tensor([[50.0, 25.0, 20.0, 20.0]]), "class_labels": torch.tensor([0])}
    values, _ = step(run, told, DetrForObjectDetection(), images(), [pixels])
    assert (values[tags.TARGET_OUTSIDE], values[tags.TARGET_MAX_COORD]) == (1, 50)


def test_the_last_id_of_the_original_detr_is_for_no_object() -> None:
    contract = contract_of(DETR())
    assert (contract.num_classes, contract.background, contract.box_scale) == (4, 3, "unit")


def test_ids_that_begin_at_one_are_judged_so(run: Run, told: ToldReader) -> None:
    zero = {"boxes": torch.tensor([[1.0, 1.0, 5.0, 5.0]]), "labels": torch.tensor([0])}
    values, _ = step(run, told, Detector(), images(), [zero], contract=Contract("xyxy", "pixels", first_label=1))
    assert values[tags.TARGET_LABEL_ILLEGAL] == 1


def test_boxes_of_a_flat_batch_are_dealt_to_their_images(run: Run, told: ToldReader) -> None:
    batch = {
        "img": torch.rand(3, 3, 50, 100),
        "bboxes": torch.tensor([[0.5, 0.5, 0.4, 0.9], [0.5, 0.5, 0.0, 0.1], [0.2, 0.8, 0.1, 0.2]]),
        "cls": torch.tensor([[0.0], [7.0], [2.0]]),
        "batch_idx": torch.tensor([2.0, 0.0, 2.0]),
    }
    values, now = step(run, told, DetectionModel(), batch)
    assert (values[tags.TARGET_BOXES], values[tags.TARGET_EMPTY], values[tags.BATCH_SIZE]) == (3, 1, 3)
    assert (values[tags.TARGET_DEGENERATE], values[tags.TARGET_LABEL_ILLEGAL]) == (1, 1)
    assert [event.data["image"] for event in now.events] == [0, 0]
    assert now.counts[0].classes == [0, 2, 7]


def flat_batch(seed: int, *, turned: int = 0) -> dict[str, object]:
    """Eight images with a bright box each, told as ultralytics does; the boxes of the image *turned* places on."""
    generator = torch.Generator().manual_seed(seed)
    images, corners = torch.rand(8, 3, 64, 64, generator=generator) * 0.2, torch.rand(8, 2, generator=generator) * 0.7
    for image, (x, y) in zip(images, (corners * 64).int().tolist(), strict=True):
        image[:, y : y + 16, x : x + 16] += 0.6
    return {
        "im_file": ["a.png"] * 8,
        "batch_idx": (torch.arange(8.0) + turned) % 8,
        "cls": torch.zeros(8, 1),
        "bboxes": torch.cat([(corners * 64).int() / 64 + 0.125, torch.full((8, 2), 0.25)], dim=1),
        "img": images,
    }


def test_a_flat_batch_is_looked_at_as_any_other(run: Run, told: ToldReader) -> None:
    values, now = step(run, told, DetectionModel(), flat_batch(0))
    assert values[tags.IMAGE_MAX] > 0.6
    assert values[tags.BATCH_NONFINITE] == 0
    assert (values[tags.ROWS], values[tags.ROWS_NEW]) == (8, 8)
    (shown,) = now.pictures
    assert {(len(picture.boxes), picture.box_count) for picture in shown.pictures} == {(4, 1)}  # one box, four numbers


def fits(run: Run, told: ToldReader, turned: int) -> float:
    """Of the boxes of some batches, those that stand out on their own image."""
    model = DetectionModel()
    attach(run, model, optimizer := torch.optim.SGD(model.parameters(), lr=0.1), budget=1.0)
    for seed in range(6):
        model(flat_batch(seed, turned=turned)).backward()
        optimizer.step()
    now = told()
    compared = sum(now.values(tags.PAIRING_BOXES))
    assert compared > 12
    return sum(now.values(tags.PAIRING_BEATS_OTHER)) / compared


def test_boxes_of_a_flat_batch_are_held_against_the_pixels(run: Run, told: ToldReader) -> None:
    assert fits(run, told, turned=0) > 0.9


def test_boxes_of_another_image_of_a_flat_batch_stand_out_nowhere(run: Run, told: ToldReader) -> None:
    assert fits(run, told, turned=3) < 0.7


def test_the_size_of_a_recognised_head_stays_known_under_a_pin() -> None:
    pinned = Contract("xywh", "unit", family="pinned")
    assert contract_of(DetrForObjectDetection(), pinned).num_classes == 3
    assert contract_of(DetrForObjectDetection(), pinned).box_format == "xywh"


def test_a_name_that_is_not_in_the_table_is_refused() -> None:
    assert contract_named("DETR") == NAMED["detr"]
    with pytest.raises(ValueError, match=r"no contract is called 'x'; known: fasterrcnn"):
        contract_named("x")


def test_the_head_of_effdet_reads_corners_with_y_first_and_keeps_0_for_background() -> None:
    class DetBenchTrain(nn.Module):
        num_classes = 3

    found = contract_of(DetBenchTrain())
    assert (found.family, found.box_format, found.box_scale) == ("effdet", "yxyx", "pixels")
    assert (found.first_label, found.background, found.num_classes) == (1, 0, 4)
