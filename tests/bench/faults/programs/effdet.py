"""A small EfficientDet: separable convolutions with BatchNorm, a BiFPN over two levels, anchors of its own, focal loss.
AdamW, warm-up and cosine, clipped at 10."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs import detection
from bench.faults.programs.common import activation_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import batched_nms, box_iou

CLASSES: Final = ("nucleus", "rod", "spore", "crystal")
SIDE, STRIDES = 48, (8, 16)
SCALES, RATIOS = (1.5, 2.0), (1.0, 2.0, 0.5)  # of anchors: sizes in strides, heights over widths
ALPHA, GAMMA = 0.25, 1.5  # of the focal loss, as effdet has them
BOX_WEIGHT, DELTA = 50.0, 0.1  # of Huber's loss of the boxes
MATCHED, UNMATCHED = 0.5, 0.4  # IoU from which an anchor answers for an object, and below which for the ground
MOST = 10  # answers for a picture
PADDING = -1.0  # in rows of a target without an object


def data(seed: int) -> Sets:
    """Class ids count from 0."""
    return detection.sets(71_000 + seed, first_label=0, train=480, side=SIDE, paint=paint)


def paint(image: Tensor, draw: torch.Generator, first_label: int) -> dict[str, Tensor]:
    """What lies on a bright slide under a microscope: one to three things, darker and of one tint each."""
    image += 0.4 + 0.05 * torch.rand(3, 1, 1, generator=draw)
    boxes: list[list[int]] = []
    labels: list[int] = []
    for _ in range(int(torch.randint(1, 4, (1,), generator=draw))):
        kind = int(torch.randint(len(CLASSES), (1,), generator=draw))
        high, wide = _extent(kind, draw)
        left, top = (int(torch.randint(SIDE - size + 1, (1,), generator=draw)) for size in (wide, high))
        box = [left, top, left + wide, top + high]
        if detection.overlaps(box, boxes):
            continue
        tint = 0.4 + 0.3 * torch.rand(3, 1, 1, generator=draw)
        image[:, top : top + high, left : left + wide] -= tint * _stain(kind, high, wide)
        boxes.append(box)
        labels.append(first_label + kind)
    image.clamp_(0, 1)
    return {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}


def _extent(kind: int, draw: torch.Generator) -> tuple[int, int]:
    """Height and width in pixels; rods are twice as long as thick, standing or lying."""
    size = int(torch.randint(15, 27, (1,), generator=draw))
    if CLASSES[kind] != "rod":
        return size, size
    thick = max(size // 2, 9)
    return (size, thick) if float(torch.rand((), generator=draw)) < 0.5 else (thick, size)


def _stain(kind: int, high: int, wide: int) -> Tensor:
    """How dark each pixel is; shape (high, wide), 0 to 1."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, high), torch.linspace(-1, 1, wide), indexing="ij")
    r = (x**2 + y**2).sqrt()
    if CLASSES[kind] == "nucleus":
        return 0.5 * (r <= 1.02) + 0.5 * (r < 0.45)
    if CLASSES[kind] == "rod":
        return ((x.abs().pow(4) + y.abs().pow(4)) < 1.05).float()
    if CLASSES[kind] == "spore":
        return ((r <= 1.02) & ((r > 0.7) | (x.abs() < 0.2))).float()
    return ((x.abs() + y.abs() <= 1.05) & (x.abs() + y.abs() > 0.5)).float()


class Separable(nn.Sequential):
    """A 3x3 convolution of each channel by itself, a 1x1 across them, BatchNorm, SiLU."""

    def __init__(self, channels_in: int, channels_out: int, shape: Shape, *, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_in, 3, stride, 1, groups=channels_in, bias=False),
            nn.Conv2d(channels_in, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out, eps=1e-3),
            activation_of(shape, nn.SiLU)(),
        )


