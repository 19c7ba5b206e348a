"""YOLOv3 as it is written again and again: Darknet's residual blocks with BatchNorm and leaky ReLUs, two scales, two
anchors on each, squared errors of boxes, cross-entropies of objectness and classes.  SGD with momentum, a burn-in, LR
in steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs import detection
from bench.faults.programs.common import activation_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import batched_nms, box_convert

CLASSES: Final = ("stop", "yield", "limit", "info")
SIDE: Final = 64
ANCHORS: Final = (((13.0, 13.0), (18.0, 18.0)), ((24.0, 24.0), (30.0, 30.0)))  # w, h in pixels, of each scale
STRIDES: Final = (8, 16)
IGNORED: Final = 0.5  # anchors that cover an object of another one better than this count for nothing
EMPTY: Final = 0.5  # weight of the anchors without an object
BOX: Final = 2.5
MOST: Final = 10  # answers for a picture
RARE: Final = -3.0  # bias of the objectness
LEAKY: Final[Callable[[], nn.Module]] = partial(nn.LeakyReLU, 0.1)


def data(seed: int) -> Sets:
    """Class ids count from 0."""
    return detection.sets(97_000 + seed, first_label=0, train=260, side=SIDE, paint=paint)


def paint(image: Tensor, draw: torch.Generator, first_label: int) -> dict[str, Tensor]:
    """One to three road signs before a sky that fades into the road."""
    image += 0.2 * torch.linspace(1, -1, SIDE).view(1, SIDE, 1) * torch.rand(3, 1, 1, generator=draw)
    boxes: list[list[int]] = []
    labels: list[int] = []
    for _ in range(int(torch.randint(1, 4, (1,), generator=draw))):
        size = int(torch.randint(12, 31, (1,), generator=draw))
        left, top = torch.randint(SIDE - size + 1, (2,), generator=draw).tolist()
        box = [left, top, left + size, top + size]
        if detection.overlaps(box, boxes):
            continue
        kind = int(torch.randint(len(CLASSES), (1,), generator=draw))
        rim, ground = _sign(kind, size)
        place = image[:, top : top + size, left : left + size]
        place[:, ground] = 0.05 + 0.1 * torch.rand(3, 1, generator=draw)
        place[:, rim] = 0.7 + 0.3 * torch.rand(3, 1, generator=draw)
        boxes.append(box)
        labels.append(first_label + kind)
    image.clamp_(0, 1)
    return {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}


def _sign(kind: int, size: int) -> tuple[Tensor, Tensor]:
    """The bright and the dark pixels of a sign; shape (size, size), True or False."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, size), torch.linspace(-1, 1, size), indexing="ij")
    if CLASSES[kind] == "stop":
        plate = (x.abs() + y.abs() < 1.45) & (torch.maximum(x.abs(), y.abs()) <= 1)
        return plate & (y.abs() > 0.25), plate
    if CLASSES[kind] == "yield":
        plate = x.abs() <= (1 - y) / 2 + 0.05
        return plate & ~((x.abs() < (0.3 - y) / 2) & (y > -0.6)), plate
    if CLASSES[kind] == "limit":
        plate = x**2 + y**2 <= 1.03
        return plate & (x**2 + y**2 > 0.4), plate
    plate = torch.ones_like(x) > 0
    return plate & ~((x.abs() < 0.3) & (y > -0.2)) & ~((x.abs() < 0.3) & ((y + 0.6).abs() < 0.2)), plate


# --- the network --------------------------------------------------------------------------------------------------


