"""An anchor-free detector in the manner of YOLO: a CSP backbone, one grid of cells, GIoU, objectness and classes.  SGD
with Nesterov momentum, warm-up and cosine, no decay of norms and biases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs import detection
from bench.faults.programs.common import activation_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import batched_nms, box_convert, generalized_box_iou_loss

CLASSES = ("stop", "yield", "speed", "one way", "parking")
SIDE, STRIDE = 64, 8
RARE = -4.6  # bias of objectness and classes: one cell of a hundred, as YOLOX has it
MOST = 10  # answers for a picture
BOX, OBJECT, CLASS = 3.0, 1.0, 1.0  # weights of the terms


def data(seed: int) -> Sets:
    """Class ids count from 0."""
    return detection.sets(53_000 + seed, first_label=0, train=300, side=SIDE, paint=paint)


def paint(image: Tensor, draw: torch.Generator, first_label: int) -> dict[str, Tensor]:
    """A road under a sky, and one to three signs of any size in front of it."""
    horizon = int(torch.randint(SIDE // 3, 2 * SIDE // 3, (1,), generator=draw))
    image[:, :horizon] += 0.25 * torch.rand(3, 1, 1, generator=draw)
    image[:, horizon:] -= 0.2 * torch.rand(1, generator=draw)
    boxes: list[list[int]] = []
    labels: list[int] = []
    for _ in range(int(torch.randint(1, 4, (1,), generator=draw))):
        size = int(torch.randint(13, 27, (1,), generator=draw))
        wide = max(round(size * (0.8 + 0.2 * float(torch.rand((), generator=draw)))), 10)
        left, top = (int(torch.randint(SIDE - extent + 1, (1,), generator=draw)) for extent in (wide, size))
        box = [left, top, left + wide, top + size]
        if detection.overlaps(box, boxes):
            continue
        kind = int(torch.randint(len(CLASSES), (1,), generator=draw))
        plate, sign = _sign(kind, size, wide)
        light = 0.7 + 0.3 * torch.rand(3, 1, generator=draw)
        region = image[:, top : top + size, left : left + wide]
        region[:, plate] = light
        region[:, sign] = 0.25 * light * torch.rand(3, 1, generator=draw)
        boxes.append(box)
        labels.append(first_label + kind)
    image.clamp_(0, 1)
    return {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}


def _sign(kind: int, high: int, wide: int) -> tuple[Tensor, Tensor]:
    """The plate of a sign and what is printed on it; each (high, wide), True or False."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, high), torch.linspace(-1, 1, wide), indexing="ij")
    r = (x**2 + y**2).sqrt()
    if CLASSES[kind] == "stop":
        plate = (x.abs() + y.abs() < 1.45) & (torch.maximum(x.abs(), y.abs()) <= 1)
        return plate, plate & (y.abs() < 0.25)
    if CLASSES[kind] == "yield":
        plate = x.abs() <= (1.05 - y) / 2
        return plate, x.abs() <= (0.4 - y) / 2
    if CLASSES[kind] == "speed":
        return r <= 1.02, (r <= 1.02) & (r > 0.65)
    if CLASSES[kind] == "one way":
        plate = torch.maximum(x.abs(), y.abs()) <= 1
        return plate, plate & ((x.abs() < 0.25) | ((y < 0) & (x.abs() < y + 0.9)))
    plate = torch.maximum(x.abs(), y.abs()) <= 1
    return plate, plate & ((x + 0.5).abs() < 0.25) | (plate & (y < 0.1) & (((x - 0.1) ** 2 + (y + 0.4) ** 2) < 0.25))


class Conv(nn.Sequential):
    """Convolution, BatchNorm, SiLU."""

    def __init__(self, channels_in: int, channels_out: int, shape: Shape, *, size: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, size, stride, size // 2, bias=False),
            nn.BatchNorm2d(channels_out, eps=1e-3),
            activation_of(shape, nn.SiLU)(),
        )


class Bottleneck(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels: int, shape: Shape) -> None:
        super().__init__()
        self.cv1, self.cv2 = Conv(channels, channels, shape, size=1), Conv(channels, channels, shape)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.cv2(self.cv1(x))  # type: ignore[no-any-return]


