"""A detector without anchors: every cell of a grid answers for the objects whose centre it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import batched_nms, generalized_box_iou_loss

STRIDE: Final = 8
MOST: Final = 10  # answers for a picture
Target = dict[str, Tensor]


def decoded(outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes (n, rows, columns, 4) as xyxy in pixels, objectness and classes as logits, of *outputs* (n, 5 + classes,
    rows, columns)."""
    outputs = outputs.permute(0, 2, 3, 1)
    rows, columns = outputs.shape[1:3]
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    middle = torch.stack([column, row], -1) + outputs[..., :2].sigmoid()
    half = outputs[..., 2:4].clamp(max=3.0).exp()
    return STRIDE * torch.cat([middle - half, middle + half], -1), outputs[..., 4], outputs[..., 5:]


def grid_loss(outputs: Tensor, targets: Sequence[Target]) -> Tensor:
    """GIoU and classes of the cells that hold a centre, objectness of all; each over the number of objects."""
    boxes, objectness, classes = decoded(outputs)
    image = torch.cat([torch.full((len(target["boxes"]),), i) for i, target in enumerate(targets)])
    wanted = torch.cat([target["boxes"] for target in targets])
    labels = torch.cat([target["labels"] for target in targets])
    column, row = ((wanted[:, :2] + wanted[:, 2:]) / (2 * STRIDE)).long().unbind(1)
    at = (image, row.clamp(max=objectness.shape[1] - 1), column.clamp(max=objectness.shape[2] - 1))
    there = torch.zeros_like(objectness)
    there[at] = 1.0
    count = max(len(labels), 1)
    found = functional.binary_cross_entropy_with_logits(objectness, there, reduction="sum")
    distance = generalized_box_iou_loss(boxes[at], wanted, reduction="sum")
    return (found + 2 * distance + functional.cross_entropy(classes[at], labels, reduction="sum")) / count


def grid_answers(outputs: Tensor) -> list[Target]:
    """The surest answers of every picture, without those that overlap a surer one of their class."""
    return [_surest(*cells) for cells in zip(*decoded(outputs), strict=True)]


def _surest(boxes: Tensor, objectness: Tensor, classes: Tensor) -> Target:
    odds, labels = (objectness.sigmoid()[..., None] * classes.softmax(-1)).flatten(0, 1).max(1)
    sure = odds > 0.02
    boxes, odds, labels = boxes.flatten(0, 1)[sure], odds[sure], labels[sure]
    kept = batched_nms(boxes, odds, labels, 0.5)[:MOST]
    return {"boxes": boxes[kept], "scores": odds[kept], "labels": labels[kept]}
