"""An anchor-free detector in the manner of YOLOv8: C2f blocks with BatchNorm and SiLU, features of two scales joined
both ways, decoupled heads, sides of boxes as distributions, objects assigned by how well they are found.  SGD with
Nesterov momentum, warm-up and linear decay, no decay of norms and biases, clipped at 10."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs import detection
from bench.faults.programs.common import activation_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import batched_nms, box_convert, box_iou, complete_box_iou_loss

CLASSES: Final = ("resistor", "diode", "chip", "coil")
SIDE, STRIDES = 64, (8, 16)
BINS: Final = 6  # of the distance from a cell to each side of a box, in strides
NEAREST: Final = 6  # cells that answer for an object, at most
ALPHA, BETA = 0.5, 4.0  # powers of odds and IoU in how well a cell finds an object
BOX, CLASS, DISTRIBUTION = 7.5, 0.5, 1.5  # weights of the terms, as ultralytics has them
RARE: Final = -4.0  # bias of the classes
MOST: Final = 10  # answers for a picture


def data(seed: int) -> Sets:
    """Class ids count from 0."""
    return detection.sets(127_000 + seed, first_label=0, train=320, side=SIDE, paint=paint)


def paint(image: Tensor, draw: torch.Generator, first_label: int) -> dict[str, Tensor]:
    """A green board with traces, and one to three parts on it that lie along or across."""
    image *= torch.tensor([0.5, 1.1, 0.6]).view(3, 1, 1)
    for column in torch.randint(SIDE, (3,), generator=draw).tolist():
        image[1, :, column] += 0.2
    boxes: list[list[int]] = []
    labels: list[int] = []
    for _ in range(int(torch.randint(1, 4, (1,), generator=draw))):
        kind = int(torch.randint(len(CLASSES), (1,), generator=draw))
        long = int(torch.randint(18, 29, (1,), generator=draw))
        pixels = _part(kind, long)
        pixels = pixels.T if float(torch.rand((), generator=draw)) < 0.5 else pixels
        high, wide = pixels.shape
        left, top = (int(torch.randint(SIDE - extent + 1, (1,), generator=draw)) for extent in (wide, high))
        box = [left, top, left + wide, top + high]
        if detection.overlaps(box, boxes):
            continue
        tint = 0.8 + 0.2 * torch.rand(3, 1, 1, generator=draw)
        image[:, top : top + high, left : left + wide] = pixels * tint
        boxes.append(box)
        labels.append(first_label + kind)
    image.clamp_(0, 1)
    return {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}


def _part(kind: int, long: int) -> Tensor:
    """How bright it is; shape (high, long), 0 to 1."""
    high = {"resistor": long // 2, "diode": long // 2, "chip": 2 * long // 3, "coil": 2 * long // 3}[CLASSES[kind]]
    y, x = torch.meshgrid(torch.linspace(-1, 1, high), torch.linspace(-1, 1, long), indexing="ij")
    if CLASSES[kind] == "resistor":  # bands on a light body
        return torch.where(torch.cos(9.0 * x) > 0.5, 0.15, 0.9)
    if CLASSES[kind] == "diode":  # one ring near an end of a dark body
        return torch.where((x - 0.55).abs() < 0.2, 0.95, 0.15)
    if CLASSES[kind] == "chip":  # bright pins beside a dark body
        return torch.where(y.abs() > 0.6, torch.where(torch.sin(12.0 * x) > 0, 0.95, 0.3), 0.05)
    return torch.where(((x**2 + y**2) < 0.95) & ((x**2 + y**2) > 0.25), 0.85, 0.25)


# --- the network --------------------------------------------------------------------------------------------------


class Conv(nn.Sequential):
    """Convolution, BatchNorm, SiLU."""

    def __init__(self, channels_in: int, channels_out: int, shape: Shape, *, size: int = 3, stride: int = 1) -> None:
        convolution = nn.Conv2d(channels_in, channels_out, size, stride, size // 2, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(channels_out), activation_of(shape, nn.SiLU)())


class C2f(nn.Module):
    """Half of the channels passes through bottlenecks; everything on the way is kept and joined at the end."""

    def __init__(self, channels_in: int, channels_out: int, shape: Shape, *, bottlenecks: int = 1) -> None:
        super().__init__()
        half = max(channels_out // 2, 1)
        self.cv1 = Conv(channels_in, 2 * half, shape, size=1)
        self.m = nn.ModuleList(Conv(half, half, shape) for _ in range(bottlenecks))
        self.cv2 = Conv((2 + bottlenecks) * half, channels_out, shape, size=1)

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.cv1(x).chunk(2, 1))
        for bottleneck in self.m:
            parts.append(parts[-1] + bottleneck(parts[-1]))
        return self.cv2(torch.cat(parts, 1))  # type: ignore[no-any-return]


class Detect(nn.Module):
    """Two branches for each scale: distributions of the four sides, and classes."""

    def __init__(self, channels: Sequence[int], shape: Shape) -> None:
        super().__init__()
        self.cv2 = nn.ModuleList(_branch(c, 4 * BINS, shape) for c in channels)
        self.cv3 = nn.ModuleList(_branch(c, len(CLASSES), shape) for c in channels)
        for branch in self.cv3:
            nn.init.constant_(branch[-1].bias, RARE)  # type: ignore[index]

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Of all cells of both scales; shape (n, cells, 4 * BINS + classes)."""
        maps = [torch.cat([box(x), odds(x)], 1) for box, odds, x in zip(self.cv2, self.cv3, features, strict=True)]
        return torch.cat([x.flatten(2) for x in maps], 2).transpose(1, 2)


