"""Objects as pairs of corners, as CornerNet has it: heat maps of top left and bottom right corners behind corner
pooling, embeddings that tell which two belong together, offsets.  GroupNorm, Adam, LR lowered on plateaus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from bench.faults.plan import Program, Sets, Shape
from bench.faults.programs import detection
from bench.faults.programs.common import grouped, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import batched_nms

CLASSES: Final = ("window", "door", "balcony")
SIDE, STRIDE = 48, 4
CELLS: Final = SIDE // STRIDE
RARE: Final = -2.19  # bias of the heat maps: one cell of ten
SIGMA: Final = 0.7  # of the bumps around corners, in cells
MARGIN: Final = 1.0  # that embeddings of two objects are to be apart
PEAKS, MOST = 12, 10  # corners of a kind that are paired, and answers for a picture

Target = dict[str, Tensor]


def data(seed: int) -> Sets:
    """Class ids count from 0: there is no background."""
    return detection.sets(101_000 + seed, first_label=0, train=320, side=SIDE, paint=paint)


def paint(image: Tensor, draw: torch.Generator, first_label: int) -> Target:
    """Two or three parts of a house on its wall of bricks."""
    image += 0.12 * _bricks(draw) * torch.rand(3, 1, 1, generator=draw)
    boxes: list[list[int]] = []
    labels: list[int] = []
    for _ in range(int(torch.randint(2, 4, (1,), generator=draw))):
        kind = int(torch.randint(len(CLASSES), (1,), generator=draw))
        size = int(torch.randint(12, 19, (1,), generator=draw))
        wide, high = {"window": (size, size), "door": (size // 2 + 4, size + 6), "balcony": (size + 6, size // 2 + 4)}[
            CLASSES[kind]
        ]
        left, top = (int(torch.randint(SIDE - extent + 1, (1,), generator=draw)) for extent in (wide, high))
        box = [left, top, left + wide, top + high]
        if detection.overlaps(box, boxes):
            continue
        shade, light = 0.15 * torch.rand(3, 1, generator=draw), 0.7 + 0.3 * torch.rand(3, 1, generator=draw)
        bright = _part(kind, high, wide)
        place = image[:, top : top + high, left : left + wide]
        place[:, bright], place[:, ~bright] = light, shade
        boxes.append(box)
        labels.append(first_label + kind)
    image.clamp_(0, 1)
    return {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}


def _bricks(draw: torch.Generator) -> Tensor:
    """Courses of bricks; shape (1, SIDE, SIDE), 0 or 1."""
    high, shift = (int(torch.randint(4, 8, (1,), generator=draw)) for _ in range(2))
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    course = y // high
    return ((y % high != 0) & ((x + shift * (course % 2)) % (2 * high) != 0)).float()[None]


def _part(kind: int, high: int, wide: int) -> Tensor:
    """The bright pixels; shape (high, wide), True or False."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, high), torch.linspace(-1, 1, wide), indexing="ij")
    edge = torch.maximum(x.abs(), y.abs()) > 0.75
    if CLASSES[kind] == "window":
        return edge | (x.abs() < 0.15) | (y.abs() < 0.15)
    if CLASSES[kind] == "door":
        return (x.abs() < 0.8) & ~((y + 0.4).abs() < 0.25)
    return edge | (torch.cos(3.5 * torch.pi * x) > 0.2)


# --- the network --------------------------------------------------------------------------------------------------


class Maps(NamedTuple):
    """What is said of one kind of corner."""

    heat: Tensor  # (n, classes, CELLS, CELLS) logits
    tag: Tensor  # (n, 1, CELLS, CELLS)
    offset: Tensor  # (n, 2, CELLS, CELLS) of the corner in its cell, x and y


