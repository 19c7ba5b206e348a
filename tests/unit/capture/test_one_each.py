"""Localisers: one box for each image, which no model and no criterion is given, but a loss of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.capture.criterion import SEARCHED
from dettui_probe.run import Run

ToldReader = Callable[[], Any]
BATCH = 16


class Localiser(nn.Module):
    """Four numbers and the logits of three classes for each image."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 7, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        answers = self.body(images).mean((2, 3))
        return answers[:, :4].sigmoid(), answers[:, 4:]


def corners(count: int = BATCH) -> Tensor:
    """Of boxes within their image, as shares of its sides."""
    start = torch.rand(count, 2) * 0.5
    return torch.cat([start, start + 0.1 + 0.3 * torch.rand(count, 2)], dim=1)


def train(run: Run, compare: Callable[[Tensor, Tensor], Tensor], target: Callable[[], Tensor], steps: int = 12) -> None:
    torch.manual_seed(0)
    model = Localiser()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    capture = attach(run, model, optimizer, budget=1.0)
    for _ in range(steps):
        boxes = target()
        found, logits = model(torch.rand(len(boxes), 3, 32, 48))
        loss = 10 * compare(found, boxes) + functional.cross_entropy(logits, torch.arange(len(boxes)) % 3)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    capture.detach()


@pytest.mark.parametrize(
    "compare",
    [functional.smooth_l1_loss, functional.mse_loss, lambda a, b: functional.mse_loss(a, b, reduction="none").mean()],
)
def test_boxes_that_a_loss_of_numbers_is_given_are_told(
    run: Run, told: ToldReader, compare: Callable[[Tensor, Tensor], Tensor]
) -> None:
    train(run, compare, corners)
    seen = told()
    assert seen.values(tags.TARGET_BOXES) == [BATCH] * SEARCHED  # from then on only where their values were read
    assert sum(seen.values(tags.TARGET_OUTSIDE)) == 0


def test_their_classes_are_counted_as_before(run: Run, told: ToldReader) -> None:
    train(run, functional.mse_loss, corners)
    assert sum(sum(counts.counts) for counts in told().counts if counts.kind == "targets") == 12 * BATCH


@pytest.mark.parametrize(
    "numbers",
    [lambda: torch.rand(BATCH, 4), lambda: corners(4), lambda: corners()[:, :3].repeat(1, 1)],
    ids=["numbers of any kind", "too few to tell", "three numbers"],
)
def test_four_numbers_that_are_no_corners_are_no_boxes(
    run: Run, told: ToldReader, numbers: Callable[[], Tensor]
) -> None:
    def compare(found: Tensor, target: Tensor) -> Tensor:
        return functional.mse_loss(found[:, : target.shape[1]], target)

    train(run, compare, numbers)
    assert told().values(tags.TARGET_BOXES) == []


def test_boxes_of_another_scale_than_their_images_reach_out_of_them(run: Run, told: ToldReader) -> None:
    train(run, functional.smooth_l1_loss, lambda: corners() * 1.4)
    assert sum(told().values(tags.TARGET_OUTSIDE)) > 0
