"""Which format boxes have that nobody declared."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dettui_probe.capture.boxes import READINGS, are_shares
from dettui_probe.capture.readings import Readings
from dettui_probe.contract import UNKNOWN, BoxFormat


def corners(count: int = 200) -> Tensor:
    dice = torch.Generator().manual_seed(2)
    size = 0.1 + 0.3 * torch.rand(count, 2, generator=dice)
    start = (1 - size) * torch.rand(count, 2, generator=dice)
    return torch.cat([start, start + size], dim=1)


def as_format(boxes: Tensor, name: str) -> Tensor:
    size = boxes[:, 2:] - boxes[:, :2]
    if name == "xyxy":
        return boxes
    return torch.cat([boxes[:, :2] + (size / 2 if name == "cxcywh" else 0), size], dim=1)


@pytest.mark.parametrize("name", READINGS)
def test_the_reading_that_keeps_boxes_within_their_images_is_the_best(name: BoxFormat) -> None:
    readings = Readings()
    read = readings.of(as_format(corners(), name))
    assert torch.allclose(read[name], corners(), atol=1e-6)
    assert readings.best() == name


def test_pixels_choose_among_readings_that_are_as_legal() -> None:
    readings = Readings()
    readings.of(torch.tensor([[0.5, 0.5, 0.1, 0.1]] * 50))  # cxcywh or xywh, and no xyxy
    assert readings.best() == "cxcywh"
    readings.note({"cxcywh": (50.0, 30.0), "xywh": (50.0, 45.0), "xyxy": (50.0, 50.0)})
    assert readings.best() == "xywh"


def test_a_few_comparisons_choose_nothing() -> None:
    readings = Readings()
    readings.of(torch.tensor([[0.5, 0.5, 0.1, 0.1]] * 50))
    readings.note({"cxcywh": (5.0, 1.0), "xywh": (5.0, 5.0)})
    assert readings.best() == "cxcywh"


@pytest.mark.parametrize(
    ("largest", "side", "shares"),
    [(1.0, 64, True), (2.0, 64, True), (2.0, 640, True), (6.0, 64, False), (60.0, 64, False), (2.0, 16, False)],
)
def test_shares_may_be_of_a_smaller_image_and_pixels_are_no_shares(largest: float, side: int, shares: bool) -> None:
    assert are_shares(torch.tensor([[0.0, 0.0, largest / 2, largest]]), UNKNOWN, side) is shares