class CornerPool(nn.Module):
    """The highest value from each place on to the right plus that from it downwards: an object's top left corner is
    seldom on the object; to the left and upwards for the other corner."""

    def __init__(self, channels: int, *, towards_end: bool, shape: Shape) -> None:
        super().__init__()
        self.towards_end = towards_end
        half = max(channels // 2, 1)
        self.down, self.along = (_block(channels, half, 1, shape) for _ in range(2))
        self.joined = _block(half, channels, 1, shape)

    def forward(self, x: Tensor) -> Tensor:
        down, along = self._highest(self.down(x), 2), self._highest(self.along(x), 3)
        return self.joined(down + along) + x  # type: ignore[no-any-return]

    def _highest(self, x: Tensor, dim: int) -> Tensor:
        return x.flip(dim).cummax(dim).values.flip(dim) if self.towards_end else x.cummax(dim).values


class Corner(nn.Module):
    """Corner pooling and three heads."""

    def __init__(self, channels: int, *, towards_end: bool, shape: Shape) -> None:
        super().__init__()
        self.pool = CornerPool(channels, towards_end=towards_end, shape=shape)
        self.heat, self.tag, self.offset = (nn.Conv2d(channels, out, 1) for out in (len(CLASSES), 1, 2))
        assert self.heat.bias is not None
        nn.init.constant_(self.heat.bias, RARE)

    def forward(self, x: Tensor) -> Maps:
        x = self.pool(x)
        return Maps(self.heat(x), self.tag(x), self.offset(x))


class CornerNet(nn.Module):
    """An hourglass and the two kinds of corners.  Losses in training, boxes in eval mode, as torchvision's."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, c = (width_of(channels, shape.width) for channels in (10, 20, 28))
        self.stem = nn.Sequential(_block(3, a, 2, shape), _block(a, b, 2, shape))
        self.down = nn.Sequential(_block(b, c, 2, shape), *(_block(c, c, 1, shape) for _ in range(shape.depth)))
        self.middle, self.up = _block(c, b, 1, shape), _block(b, b, 1, shape)
        self.top_left = Corner(b, towards_end=True, shape=shape)
        self.bottom_right = Corner(b, towards_end=False, shape=shape)

    def forward(self, images: Sequence[Tensor], targets: Sequence[Target] | None = None) -> object:
        fine = self.stem((torch.stack(list(images)) - 0.4) / 0.25)
        coarse = self.middle(self.down(fine))
        features = self.up(fine + functional.interpolate(coarse, scale_factor=2.0))
        corners = (self.top_left(features), self.bottom_right(features))
        if not self.training:
            return [decoded(Maps(*first), Maps(*last)) for first, last in zip(*map(_each, corners), strict=True)]
        if targets is None:
            raise ValueError("targets should not be none when in training mode")
        return losses(*corners, targets)


def _each(maps: Maps) -> list[tuple[Tensor, ...]]:
    return list(zip(*maps, strict=True))


def _block(channels_in: int, channels_out: int, stride: int, shape: Shape) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, grouped(channels_out), shape.activation())


# --- the loss -----------------------------------------------------------------------------------------------------


def losses(first: Maps, last: Maps, targets: Sequence[Target]) -> dict[str, Tensor]:
    """Focal loss of the heat maps, smooth L1 of the offsets, and what pulls the embeddings of an object together and
    pushes those of two apart; each over the number of objects."""
    image = torch.cat([torch.full((len(target["boxes"]),), i) for i, target in enumerate(targets)]).long()
    labels = torch.cat([target["labels"][: len(target["boxes"])] for target in targets]).long()
    corners = torch.cat([target["boxes"] for target in targets]).view(-1, 2, 2) / STRIDE
    cells = corners.floor().clamp(0, CELLS - 1)
    column, row = cells.long().unbind(-1)
    count = max(len(image), 1)
    heat, offsets, tags = first.heat.new_zeros(()), first.offset.new_zeros(()), []
    for k, maps in enumerate((first, last)):
        at = (image, labels, row[:, k], column[:, k])
        heat = heat + _focal(maps.heat, _bumps(maps.heat, at))
        found = maps.offset[image, :, row[:, k], column[:, k]]
        offsets = offsets + functional.smooth_l1_loss(found, (corners - cells)[:, k], reduction="sum")
        tags.append(maps.tag[image, 0, row[:, k], column[:, k]])
    pull, push = _embedding(torch.stack(tags, 1), image)
    return {"heat": heat / count, "box_offset": offsets / count, "pull": 0.5 * pull / count, "push": 0.5 * push / count}


def _bumps(heat: Tensor, at: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
    """What the *heat* is to be: 1 at the corners, and less around them."""
    image, label, row, column = at
    cells = torch.arange(CELLS)
    down, along = (torch.exp(-0.5 * ((cells - place[:, None]) / SIGMA).square()) for place in (row, column))
    wanted = torch.zeros_like(heat)
    for i, k, bump in zip(image.tolist(), label.tolist(), down[:, :, None] * along[:, None, :], strict=True):
        wanted[i, k] = torch.maximum(wanted[i, k], bump)
    return wanted


def _focal(heat: Tensor, wanted: Tensor) -> Tensor:
    """Of "CornerNet": easy cells count less, and so do those next to a corner."""
    p = heat.sigmoid()
    hit = (1 - p).square() * functional.logsigmoid(heat)
    miss = (1 - wanted).pow(4) * p.square() * functional.logsigmoid(-heat)
    return -torch.where(wanted == 1, hit, miss).sum()


def _embedding(tags: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
    """Pull and push of the embeddings (m, 2) of the two corners of objects in pictures (m,)."""
    middle = tags.mean(1)
    apart = (MARGIN - (middle[:, None] - middle[None]).abs()).clamp(min=0)
    others = (image[:, None] == image[None]) & ~torch.eye(len(image), dtype=torch.bool)
    return (tags - middle[:, None]).square().sum(), apart[others].sum()


# --- the answers --------------------------------------------------------------------------------------------------


def decoded(first: Maps, last: Maps) -> Target:
    """Pairs of peaks of one picture, of one class and of like embeddings, as boxes in pixels."""
    (odds, label, tag, place), (last_odds, last_label, last_tag, last_place) = _peaks(first), _peaks(last)
    one, other = torch.cartesian_prod(torch.arange(PEAKS), torch.arange(PEAKS)).unbind(1)
    low, high = place[one], last_place[other]
    apart = (tag[one] - last_tag[other]).abs()
    alike = (label[one] == last_label[other]) & (apart < MARGIN) & (high > low).all(1)
    boxes, labels = torch.cat([low, high], 1)[alike].clamp(0, SIDE), label[one][alike]
    scores = ((odds[one] * last_odds[other]).sqrt() * torch.exp(-apart))[alike]
    kept = batched_nms(boxes, scores, labels, 0.5)[:MOST]
    return {"boxes": boxes[kept], "scores": scores[kept], "labels": labels[kept]}


def _peaks(maps: Maps) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Odds, class, embedding and place in pixels (PEAKS, 2) of the highest peaks of one picture."""
    heat = maps.heat.sigmoid()
    heat = heat * (functional.max_pool2d(heat[None], 3, 1, 1)[0] == heat)
    odds, found = heat.flatten().topk(PEAKS)
    label, cell = found // CELLS**2, found % CELLS**2
    row, column = cell // CELLS, cell % CELLS
    place = torch.stack([column, row], 1) + maps.offset[:, row, column].T
    return odds, label, maps.tag[0, row, column], STRIDE * place


PROGRAM = Program(
    "corner",
    "detection",
    len(CLASSES),
    Recipe(steps=320, batch=5, optimizer="adam", lr=6e-3, schedule="plateau", evaluations=14),
    data,
    CornerNet,
    detection.loss,
    detection.scores,
    class_names=CLASSES,
    side=SIDE,
    normalised=True,
    good=0.6,
)
