"""torchvision's FCOS over a tiny backbone with BatchNorm.  SGD with momentum, warm-up, LR in steps."""

from __future__ import annotations

import torch
from bench.faults.plan import Program, Sets, Shape
from bench.faults.programs import detection
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator

CLASSES = ("ellipse", "frame", "bars", "roof")
SIDE, STRIDE = 56, 8


def data(seed: int) -> Sets:
    """Class 0 is the background, as the documentation of the model has it."""
    return detection.sets(29_000 + seed, first_label=1, train=200, side=SIDE, paint=paint)


def paint(image: Tensor, draw: torch.Generator, first_label: int) -> dict[str, Tensor]:
    """Two or three objects, wide or tall, dark or bright, that do not overlap."""
    boxes: list[list[int]] = []
    labels: list[int] = []
    for _ in range(int(torch.randint(2, 4, (1,), generator=draw))):
        wide, high = torch.randint(12, 27, (2,), generator=draw).tolist()
        left, top = (int(torch.randint(SIDE - size + 1, (1,), generator=draw)) for size in (wide, high))
        box = [left, top, left + wide, top + high]
        if detection.overlaps(box, boxes):
            continue
        kind = int(torch.randint(len(CLASSES), (1,), generator=draw))
        bright = 0.7 * float(torch.rand((), generator=draw) < 0.75)
        colour = bright + 0.25 * torch.rand(3, 1, generator=draw)
        image[:, top : top + high, left : left + wide][:, _mask(kind, high, wide)] = colour
        boxes.append(box)
        labels.append(first_label + kind)
    return {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}


def _mask(kind: int, high: int, wide: int) -> Tensor:
    """The pixels of an object; shape (high, wide), True or False."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, high), torch.linspace(-1, 1, wide), indexing="ij")
    if CLASSES[kind] == "ellipse":
        return x**2 + y**2 <= 1.02
    if CLASSES[kind] == "frame":
        return torch.maximum(x.abs(), y.abs()) > 0.6
    if CLASSES[kind] == "bars":
        return torch.cos(2.5 * torch.pi * y) > -0.3
    return x.abs() <= (y + 1) / 2 + 0.1


def model(shape: Shape) -> nn.Module:
    """A step takes about 15 ms on one core."""
    detector = FCOS(
        detection.backbone(shape, 32, nn.BatchNorm2d),
        1 + len(CLASSES),
        min_size=SIDE,
        max_size=SIDE,
        anchor_generator=AnchorGenerator(((STRIDE,),), ((1.0,),)),
        score_thresh=0.05,
        detections_per_img=10,
        topk_candidates=60,
    )
    for head in (detector.head.classification_head, detector.head.regression_head):
        head.conv = head.conv[:3]  # of four blocks the first: convolution, norm, activation
    return detector


PROGRAM = Program(
    "fcos",
    "detection",
    len(CLASSES),
    Recipe(
        steps=300, batch=4, optimizer="sgd", lr=0.02, schedule="cosine", warmup=30, weight_decay=1e-4, evaluations=10
    ),
    data,
    model,
    detection.loss,
    detection.scores,
    class_names=("background", *CLASSES),
    side=SIDE,
    normalised=True,
    has_batchnorm=True,
    good=0.55,
)