class BiFpn(nn.Module):
    """Down from the coarse level to the fine one and back, each sum weighted by what is learnt."""

    def __init__(self, channels: int, shape: Shape) -> None:
        super().__init__()
        self.down_weight, self.up_weight = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
        self.fine, self.coarse = Separable(channels, channels, shape), Separable(channels, channels, shape)

    def forward(self, fine: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        down = functional.interpolate(coarse, scale_factor=2.0, mode="nearest")
        fine = self.fine(_fused(self.down_weight, fine, down))
        return fine, self.coarse(_fused(self.up_weight, coarse, functional.max_pool2d(fine, 2)))


def _fused(weight: Tensor, here: Tensor, there: Tensor) -> Tensor:
    """Fast normalised fusion."""
    share = functional.relu(weight)
    share = share / (share.sum() + 1e-4)
    return share[0] * here + share[1] * there


class EfficientDet(nn.Module):
    """From pictures (n, 3, SIDE, SIDE) to logits (n, anchors, classes) and offsets (n, anchors, 4)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, c = (width_of(channels, shape.width) for channels in (16, 28, 36))
        act = activation_of(shape, nn.SiLU)
        self.backbone = nn.Sequential(
            nn.Sequential(nn.Conv2d(3, a, 3, 2, 1, bias=False), nn.BatchNorm2d(a, eps=1e-3), act()),
            Separable(a, b, shape, stride=2),
            *(Separable(b, b, shape) for _ in range(shape.depth)),
            Separable(b, c, shape, stride=2),
            Separable(c, c, shape),
        )
        self.coarser = Separable(c, c, shape, stride=2)
        self.fpn = BiFpn(c, shape)
        per_cell = len(SCALES) * len(RATIOS)
        self.box_net = nn.Sequential(Separable(c, c, shape), nn.Conv2d(c, 4 * per_cell, 1))
        self.class_net = nn.Sequential(Separable(c, c, shape), nn.Conv2d(c, len(CLASSES) * per_cell, 1))
        nn.init.constant_(self.class_net[-1].bias, -4.6)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.backbone(images)
        levels = self.fpn(fine, self.coarser(fine))
        return _rows([self.class_net(level) for level in levels], len(CLASSES)), _rows(
            [self.box_net(level) for level in levels], 4
        )


def _rows(maps: Sequence[Tensor], count: int) -> Tensor:
    """Maps (n, per cell * count, rows, columns) as one row for each anchor, (n, anchors, count)."""
    return torch.cat([part.permute(0, 2, 3, 1).reshape(len(part), -1, count) for part in maps], 1)


class Anchors(nn.Module):
    """All anchors of a picture; ``boxes`` (anchors, 4) as y1, x1, y2, x2 in pixels."""

    boxes: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("boxes", torch.cat([_anchors_of(stride) for stride in STRIDES]))


def _anchors_of(stride: int) -> Tensor:
    """Of one level: row by row, cell by cell."""
    middle = stride * (torch.arange(SIDE // stride) + 0.5)
    y, x = torch.meshgrid(middle, middle, indexing="ij")
    sizes = torch.tensor([[s * r**0.5, s / r**0.5] for s in SCALES for r in RATIOS]) * stride
    centres = torch.stack([y, x], -1).view(-1, 1, 2)
    return torch.cat([centres - sizes / 2, centres + sizes / 2], -1).view(-1, 4)


class DetBench(nn.Module):
    """The network with its loss and its answers: of pictures and ``{"bbox": (n, m, 4) as y1, x1, y2, x2, "cls":
    (n, m)}`` the terms, of pictures alone a list of boxes, scores and labels."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.model, self.anchors = network, Anchors()
        self.register_buffer("mean", torch.tensor([0.7, 0.7, 0.7]).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.15, 0.15, 0.15]).view(3, 1, 1))

    def forward(self, images: Tensor, target: dict[str, Tensor] | None = None) -> object:
        logits, offsets = self.model((images - self.mean) / self.deviation)
        if target is None:
            boxes = _decoded(offsets, self.anchors.boxes)
            return [answers(*parts) for parts in zip(logits.sigmoid(), boxes, strict=True)]
        return losses(logits, offsets, self.anchors.boxes, target)


def _decoded(offsets: Tensor, anchors: Tensor) -> Tensor:
    """Boxes as x1, y1, x2, y2 in pixels."""
    size = anchors[:, 2:] - anchors[:, :2]
    middle = (anchors[:, 2:] + anchors[:, :2]) / 2 + offsets[..., :2] * size
    half = size * offsets[..., 2:].clamp(max=4.0).exp() / 2
    return torch.cat([middle - half, middle + half], -1)[..., [1, 0, 3, 2]].clamp(0, SIDE)


