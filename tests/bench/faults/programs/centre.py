"""Objects as points: a heat map of centres for each class, their sizes and offsets.  GroupNorm, Adam, one-cycle."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from bench.faults.plan import Program, Sets, Shape
from bench.faults.programs import detection
from bench.faults.programs.common import grouped, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional

CLASSES = ("ell", "cup", "tee", "bolt")
SIDE, STRIDE = 48, 4
CELLS = SIDE // STRIDE
RARE = -2.19  # bias of the heat map: one cell of ten, as in "Objects as Points"
MOST = 10  # answers for a picture

Target = dict[str, Tensor]


def data(seed: int) -> Sets:
    """Class ids count from 0: there is no background."""
    return detection.sets(37_000 + seed, first_label=0, train=240, side=SIDE, paint=paint)


def paint(image: Tensor, draw: torch.Generator, first_label: int) -> Target:
    """One to three glowing signs on a dark wall with slanting stripes, some signs wide and some tall."""
    image *= 0.5 + 0.25 * _stripes(draw)
    boxes: list[list[int]] = []
    labels: list[int] = []
    for _ in range(int(torch.randint(1, 4, (1,), generator=draw))):
        wide, high = torch.randint(11, 23, (2,), generator=draw).tolist()
        left, top = (int(torch.randint(SIDE - size + 1, (1,), generator=draw)) for size in (wide, high))
        box = [left, top, left + wide, top + high]
        if detection.overlaps(box, boxes):
            continue
        kind = int(torch.randint(len(CLASSES), (1,), generator=draw))
        colour = 0.4 + 0.5 * torch.rand(3, 1, generator=draw)
        image[:, top : top + high, left : left + wide][:, _mask(kind, high, wide)] = colour
        boxes.append(box)
        labels.append(first_label + kind)
    return {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}


def _stripes(draw: torch.Generator) -> Tensor:
    """Of any width and slant; shape (SIDE, SIDE), -1 to 1."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, SIDE), torch.linspace(-1, 1, SIDE), indexing="ij")
    angle, pace, place = torch.rand(3, generator=draw) * torch.tensor([3.14, 10.0, 6.28])
    return torch.sin((4 + pace) * (torch.cos(angle) * x + torch.sin(angle) * y) + place)


def _mask(kind: int, high: int, wide: int) -> Tensor:
    """The pixels of a sign; shape (high, wide), True or False."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, high), torch.linspace(-1, 1, wide), indexing="ij")
    if CLASSES[kind] == "ell":
        return (x < -0.4) | (y > 0.4)
    if CLASSES[kind] == "cup":
        return (x.abs() > 0.55) | (y > 0.5)
    if CLASSES[kind] == "tee":
        return (x.abs() < 0.3) | (y < -0.4)
    return (y.abs() > 0.6) | ((x + y).abs() < 0.4)


class CentreNet(nn.Module):
    """A backbone of stride 4 and three heads.  Losses in training, boxes in eval mode, as torchvision's detectors."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b = width_of(12, shape.width), width_of(32, shape.width)
        layers = [_block(3, a, 2, 1, shape), _block(a, b, 2, 1, shape)]
        layers += [_block(b, b, 1, wide, shape) for wide in (1, 2, *[1] * shape.depth, 2)]
        self.backbone = nn.Sequential(*layers)
        self.heat, self.size, self.offset = (_head(b, out, shape) for out in (len(CLASSES), 2, 2))
        nn.init.constant_(self.heat[-1].bias, RARE)  # type: ignore[arg-type]

    def forward(self, images: Sequence[Tensor], targets: Sequence[Target] | None = None) -> object:
        features = self.backbone((torch.stack(list(images)) - 0.35) / 0.25)
        heat, size, offset = self.heat(features), self.size(features), self.offset(features)
        if not self.training:
            return [decoded(*maps) for maps in zip(heat.sigmoid(), size, offset, strict=True)]
        if targets is None:
            raise ValueError("targets should not be none when in training mode")
        return losses(heat, size, offset, targets)


def _block(channels_in: int, channels_out: int, stride: int, dilation: int, shape: Shape) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, 3, stride, dilation, dilation, bias=False)
    return nn.Sequential(convolution, grouped(channels_out), shape.activation())


def _head(channels: int, out: int, shape: Shape) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, 16, 3, 1, 1), shape.activation(), nn.Conv2d(16, out, 1))


def losses(heat: Tensor, size: Tensor, offset: Tensor, targets: Sequence[Target]) -> dict[str, Tensor]:
    """Focal loss of the heat map (n, classes, CELLS, CELLS), L1 of sizes and offsets (n, 2, CELLS, CELLS) where an
    object has its centre; each over the number of objects."""
    wanted = torch.zeros_like(heat)
    objects = max(sum(len(target["boxes"]) for target in targets), 1)
    sizes, offsets = size.new_zeros(()), size.new_zeros(())
    for i, target in enumerate(targets):
        boxes = target["boxes"] / STRIDE
        middle, extent = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        column, row = middle.floor().clamp(0, CELLS - 1).long().unbind(1)
        for k, bump in enumerate(_bumps(column, row, extent)):
            heat_of_class = wanted[i, target["labels"][k]]
            heat_of_class.copy_(torch.maximum(heat_of_class, bump))
        at = torch.stack([column, row], 1)
        sizes = sizes + (size[i, :, row, column].T - extent).abs().sum()
        offsets = offsets + (offset[i, :, row, column].T - (middle - at)).abs().sum()
    return {
        "heat": _focal(heat, wanted) / objects,
        "box_size": 0.2 * sizes / objects,
        "box_offset": offsets / objects,
    }


def _bumps(column: Tensor, row: Tensor, extent: Tensor) -> Tensor:
    """Gaussians with 1 at the centres, a sixth of the objects' *extent* wide; shape (m, CELLS, CELLS)."""
    cells = torch.arange(CELLS)
    sigma = (extent / 6).clamp(min=0.3)
    along, down = (cells - column[:, None]) / sigma[:, :1], (cells - row[:, None]) / sigma[:, 1:]
    return torch.exp(-0.5 * (along.square()[:, None, :] + down.square()[:, :, None]))


def _focal(heat: Tensor, wanted: Tensor) -> Tensor:
    """Of "CornerNet": easy cells count less, and so do those next to a centre."""
    p, centre = heat.sigmoid(), wanted == 1
    hit = (1 - p).square() * functional.logsigmoid(heat)
    miss = (1 - wanted).pow(4) * p.square() * functional.logsigmoid(-heat)
    return -torch.where(centre, hit, miss).sum()


def decoded(heat: Tensor, size: Tensor, offset: Tensor) -> Target:
    """The highest peaks of one picture as boxes in pixels."""
    peaks = heat * (functional.max_pool2d(heat[None], 3, 1, 1)[0] == heat)
    scores, found = peaks.flatten().topk(MOST)
    label, cell = found // CELLS**2, found % CELLS**2
    row, column = cell // CELLS, cell % CELLS
    middle = torch.stack([column, row], 1) + offset[:, row, column].T
    half = size[:, row, column].T / 2
    boxes = (STRIDE * torch.cat([middle - half, middle + half], 1)).clamp(0, SIDE)
    return {"boxes": boxes, "scores": scores, "labels": label}


PROGRAM = Program(
    "centre",
    "detection",
    len(CLASSES),
    Recipe(steps=360, batch=6, optimizer="adam", lr=8e-3, schedule="one_cycle", evaluations=10),
    data,
    CentreNet,
    detection.loss,
    detection.scores,
    class_names=CLASSES,
    side=SIDE,
    normalised=True,
    good=0.8,
)
