"""A grid whose cells answer for one object each, as the first YOLO and the tutorials on it have it: squared errors of
centres, roots of sizes, confidence and classes; leaky ReLUs without any norm.  Adam at a constant LR."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs import detection
from bench.faults.programs.common import activation_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torchvision.ops import batched_nms, box_convert

CLASSES: Final = ("sail", "buoy", "barge")
SIDE, CELLS = 64, 8
COORDINATES, EMPTY = 5.0, 0.5  # weights of the boxes and of the cells without an object
MOST = 10  # answers for a picture
LEAKY: Final[Callable[[], nn.Module]] = partial(nn.LeakyReLU, 0.1)


def data(seed: int) -> Sets:
    """Class ids count from 0."""
    return detection.sets(73_000 + seed, first_label=0, train=280, side=SIDE, paint=paint)


def paint(image: Tensor, draw: torch.Generator, first_label: int) -> dict[str, Tensor]:
    """One or two craft on waves."""
    image += _waves(draw)
    boxes: list[list[int]] = []
    labels: list[int] = []
    for _ in range(int(torch.randint(1, 3, (1,), generator=draw))):
        kind = int(torch.randint(len(CLASSES), (1,), generator=draw))
        high = int(torch.randint(14, 28, (1,), generator=draw))
        wide = round(high * (1.4 if CLASSES[kind] == "barge" else 0.9))
        left, top = (int(torch.randint(SIDE - size + 1, (1,), generator=draw)) for size in (wide, high))
        box = [left, top, left + wide, top + high]
        if detection.overlaps(box, boxes):
            continue
        light = 0.75 + 0.25 * torch.rand(3, 1, generator=draw)
        image[:, top : top + high, left : left + wide][:, _craft(kind, high, wide)] = light
        boxes.append(box)
        labels.append(first_label + kind)
    image.clamp_(0, 1)
    return {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}


def _waves(draw: torch.Generator) -> Tensor:
    """What crests add to each row; shape (1, SIDE, 1)."""
    pace, place, height = torch.rand(3, generator=draw).tolist()
    return 0.1 * height * torch.sin((0.4 + pace) * torch.arange(SIDE) + 6.28 * place).view(1, SIDE, 1)


def _craft(kind: int, high: int, wide: int) -> Tensor:
    """The pixels of a craft; shape (high, wide), True or False."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, high), torch.linspace(-1, 1, wide), indexing="ij")
    if CLASSES[kind] == "sail":
        return ((x > -0.1) & (x < y + 0.6) & (y < 0.55)) | (y > 0.6) | ((x < -0.2) & (x > -0.8 * y - 1.2) & (y < 0.55))
    if CLASSES[kind] == "buoy":
        return (x**2 + (y - 0.2) ** 2 < 0.65) | ((x.abs() < 0.2) & (y < 0)) | ((y > 0.7) & (x.abs() < 1))
    return (y > 0.3) | ((x > 0.4) & (x < 0.9)) | ((x < -0.5) & (y > -0.3))


def model(shape: Shape) -> nn.Module:
    """Convolutions of stride 8, then one vector (classes, confidence, x, y, w, h) for each cell: (n, 6 + classes - 1,
    CELLS, CELLS)."""
    a, b, c = (width_of(channels, shape.width) for channels in (12, 24, 48))
    act = activation_of(shape, LEAKY)
    return nn.Sequential(
        *(nn.Conv2d(3, a, 3, 2, 1), act()),
        *(nn.Conv2d(a, b, 3, 2, 1), act()),
        *(nn.Conv2d(b, b, 3, 1, 1), act()),
        *(layer for _ in range(shape.depth) for layer in (nn.Conv2d(b, b, 3, 1, 1), act())),
        *(nn.Conv2d(b, c, 3, 2, 1), act()),
        *(nn.Conv2d(c, c, 3, 1, 1), act()),
        nn.Conv2d(c, len(CLASSES) + 5, 1),
    )