class C3(nn.Module):
    """Cross-stage partial: half of the channels pass *count* bottlenecks, the other half pass by."""

    def __init__(self, channels: int, count: int, shape: Shape) -> None:
        super().__init__()
        half = max(channels // 2, 1)
        self.cv1, self.cv2 = (Conv(channels, half, shape, size=1) for _ in range(2))
        self.m = nn.Sequential(*(Bottleneck(half, shape) for _ in range(count)))
        self.cv3 = Conv(2 * half, channels, shape, size=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.cv3(torch.cat([self.m(self.cv1(x)), self.cv2(x)], 1))  # type: ignore[no-any-return]


class Yolo(nn.Module):
    """From pictures (n, 3, SIDE, SIDE) to (n, 5 + classes, rows, columns): offsets and log sizes of boxes in cells,
    objectness, classes."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, c = (width_of(channels, shape.width) for channels in (8, 16, 32))
        self.backbone = nn.Sequential(
            Conv(3, a, shape, stride=2),
            Conv(a, b, shape, stride=2),
            C3(b, 1, shape),
            Conv(b, c, shape, stride=2),
            C3(c, 1 + shape.depth, shape),
        )
        self.neck = Conv(c, c, shape)
        self.detect = nn.Conv2d(c, 5 + len(CLASSES), 1)
        nn.init.zeros_(self.detect.bias[:4])  # type: ignore[index]
        nn.init.constant_(self.detect.bias[4:], RARE)  # type: ignore[index]

    def forward(self, images: Tensor) -> Tensor:
        return self.detect(self.neck(self.backbone(images)))  # type: ignore[no-any-return]


class Cells(NamedTuple):
    """The answers of cells, one row each."""

    boxes: Tensor  # (..., 4) xyxy in pixels
    objectness: Tensor  # (...) logits
    classes: Tensor  # (..., classes) logits


def decode(outputs: Tensor) -> Cells:
    """*outputs* (n, 5 + classes, rows, columns) as answers (n, rows, columns)."""
    outputs = outputs.permute(0, 2, 3, 1)
    rows, columns = outputs.shape[1:3]
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    middle = torch.stack([column, row], -1) + 0.5 + outputs[..., :2]
    half = outputs[..., 2:4].clamp(max=5.0).exp()
    boxes = STRIDE * torch.cat([middle - half, middle + half], -1)
    return Cells(boxes, outputs[..., 4], outputs[..., 5:])


class YoloLoss(nn.Module):
    """The terms of the loss; targets are rows (m, 6): index of the picture, class, cx, cy, w, h as shares of it."""

    def forward(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        cells = decode(outputs)
        image, row, column, owner = self.assign(targets, outputs.shape[-2], outputs.shape[-1])
        wanted_objects = torch.zeros_like(cells.objectness)
        count = max(len(owner), 1)
        if not len(owner):
            zero = outputs.sum() * 0.0
            return {"box": zero, "obj": OBJECT * _bce(cells.objectness, wanted_objects), "cls": zero}
        at = (image, row, column)
        wanted_boxes = SIDE * box_convert(targets[owner, 2:], "cxcywh", "xyxy")
        distance = generalized_box_iou_loss(cells.boxes[at], wanted_boxes)
        wanted_objects[at] = (1 - distance.detach()).clamp(0.0, 1.0).to(wanted_objects.dtype)
        wanted_classes = torch.zeros_like(cells.classes[at])
        wanted_classes[torch.arange(len(owner)), targets[owner, 1].long()] = 1.0
        return {
            "box": BOX * distance.sum() / count,
            "obj": OBJECT * _bce(cells.objectness, wanted_objects) / count,
            "cls": CLASS * _bce(cells.classes[at], wanted_classes) / count,
        }

    @staticmethod
    def assign(targets: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Picture, row and column of the cells that answer for an object, and its place among the *targets*: the cell
        of its centre and those next to it on the nearer sides."""
        x, y = targets[:, 2] * columns, targets[:, 3] * rows
        found = []
        for aside, down in ((0.0, 0.0), (0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, -0.5)):
            column, row = (x + aside).floor().long(), (y + down).floor().long()
            new = (column != x.floor().long()) | (row != y.floor().long()) if aside or down else torch.ones_like(x) > 0
            inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows) & new
            owner = inside.nonzero()[:, 0]
            found.append((targets[owner, 0].long(), row[owner], column[owner], owner))
        image, row, column, owner = (torch.cat(parts) for parts in zip(*found, strict=True))
        return image, row, column, owner


def _bce(outputs: Tensor, wanted: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(outputs, wanted, reduction="sum")


criterion = YoloLoss()


def rows_of(targets: Sequence[dict[str, Tensor]]) -> Tensor:
    """What the loader makes of the targets of a batch: rows (m, 6)."""
    rows = [
        [float(index), float(label), *box]
        for index, target in enumerate(targets)
        for label, box in zip(
            target["labels"].tolist(),
            (box_convert(target["boxes"], "xyxy", "cxcywh") / SIDE).tolist(),
            strict=False,
        )
    ]
    return torch.tensor(rows, dtype=torch.float32).view(-1, 6)


def terms(network: nn.Module, x: Tensor, y: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """By their names."""
    outputs = network(x)
    targets = rows_of(y)
    found: dict[str, Tensor] = criterion(outputs, targets)
    return found


def loss(network: nn.Module, x: Tensor, y: Sequence[dict[str, Tensor]]) -> Tensor:
    """Their sum."""
    return torch.stack(list(terms(network, x, y).values())).sum()


def suppressed(cells: Cells) -> dict[str, Tensor]:
    """The surest answers of the *cells* of one picture, without those that overlap a surer one of their class."""
    odds = cells.objectness.sigmoid()[..., None] * cells.classes.sigmoid()
    scores_, labels = odds.flatten(0, 1).max(1)
    boxes = cells.boxes.flatten(0, 1).clamp(0, SIDE)
    sure = scores_ > 0.01
    boxes, scores_, labels = boxes[sure], scores_[sure], labels[sure]
    kept = batched_nms(boxes, scores_, labels, 0.5)[:MOST]
    return {"boxes": boxes[kept], "scores": scores_[kept], "labels": labels[kept]}


def scores(network: nn.Module, examples: Examples) -> dict[str, float]:
    """mAP at IoU 0.5."""
    cells = decode(network(examples.x))
    found = [suppressed(Cells(*answers)) for answers in zip(*cells, strict=True)]
    return {"mAP50": detection.mean_average_precision(found, examples.y)}


PROGRAM = Program(
    "yolo",
    "detection",
    len(CLASSES),
    Recipe(
        steps=320,
        batch=6,
        optimizer="sgd",
        lr=0.01,
        schedule="cosine",
        warmup=30,
        nesterov=True,
        weight_decay=5e-4,
        decay_all=False,
        floor=0.01,
        clip=10.0,
        evaluations=10,
    ),
    data,
    Yolo,
    loss,
    scores,
    class_names=CLASSES,
    side=SIDE,
    has_batchnorm=True,
    good=0.8,
    terms=terms,
)