def _branch(channels: int, out: int, shape: Shape) -> nn.Sequential:
    return nn.Sequential(Conv(channels, channels, shape), nn.Conv2d(channels, out, 1))


class YOLOv8(nn.Module):
    """Pictures (n, 3, SIDE, SIDE) to what ``Detect`` says of each cell."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, c, d = (width_of(channels, shape.width) for channels in (8, 16, 32, 40))
        self.stem = nn.Sequential(Conv(3, a, shape, stride=2), Conv(a, b, shape, stride=2))
        self.fine = nn.Sequential(Conv(b, c, shape, stride=2), C2f(c, c, shape, bottlenecks=1 + shape.depth))
        self.coarse = nn.Sequential(Conv(c, d, shape, stride=2), C2f(d, d, shape))
        self.up, self.down = C2f(c + d, c, shape), Conv(c, c, shape, stride=2)
        self.again = C2f(c + d, d, shape)
        self.detect = Detect((c, d), shape)

    def forward(self, images: Tensor) -> Tensor:
        fine = self.fine(self.stem(images))
        coarse = self.coarse(fine)
        fine = self.up(torch.cat([fine, functional.interpolate(coarse, scale_factor=2.0)], 1))
        coarse = self.again(torch.cat([self.down(fine), coarse], 1))
        return self.detect([fine, coarse])  # type: ignore[no-any-return]


def cells() -> tuple[Tensor, Tensor]:
    """Centres x, y (cells, 2) and strides (cells, 1), in pixels, in the order of the network's answers."""
    centres, strides = [], []
    for stride in STRIDES:
        y, x = torch.meshgrid(*[stride * (torch.arange(SIDE // stride) + 0.5)] * 2, indexing="ij")
        centres.append(torch.stack([x.flatten(), y.flatten()], 1))
        strides.append(torch.full((x.numel(), 1), float(stride)))
    return torch.cat(centres), torch.cat(strides)


def boxes_of(outputs: Tensor) -> Tensor:
    """Corners in pixels (n, cells, 4) at the mean of each side's distribution."""
    centres, strides = cells()
    odds = outputs[..., : 4 * BINS].unflatten(-1, (4, BINS)).softmax(-1)
    distance = strides * (odds @ torch.arange(float(BINS)))
    return torch.cat([centres - distance[..., :2], centres + distance[..., 2:]], -1)


# --- the loss -----------------------------------------------------------------------------------------------------


class Objects(NamedTuple):
    """Those of a batch, as many rows for each picture as the fullest one needs."""

    boxes: Tensor  # (n, m, 4) corners in pixels
    labels: Tensor  # (n, m)
    present: Tensor  # (n, m), False where a row is filled up


class Assigned(NamedTuple):
    """Cells (k,) that answer for an object, and what they are to say."""

    picture: Tensor
    cell: Tensor
    label: Tensor
    box: Tensor  # (k, 4)
    odds: Tensor  # (k,) 0 to 1


def collated(targets: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """What the loader makes of the targets of a batch, all objects in a row: "batch_idx" (m,), "cls" (m,), "bboxes"
    (m, 4) as cx, cy, w, h in shares of the picture."""
    return {
        "batch_idx": torch.cat([torch.full((len(target["boxes"]),), i) for i, target in enumerate(targets)]).long(),
        "cls": torch.cat([target["labels"][: len(target["boxes"])] for target in targets]).long(),
        "bboxes": box_convert(torch.cat([target["boxes"] for target in targets]), "xyxy", "cxcywh") / SIDE,
    }


def objects_of(batch: Mapping[str, Tensor], count: int) -> Objects:
    """The objects of a *batch* of *count* pictures."""
    picture = batch["batch_idx"]
    row = torch.arange(len(picture)) - torch.searchsorted(picture, picture)
    most = int(row.max()) + 1 if len(row) else 1
    boxes, labels = torch.zeros(count, most, 4), torch.zeros(count, most, dtype=torch.long)
    present = torch.zeros(count, most, dtype=torch.bool)
    boxes[picture, row] = box_convert(SIDE * batch["bboxes"], "cxcywh", "xyxy")
    labels[picture, row] = batch["cls"]
    present[picture, row] = True
    return Objects(boxes, labels, present)


def assign(odds: Tensor, found: Tensor, objects: Objects) -> Assigned:
    """The cells within each object that find it best, by their *odds* (n, cells, classes) and boxes (n, cells, 4)."""
    centres, _ = cells()
    low, high = objects.boxes[:, :, None, :2], objects.boxes[:, :, None, 2:]
    inside = ((centres > low) & (centres < high)).all(-1) & objects.present[..., None]
    overlap = torch.stack([box_iou(mine, theirs) for mine, theirs in zip(objects.boxes, found, strict=True)])
    overlap = overlap.nan_to_num().clamp(min=0) * inside
    n = torch.arange(len(odds))[:, None]
    fit = odds[n, :, objects.labels].pow(ALPHA) * overlap.pow(BETA)
    chosen = torch.zeros_like(inside).scatter_(2, fit.topk(NEAREST, 2).indices, value=True) & inside
    owner = (overlap * chosen).argmax(1)
    wanted = fit * overlap.amax(2, keepdim=True) / (fit.amax(2, keepdim=True) + 1e-9)
    picture, cell = (chosen.any(1) & chosen.gather(1, owner[:, None])[:, 0]).nonzero().unbind(1)
    which = owner[picture, cell]
    return Assigned(
        picture, cell, objects.labels[picture, which], objects.boxes[picture, which], wanted[picture, which, cell]
    )


class DetectionLoss:
    """CIoU, distribution focal loss and a cross-entropy for each class, over the sum of the odds that are asked for."""

    def __call__(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The terms by their names."""
        logits, boxes = outputs[..., 4 * BINS :], boxes_of(outputs)
        with torch.no_grad():
            mine = assign(logits.sigmoid(), boxes, objects_of(batch, len(outputs)))
        wanted = torch.zeros_like(logits)
        wanted[mine.picture, mine.cell, mine.label] = mine.odds
        total = mine.odds.sum().clamp(min=1)
        iou = complete_box_iou_loss(boxes[mine.picture, mine.cell], mine.box)
        sides = _distribution(outputs[mine.picture, mine.cell, : 4 * BINS].unflatten(1, (4, BINS)), mine)
        classes = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="sum")
        return {
            "box_loss": BOX * (iou * mine.odds).sum() / total,
            "cls_loss": CLASS * classes / total,
            "dfl_loss": DISTRIBUTION * (sides * mine.odds).sum() / total,
        }


def _distribution(logits: Tensor, mine: Assigned) -> Tensor:
    """Cross-entropy of *logits* (k, 4, BINS) with the two bins next to the true distance, mean over the sides."""
    centres, strides = cells()
    centre = centres[mine.cell]
    distance = torch.cat([centre - mine.box[:, :2], mine.box[:, 2:] - centre], 1) / strides[mine.cell]
    distance = distance.clamp(0, BINS - 1.01)
    below = distance.long()
    share = distance - below
    odds = logits.log_softmax(-1)
    low, high = (odds.gather(2, (below + k)[..., None])[..., 0] for k in (0, 1))
    return -((1 - share) * low + share * high).mean(1)


def terms(network: nn.Module, x: Tensor, y: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Of one batch, by their names."""
    return DetectionLoss()(network(x), collated(y))


def loss(network: nn.Module, x: Tensor, y: Sequence[Mapping[str, Tensor]]) -> Tensor:
    """Their sum."""
    return torch.stack(list(terms(network, x, y).values())).sum()


# --- the answers --------------------------------------------------------------------------------------------------


def suppressed(outputs: Tensor, boxes: Tensor) -> dict[str, Tensor]:
    """The surest answers of one picture, without those that overlap a surer one of their class."""
    odds, labels = outputs[:, 4 * BINS :].sigmoid().max(1)
    sure = odds > 0.02
    boxes, odds, labels = boxes[sure].clamp(0, SIDE), odds[sure], labels[sure]
    kept = batched_nms(boxes, odds, labels, 0.6)[:MOST]
    return {"boxes": boxes[kept], "scores": odds[kept], "labels": labels[kept]}


def scores(network: nn.Module, examples: Examples) -> dict[str, float]:
    """mAP at IoU 0.5, and the loss of the validation set term by term."""
    outputs = network(examples.x)
    found = [suppressed(*picture) for picture in zip(outputs, boxes_of(outputs), strict=True)]
    parts = DetectionLoss()(outputs, collated(examples.y))
    return {
        "mAP50": detection.mean_average_precision(found, examples.y),
        **{name: float(part) for name, part in parts.items()},
    }


PROGRAM = Program(
    "dfl",
    "detection",
    len(CLASSES),
    Recipe(
        steps=240,
        batch=6,
        optimizer="sgd",
        lr=0.03,
        schedule="linear",
        warmup=30,
        momentum=0.937,
        nesterov=True,
        weight_decay=5e-4,
        decay_all=False,
        clip=10.0,
        evaluations=10,
    ),
    data,
    YOLOv8,
    loss,
    scores,
    class_names=CLASSES,
    side=SIDE,
    has_batchnorm=True,
    good=0.6,
    terms=terms,
)
