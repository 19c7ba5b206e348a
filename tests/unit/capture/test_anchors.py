"""Shapes of objects, held against those of the anchors of a head that nobody knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.capture.anchors import in_pixels, shapes_of
from dettui_probe.run import Run

ToldReader = Callable[[], Any]

SIDE = 64


def laid_out(*sizes: float, stride: int = 16) -> Tensor:
    """Square anchors of these *sizes* at every *stride* of an image, (n, 4) as x1, y1, x2, y2 in pixels."""
    middle = stride * (torch.arange(SIDE // stride) + 0.5)
    y, x = torch.meshgrid(middle, middle, indexing="ij")
    centres = torch.stack([x, y], -1).view(-1, 1, 2)
    half = torch.tensor(sizes)[:, None].expand(-1, 2) / 2
    return torch.cat([centres - half, centres + half], -1).view(-1, 4)


def as_shares(anchors: Tensor) -> Tensor:
    """Centres and sides, as shares of the image."""
    start, end = anchors[:, :2], anchors[:, 2:]
    return torch.cat([(start + end) / 2, end - start], 1) / SIDE


class Head(nn.Module):
    """A detector of somebody's own; its loss does not matter here."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 4)

    def forward(self, images: Tensor, targets: Any = None) -> Any:
        return {"loss": self.layer(torch.ones(1, 2)).mean()}


class AnchorMaker(nn.Module):
    """Makes them anew for every batch."""

    def __init__(self, anchors: Tensor) -> None:
        super().__init__()
        self.sizes = anchors

    def forward(self, images: Tensor) -> Tensor:
        return self.sizes[None]


class Anchors(nn.Module):
    """Holds them."""

    def __init__(self, boxes: Tensor) -> None:
        super().__init__()
        self.register_buffer("boxes", boxes)


class WithMaker(Head):
    def __init__(self, anchors: Tensor) -> None:
        super().__init__()
        self.make = AnchorMaker(anchors)

    def forward(self, images: Tensor, targets: Any = None) -> Any:
        self.make(images)
        return super().forward(images, targets)


class WithHolder(Head):
    def __init__(self, anchors: Tensor) -> None:
        super().__init__()
        self.anchors = Anchors(anchors[:, [1, 0, 3, 2]])


class WithPriors(Head):
    def __init__(self, anchors: Tensor) -> None:
        super().__init__()
        self.priors_cxcy = as_shares(anchors)


class WithLevels(Head):
    def __init__(self, anchors: Tensor) -> None:
        super().__init__()
        self.level_anchors = list(anchors.split(16))


class BesideAnswers(Head):
    """Returns (loc, conf, priors), as the SSD that all copied."""

    def __init__(self, anchors: Tensor) -> None:
        super().__init__()
        self.held = as_shares(anchors)

    def forward(self, images: Tensor, targets: Any = None) -> Any:
        found = self.layer(torch.ones(len(images), len(self.held), 2))
        return found, found, self.held


HEADS = [WithMaker, WithHolder, WithPriors, WithLevels, BesideAnswers]


@pytest.fixture
def seen(run: Run, told: ToldReader) -> Callable[..., dict[str, float]]:
    """The last row of a few steps of a model on two images with one object each."""

    def of(model: nn.Module, box: list[float]) -> dict[str, float]:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        attach(run, model, optimizer)
        target = {"boxes": torch.tensor([box]), "labels": torch.tensor([1])}
        for _ in range(3):
            output = model(torch.rand(2, 3, SIDE, SIDE), [target] * 2)
            (output["loss"] if isinstance(output, dict) else output[0].mean()).backward()
            optimizer.step()
        rows = told().rows
        return {tag: value for row in rows for tag, value in row.values.items() if tag.startswith("assign/own")}

    return of


@pytest.mark.parametrize("kind", HEADS, ids=lambda kind: kind.__name__)
def test_objects_are_held_against_the_anchors_wherever_they_are(
    seen: Callable[..., dict[str, float]], kind: type[Head]
) -> None:
    values = seen(kind(laid_out(12.0, 40.0)), [10.0, 10.0, 20.0, 20.0])
    assert values[tags.ASSIGN_OWN_OBJECTS] == 2
    assert values[tags.ASSIGN_OWN_UNLIKE] == 0
    assert values[tags.ASSIGN_OWN_OCTAVES] == pytest.approx(2 * 0.26, abs=0.1)


@pytest.mark.parametrize("kind", HEADS, ids=lambda kind: kind.__name__)
def test_anchors_of_another_size_are_told_with_their_size(
    seen: Callable[..., dict[str, float]], kind: type[Head]
) -> None:
    values = seen(kind(laid_out(40.0, 80.0)), [10.0, 10.0, 20.0, 20.0])
    assert values[tags.ASSIGN_OWN_UNLIKE] == values[tags.ASSIGN_OWN_OBJECTS] == 2
    assert values[tags.ASSIGN_OWN_OCTAVES] == pytest.approx(2 * 2, abs=0.1)


def test_boxes_of_centres_and_sides_are_read_so(seen: Callable[..., dict[str, float]]) -> None:
    values = seen(WithHolder(laid_out(12.0, 40.0)), [32.0, 40.0, 12.0, 12.0])
    assert values[tags.ASSIGN_OWN_UNLIKE] == 0


def test_a_head_without_anchors_tells_nothing(seen: Callable[..., dict[str, float]]) -> None:
    assert seen(Head(), [10.0, 10.0, 20.0, 20.0]) == {}


def test_points_have_no_size() -> None:
    """Of FCOS or YOLOX: as wide as they are far apart, or (x, y, stride, stride)."""
    assert shapes_of(laid_out(16.0)) is None
    assert shapes_of(as_shares(laid_out(16.0)) * SIDE) is None
    assert shapes_of(laid_out(24.0)) is not None


@pytest.mark.parametrize(
    "anchors",
    [torch.full((20, 4), float("inf")), -torch.ones(20, 4), torch.rand(9000, 4)],
    ids=["infinite", "negative", "of no grid"],
)
def test_what_is_no_anchor_is_left_alone(anchors: Tensor) -> None:
    """RT-DETR keeps the inverse sigmoid of its own; others call a distribution their prior."""
    assert shapes_of(anchors) is None


def test_a_unit_that_is_not_plain_is_left_alone() -> None:
    shapes = shapes_of(laid_out(24.0, 40.0))
    assert shapes is not None
    assert in_pixels(shapes, SIDE, SIDE) is not None
    assert in_pixels(shapes, 4 * SIDE, 4 * SIDE) is None