def _encoded(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Offsets of the *boxes* that each of the *anchors* has to answer; both (..., 4) as y1, x1, y2, x2."""
    size, wanted = anchors[:, 2:] - anchors[:, :2], boxes[:, 2:] - boxes[:, :2]
    moved = (boxes[:, 2:] + boxes[:, :2] - anchors[:, 2:] - anchors[:, :2]) / 2
    return torch.cat([moved / size, (wanted.clamp(min=1e-8) / size).log()], 1)


def losses(logits: Tensor, offsets: Tensor, anchors: Tensor, target: dict[str, Tensor]) -> dict[str, Tensor]:
    """The terms and their sum; each over the number of anchors with an object."""
    classes, boxes = logits.new_zeros(()), logits.new_zeros(())
    count = 0
    for i, (ids, corners) in enumerate(zip(target["cls"], target["bbox"], strict=True)):
        owner, counted = matched(anchors, corners[ids >= 0])
        found = owner >= 0
        wanted = torch.zeros_like(logits[i])
        wanted[found, ids[ids >= 0][owner[found]].long()] = 1.0
        classes = classes + _focal(logits[i][counted], wanted[counted])
        aims = _encoded(corners[ids >= 0][owner[found]], anchors[found])
        boxes = boxes + functional.huber_loss(offsets[i][found], aims, reduction="sum", delta=DELTA) / 4
        count += int(found.sum())
    class_loss, box_loss = classes / max(count, 1), boxes / max(count, 1)
    return {"loss": class_loss + BOX_WEIGHT * box_loss, "class_loss": class_loss, "box_loss": box_loss}


def matched(anchors: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """The object of each anchor, -1 for the ground, and whether it counts in the loss of the classes; an object that
    no anchor covers well gets the best one."""
    if not len(boxes):
        return torch.full((len(anchors),), -1), torch.ones(len(anchors), dtype=torch.bool)
    iou = box_iou(anchors, boxes)
    best, owner = iou.max(1)
    owner = torch.where(best >= MATCHED, owner, -1)
    counted = (best >= MATCHED) | (best < UNMATCHED)
    most, at = iou.max(0)
    touched = (most > 0).nonzero()[:, 0]
    owner[at[touched]] = touched
    counted[at[touched]] = True
    return owner, counted


def _focal(logits: Tensor, wanted: Tensor) -> Tensor:
    p = logits.sigmoid()
    right = wanted * p + (1 - wanted) * (1 - p)
    weight = (wanted * ALPHA + (1 - wanted) * (1 - ALPHA)) * (1 - right).pow(GAMMA)
    return (weight * functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")).sum()


def answers(odds: Tensor, boxes: Tensor) -> dict[str, Tensor]:
    """The surest of one picture, without those that overlap a surer one of their class."""
    scores_, labels = odds.max(1)
    sure = scores_ > 0.02
    boxes, scores_, labels = boxes[sure], scores_[sure], labels[sure]
    kept = batched_nms(boxes, scores_, labels, 0.5)[:MOST]
    return {"boxes": boxes[kept], "scores": scores_[kept], "labels": labels[kept]}


def model(shape: Shape) -> nn.Module:
    """A step takes about 12 ms on one core."""
    return DetBench(EfficientDet(shape))


def collated(y: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """What the loader makes of the targets of a batch: as many rows for each picture as the fullest one needs."""
    most = max((len(target["labels"]) for target in y), default=0)
    bbox, cls = torch.full((len(y), most, 4), PADDING), torch.full((len(y), most), PADDING)
    for i, target in enumerate(y):
        bbox[i, : len(target["boxes"])] = target["boxes"][:, [1, 0, 3, 2]]
        cls[i, : len(target["labels"])] = target["labels"].to(cls.dtype)
    return {"bbox": bbox, "cls": cls}


def terms(network: nn.Module, x: Tensor, y: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """By their names, weighted."""
    found = network(x, collated(y))
    return {"class_loss": found["class_loss"], "box_loss": BOX_WEIGHT * found["box_loss"]}


def loss(network: nn.Module, x: Tensor, y: Sequence[dict[str, Tensor]]) -> Tensor:
    """Their sum."""
    total: Tensor = network(x, collated(y))["loss"]
    return total


def scores(network: nn.Module, examples: Examples) -> dict[str, float]:
    """mAP at IoU 0.5, and the loss."""
    found = network(examples.x)
    return {
        "mAP50": detection.mean_average_precision(found, examples.y),
        "loss": float(loss(network, examples.x, examples.y)),
    }


PROGRAM = Program(
    "effdet",
    "detection",
    len(CLASSES),
    Recipe(
        steps=320,
        batch=6,
        optimizer="adamw",
        lr=0.012,
        schedule="cosine",
        warmup=20,
        weight_decay=1e-3,
        clip=10.0,
        evaluations=10,
    ),
    data,
    model,
    loss,
    scores,
    class_names=CLASSES,
    side=SIDE,
    normalised=True,
    has_batchnorm=True,
    good=0.6,
    terms=terms,
)