class Conv(nn.Sequential):
    """Convolution, BatchNorm, leaky ReLU."""

    def __init__(self, channels_in: int, channels_out: int, shape: Shape, *, size: int = 3, stride: int = 1) -> None:
        convolution = nn.Conv2d(channels_in, channels_out, size, stride, size // 2, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(channels_out), activation_of(shape, LEAKY)())


class Residual(nn.Module):
    """Half the channels and back, added to what came in."""

    def __init__(self, channels: int, shape: Shape) -> None:
        super().__init__()
        half = max(channels // 2, 1)
        self.conv1, self.conv2 = Conv(channels, half, shape, size=1), Conv(half, channels, shape)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.conv1(x))  # type: ignore[no-any-return]


class YOLOLayer(nn.Module):
    """The anchors of one scale: (n, 2 * (5 + classes), rows, columns) as (n, 2, rows, columns, 5 + classes)."""

    def __init__(self, anchors: Sequence[tuple[float, float]], stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.register_buffer("anchors", torch.tensor(anchors))
        self.anchors: Tensor

    def forward(self, x: Tensor) -> Tensor:
        count, _, rows, columns = x.shape
        return x.view(count, len(self.anchors), 5 + len(CLASSES), rows, columns).permute(0, 1, 3, 4, 2)

    def boxes(self, outputs: Tensor) -> Tensor:
        """cx, cy, w, h in pixels of the *outputs* (n, 2, rows, columns, 5 + classes)."""
        rows, columns = outputs.shape[2:4]
        row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        middle = self.stride * (outputs[..., :2].sigmoid() + torch.stack([column, row], -1))
        size = outputs[..., 2:4].clamp(max=5.0).exp() * self.anchors.view(1, -1, 1, 1, 2)
        return torch.cat([middle, size], -1)


class Darknet(nn.Module):
    """Pictures (n, 3, SIDE, SIDE) to the outputs of the two scales, the coarse one joined to the fine one."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, c, d = (width_of(channels, shape.width) for channels in (8, 16, 32, 48))
        self.stem = nn.Sequential(Conv(3, a, shape, stride=2), Conv(a, b, shape, stride=2), Residual(b, shape))
        deeper = [Residual(c, shape) for _ in range(1 + shape.depth)]
        self.fine = nn.Sequential(Conv(b, c, shape, stride=2), *deeper)
        self.coarse = nn.Sequential(Conv(c, d, shape, stride=2), Residual(d, shape))
        self.lateral, self.joined = Conv(d, c, shape, size=1), Conv(2 * c, c, shape)
        self.predict_fine, self.predict_coarse = _predictor(c), _predictor(d)
        self.yolo = nn.ModuleList(YOLOLayer(*scale) for scale in zip(ANCHORS, STRIDES, strict=True))

    def forward(self, images: Tensor) -> list[Tensor]:
        fine = self.fine(self.stem(images))
        coarse = self.coarse(fine)
        up = functional.interpolate(self.lateral(coarse), scale_factor=2.0)
        fine = self.joined(torch.cat([fine, up], 1))
        maps = (self.predict_fine(fine), self.predict_coarse(coarse))
        return [layer(x) for layer, x in zip(self.yolo, maps, strict=True)]


def _predictor(channels: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, 2 * (5 + len(CLASSES)), 1)
    assert layer.bias is not None
    nn.init.constant_(layer.bias.view(2, -1)[:, 4], RARE)
    return layer


# --- the loss -----------------------------------------------------------------------------------------------------


class Assigned(NamedTuple):
    """Objects (m,) that the anchors of one scale answer for, and where."""

    image: Tensor
    anchor: Tensor
    row: Tensor
    column: Tensor
    label: Tensor
    box: Tensor  # (m, 4) cx, cy, w, h in pixels


def rows_of(targets: Sequence[dict[str, Tensor]]) -> Tensor:
    """What the loader makes of the targets of a batch: rows (m, 6) of picture, class, cx, cy, w, h as shares of it."""
    rows = [torch.zeros(0, 6)]
    for index, target in enumerate(targets):
        boxes = box_convert(target["boxes"], "xyxy", "cxcywh") / SIDE
        labels = target["labels"][: len(boxes)].to(boxes.dtype)
        rows.append(torch.cat([torch.full((len(boxes), 1), float(index)), labels[:, None], boxes], 1))
    return torch.cat(rows)


def shape_iou(sizes: Tensor, anchors: Tensor) -> Tensor:
    """IoU of widths and heights (m, 2) and (k, 2) that share a centre; shape (m, k)."""
    common = torch.minimum(sizes[:, None], anchors[None]).prod(-1)
    return common / (sizes.prod(-1)[:, None] + anchors.prod(-1)[None] - common + 1e-16)


def assign(targets: Tensor, layers: Sequence[YOLOLayer]) -> list[Assigned]:
    """Each object to the anchor that has its shape, in the cell of its centre."""
    boxes = SIDE * targets[:, 2:]
    best = shape_iou(boxes[:, 2:], torch.cat([layer.anchors for layer in layers])).argmax(1)
    found, first = [], 0
    for layer in layers:
        mine = (best >= first) & (best < first + len(layer.anchors))
        cells = SIDE // layer.stride
        column, row = (boxes[mine, :2] / layer.stride).long().clamp(0, cells - 1).unbind(1)
        image, label = targets[mine, :2].long().unbind(1)
        found.append(Assigned(image, best[mine] - first, row, column, label, boxes[mine]))
        first += len(layer.anchors)
    return found


def _scale_terms(layer: YOLOLayer, outputs: Tensor, mine: Assigned, targets: Tensor) -> dict[str, Tensor]:
    """Sums over one scale."""
    at = (mine.image, mine.anchor, mine.row, mine.column)
    found = outputs[at]
    cell = mine.box[:, :2] / layer.stride - torch.stack([mine.column, mine.row], 1)
    size = torch.log(mine.box[:, 2:] / layer.anchors[mine.anchor] + 1e-16)
    classes = torch.zeros_like(found[:, 5:])
    classes[torch.arange(len(classes)), mine.label] = 1.0
    wanted = torch.zeros_like(outputs[..., 4])
    wanted[at] = 1.0
    weight = torch.full_like(wanted, EMPTY)
    for image, best in zip(targets[:, 0].long().tolist(), _covered(layer, wanted, targets), strict=True):
        weight[image][best] = 0.0
    weight[at] = 1.0
    objects = functional.binary_cross_entropy_with_logits(outputs[..., 4], wanted, weight, reduction="sum")
    return {
        "box": BOX * ((found[:, :2].sigmoid() - cell).square().sum() + (found[:, 2:4] - size).square().sum()),
        "conf": objects,
        "cls": functional.binary_cross_entropy_with_logits(found[:, 5:], classes, reduction="sum"),
    }


def _covered(layer: YOLOLayer, wanted: Tensor, targets: Tensor) -> Tensor:
    """Anchors of the cell of each object that have its shape nearly; (m, 2, rows, columns), True or False."""
    boxes = SIDE * targets[:, 2:]
    covered = torch.zeros(len(boxes), *wanted.shape[1:], dtype=torch.bool)
    column, row = (boxes[:, :2] / layer.stride).long().clamp(0, wanted.shape[-1] - 1).unbind(1)
    covered[torch.arange(len(boxes)), :, row, column] = shape_iou(boxes[:, 2:], layer.anchors) > IGNORED
    return covered


def terms(network: nn.Module, x: Tensor, y: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Over the number of pictures, by their names."""
    assert isinstance(network, Darknet)
    targets, layers = rows_of(y), [layer for layer in network.yolo if isinstance(layer, YOLOLayer)]
    scales = [
        _scale_terms(layer, outputs, mine, targets)
        for layer, outputs, mine in zip(layers, network(x), assign(targets, layers), strict=True)
    ]
    return {name: torch.stack([scale[name] for scale in scales]).sum() / len(x) for name in scales[0]}


def loss(network: nn.Module, x: Tensor, y: Sequence[dict[str, Tensor]]) -> Tensor:
    """Their sum."""
    return torch.stack(list(terms(network, x, y).values())).sum()


# --- the answers --------------------------------------------------------------------------------------------------


def suppressed(boxes: Tensor, outputs: Tensor) -> dict[str, Tensor]:
    """The surest answers of one picture, without those that overlap a surer one of their class; *boxes* (k, 4) as cx,
    cy, w, h, *outputs* (k, 5 + classes)."""
    scores_, labels = (outputs[:, 4:5].sigmoid() * outputs[:, 5:].sigmoid()).max(1)
    sure = scores_ > 0.02
    corners = box_convert(boxes[sure], "cxcywh", "xyxy").clamp(0, SIDE)
    kept = batched_nms(corners, scores_[sure], labels[sure], 0.45)[:MOST]
    return {"boxes": corners[kept], "scores": scores_[sure][kept], "labels": labels[sure][kept]}


def scores(network: nn.Module, examples: Examples) -> dict[str, float]:
    """mAP at IoU 0.5."""
    assert isinstance(network, Darknet)
    outputs = network(examples.x)
    boxes = [layer.boxes(x) for layer, x in zip(network.yolo, outputs, strict=True)]  # type: ignore[operator]
    rows = [torch.cat([scale.flatten(1, 3) for scale in parts], 1) for parts in (boxes, outputs)]
    found = [suppressed(*picture) for picture in zip(*rows, strict=True)]
    return {"mAP50": detection.mean_average_precision(found, examples.y)}


PROGRAM = Program(
    "darknet",
    "detection",
    len(CLASSES),
    Recipe(
        steps=300,
        batch=8,
        optimizer="sgd",
        lr=4e-3,
        schedule="step",
        warmup=30,
        weight_decay=5e-4,
        milestones=(0.7, 0.9),
        clip=10.0,
        evaluations=10,
    ),
    data,
    Darknet,
    loss,
    scores,
    class_names=CLASSES,
    side=SIDE,
    has_batchnorm=True,
    good=0.6,
    terms=terms,
)
