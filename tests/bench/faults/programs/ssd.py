"""torchvision's SSD: default boxes on two levels of a tiny backbone with BatchNorm, hard negatives mined.  SGD with
momentum, LR in steps."""

from __future__ import annotations

from collections import OrderedDict

import torch
from bench.faults.plan import Program, Sets, Shape
from bench.faults.programs import detection
from bench.faults.programs.common import convolution, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD

CLASSES = ("moon", "hourglass", "chequers", "diamond")
SIDE, STRIDES = 64, (8, 16)


def data(seed: int) -> Sets:
    """Class 0 is the background."""
    return detection.sets(31_000 + seed, first_label=1, train=240, side=SIDE, paint=paint)


def paint(image: Tensor, draw: torch.Generator, first_label: int) -> dict[str, Tensor]:
    """One to three objects, each small or large, lighter or darker than a ground that fades across the picture."""
    image += _fading(draw)
    boxes: list[list[int]] = []
    labels: list[int] = []
    for _ in range(int(torch.randint(1, 4, (1,), generator=draw))):
        least = 12 if float(torch.rand((), generator=draw)) < 0.5 else 24
        wide, high = (least + torch.randint(least // 3, (2,), generator=draw)).tolist()
        left, top = (int(torch.randint(SIDE - size + 1, (1,), generator=draw)) for size in (wide, high))
        box = [left, top, left + wide, top + high]
        if detection.overlaps(box, boxes):
            continue
        kind = int(torch.randint(len(CLASSES), (1,), generator=draw))
        sign = 1.0 if float(torch.rand((), generator=draw)) < 0.6 else -1.0
        image[:, top : top + high, left : left + wide] += sign * _contrast(draw) * _mask(kind, high, wide)
        boxes.append(box)
        labels.append(first_label + kind)
    image.clamp_(0, 1)
    return {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}


def _fading(draw: torch.Generator) -> Tensor:
    """What the light adds to the ground; shape (3, SIDE, SIDE)."""
    slope = 0.3 * torch.rand(3, 2, generator=draw) - 0.15
    ramp = torch.linspace(-0.5, 0.5, SIDE)
    return slope[:, :1, None] * ramp.view(1, SIDE, 1) + slope[:, 1:, None] * ramp.view(1, 1, SIDE) + 0.12


def _contrast(draw: torch.Generator) -> Tensor:
    return 0.3 + 0.2 * torch.rand(3, 1, 1, generator=draw)


def _mask(kind: int, high: int, wide: int) -> Tensor:
    """The pixels of an object; shape (high, wide), 0 or 1."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, high), torch.linspace(-1, 1, wide), indexing="ij")
    if CLASSES[kind] == "moon":
        inside = (x**2 + y**2 <= 1.02) & ((x - 0.6) ** 2 + y**2 > 0.5)
    elif CLASSES[kind] == "hourglass":
        inside = x.abs() <= y.abs()
    elif CLASSES[kind] == "chequers":
        inside = ((1.49 * (x + 1)).floor() + (1.49 * (y + 1)).floor()) % 2 == 0
    else:
        inside = x.abs() + y.abs() <= 1.02
    return inside.float()


class Levels(nn.Module):
    """Features of stride 8 and, from them, of stride 16."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, c = (width_of(channels, shape.width) for channels in (8, 16, 32))
        act = shape.activation
        self.fine = nn.Sequential(
            convolution(3, a, act, stride=2, norm=True),
            convolution(a, b, act, stride=2, norm=True),
            *(convolution(b, b, act, norm=True) for _ in range(shape.depth)),
            convolution(b, c, act, stride=2, norm=True),
            convolution(c, c, act, norm=True),
        )
        self.coarse = convolution(c, c, act, stride=2, norm=True)

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        fine = self.fine(x)
        return OrderedDict(fine=fine, coarse=self.coarse(fine))


def model(shape: Shape) -> nn.Module:
    """A step takes about 15 ms on one core."""
    return SSD(
        Levels(shape),
        DefaultBoxGenerator([[], []], scales=[0.22, 0.44, 0.6], steps=list(STRIDES)),
        (SIDE, SIDE),
        1 + len(CLASSES),
        score_thresh=0.05,
        detections_per_img=10,
        topk_candidates=60,
    )


PROGRAM = Program(
    "ssd",
    "detection",
    len(CLASSES),
    Recipe(steps=320, batch=6, optimizer="sgd", lr=0.03, schedule="step", warmup=20, weight_decay=5e-4, evaluations=10),
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