def encoded(y: Sequence[dict[str, Tensor]]) -> Tensor:
    """What the data set makes of its files: (n, CELLS, CELLS, classes + 5), the classes of the object in a cell, 1, its
    centre in the cell and its size in cells.  A second object in the same cell is left out."""
    matrix = torch.zeros(len(y), CELLS, CELLS, len(CLASSES) + 5)
    for cells, target in zip(matrix, y, strict=True):
        rows = box_convert(target["boxes"], "xyxy", "cxcywh") / SIDE
        for label, (cx, cy, w, h) in zip(target["labels"].tolist(), rows.tolist(), strict=False):
            row, column = (min(max(int(CELLS * share), 0), CELLS - 1) for share in (cy, cx))
            cell = cells[row, column]
            if cell[len(CLASSES)] == 0:
                cell[label] = 1.0
                cell[len(CLASSES) :] = torch.tensor([1.0, CELLS * cx - column, CELLS * cy - row, CELLS * w, CELLS * h])
    return matrix


def terms(network: nn.Module, x: Tensor, y: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Sums of squared errors by their names, over the number of pictures."""
    found, wanted = network(x).permute(0, 2, 3, 1), encoded(y)
    first = len(CLASSES)
    full = wanted[..., first] == 1
    mine, aims = found[full], wanted[full]
    sizes = mine[:, first + 3 :].sign() * (mine[:, first + 3 :].abs() + 1e-6).sqrt()
    count = len(x)
    return {
        "box": COORDINATES * _squares(mine[:, first + 1 : first + 3], aims[:, first + 1 : first + 3]) / count,
        "box_size": COORDINATES * _squares(sizes, aims[:, first + 3 :].sqrt()) / count,
        "object": _squares(mine[:, first], aims[:, first]) / count,
        "no_object": EMPTY * _squares(found[..., first][~full], wanted[..., first][~full]) / count,
        "class": _squares(mine[:, :first], aims[:, :first]) / count,
    }


def _squares(found: Tensor, wanted: Tensor) -> Tensor:
    return (found - wanted).square().sum()


def loss(network: nn.Module, x: Tensor, y: Sequence[dict[str, Tensor]]) -> Tensor:
    """Their sum."""
    return torch.stack(list(terms(network, x, y).values())).sum()


def decoded(cells: Tensor) -> dict[str, Tensor]:
    """The answers of one picture, *cells* (classes + 5, CELLS, CELLS), as boxes in pixels."""
    first = len(CLASSES)
    row, column = torch.meshgrid(torch.arange(CELLS), torch.arange(CELLS), indexing="ij")
    middle = torch.stack([column + cells[first + 1], row + cells[first + 2]], -1)
    half = cells[first + 3 :].permute(1, 2, 0).clamp(min=0) / 2
    boxes = (torch.cat([middle - half, middle + half], -1) * SIDE / CELLS).clamp(0, SIDE).view(-1, 4)
    best, labels = cells[:first].flatten(1).max(0)
    scores_ = cells[first].flatten() * best
    sure = scores_ > 0.02
    boxes, scores_, labels = boxes[sure], scores_[sure], labels[sure]
    kept = batched_nms(boxes, scores_, labels, 0.5)[:MOST]
    return {"boxes": boxes[kept], "scores": scores_[kept], "labels": labels[kept]}


def scores(network: nn.Module, examples: Examples) -> dict[str, float]:
    """mAP at IoU 0.5."""
    found = [decoded(cells) for cells in network(examples.x)]
    return {"mAP50": detection.mean_average_precision(found, examples.y)}


PROGRAM = Program(
    "grid",
    "detection",
    len(CLASSES),
    Recipe(steps=400, batch=8, optimizer="adam", lr=2e-3, evaluations=10),
    data,
    model,
    loss,
    scores,
    class_names=CLASSES,
    side=SIDE,
    good=0.6,
    terms=terms,
)
