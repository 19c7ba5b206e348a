"""What the detectors share: pictures with boxes, a backbone, mAP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from bench.faults.plan import Examples, Sets, Shape
from bench.faults.programs.common import grouped, stamps, width_of
from torch import Tensor, nn
from torchvision.ops import box_iou

CLASSES = ("disc", "square", "cross")
KINDS = (0, 2, 4)  # of them, among the stamps
SIDE = 48

Painter = Callable[[Tensor, torch.Generator, int], dict[str, Tensor]]
"""Adds objects to a picture (3, side, side) and returns its target; class ids count from the last argument."""


def shapes(image: Tensor, draw: torch.Generator, first_label: int) -> dict[str, Tensor]:
    """One or two shapes that do not overlap."""
    boxes: list[list[int]] = []
    labels: list[int] = []
    for _ in range(int(torch.randint(1, 3, (1,), generator=draw))):
        side = int(torch.randint(12, 20, (1,), generator=draw))
        left, top = torch.randint(SIDE - side + 1, (2,), generator=draw).tolist()
        box = [left, top, left + side, top + side]
        if overlaps(box, boxes):
            continue
        kind = int(torch.randint(len(CLASSES), (1,), generator=draw))
        mask = stamps(side)[KINDS[kind]] > 0
        paint = 0.6 + 0.4 * torch.rand(3, 1, generator=draw)
        image[:, top : top + side, left : left + side][:, mask] = paint
        boxes.append(box)
        labels.append(first_label + kind)
    return {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}


def overlaps(box: Sequence[int], others: Sequence[Sequence[int]]) -> bool:
    """Whether *box* covers a part of any of the *others*."""
    left, top, right, bottom = box
    return any(left < x2 and x1 < right and top < y2 and y1 < bottom for x1, y1, x2, y2 in others)


def sets(seed: int, first_label: int, *, train: int = 120, side: int = SIDE, paint: Painter = shapes) -> Sets:
    """Pictures in 0..1 of *side* pixels with what *paint* puts on them; class ids count from *first_label*."""
    draw = torch.Generator().manual_seed(seed)

    def examples(count: int) -> Examples:
        x = (0.35 + 0.08 * torch.randn(count, 3, side, side, generator=draw)).clamp(0, 1)
        targets = [paint(image, draw, first_label) for image in x]
        return Examples(x, targets)

    return Sets(examples(train), examples(20), examples(24))


def backbone(shape: Shape, channels: int = 24, norm: Callable[[int], nn.Module] = grouped) -> nn.Module:
    """Three convolutions with *norm*, stride 8."""
    a, b = width_of(8, shape.width), width_of(16, shape.width)
    body = nn.Sequential(
        _block(3, a, 2, shape, norm),
        _block(a, b, 2, shape, norm),
        *(_block(b, b, 1, shape, norm) for _ in range(shape.depth)),
        _block(b, channels, 2, shape, norm),
    )
    body.out_channels = channels  # type: ignore[assignment]
    return body


def _block(
    channels_in: int, channels_out: int, stride: int, shape: Shape, norm: Callable[[int], nn.Module]
) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, norm(channels_out), shape.activation())


def loss(network: nn.Module, x: Any, y: Any) -> Tensor:
    """The sum of the terms."""
    total: Tensor = sum(network(list(x), y).values())  # type: ignore[assignment]
    return total


def scores(network: nn.Module, examples: Examples) -> dict[str, float]:
    """mAP at IoU 0.5."""
    found = [answer for part in examples.x.split(16) for answer in network(list(part))]
    return {"mAP50": mean_average_precision(found, examples.y)}


def mean_average_precision(found: Sequence[dict[str, Tensor]], targets: Sequence[dict[str, Tensor]]) -> float:
    """At IoU 0.5, over the classes that the *targets* have."""
    classes = torch.cat([target["labels"] for target in targets]).unique().tolist()
    precisions = [_average_precision(found, targets, k) for k in classes]
    return sum(precisions) / max(len(precisions), 1)


def _average_precision(
    found: Sequence[dict[str, Tensor]], targets: Sequence[dict[str, Tensor]], class_id: int
) -> float:
    rows: list[tuple[float, bool]] = []
    objects = 0
    for answer, target in zip(found, targets, strict=True):
        mine, theirs = answer["labels"] == class_id, target["labels"] == class_id
        rows += _hits(answer["boxes"][mine], answer["scores"][mine], target["boxes"][theirs])
        objects += int(theirs.sum())
    if not rows or not objects:
        return 0.0
    hits = torch.tensor([hit for _, hit in sorted(rows, key=lambda row: -row[0])], dtype=torch.float64).cumsum(0)
    precision = hits / torch.arange(1, len(hits) + 1)
    envelope = precision.flip(0).cummax(0).values.flip(0)
    return float((envelope * torch.diff(hits, prepend=hits.new_zeros(1))).sum() / objects)


def _hits(boxes: Tensor, scores_: Tensor, objects: Tensor) -> list[tuple[float, bool]]:
    iou = box_iou(boxes, objects)
    rows: list[tuple[float, bool]] = []
    for row in scores_.argsort(descending=True).tolist():
        hit = bool(iou.shape[1]) and float(iou[row].max()) >= 0.5
        if hit:
            iou[:, iou[row].argmax()] = 0.0
        rows.append((float(scores_[row]), hit))
    return rows
