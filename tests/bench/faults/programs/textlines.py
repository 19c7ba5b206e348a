"""What is printed on labels of parcels, found as EAST does it: a map of where things are, and from each place the ways
to the four sides and the slant.  Features joined upwards, GroupNorm and Mish, Dice and cross-entropy, logarithms of
IoU, cosines of angles.  Adam, warm-up and linear decay."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs import detection
from bench.faults.programs.common import activation_of, grouped, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import batched_nms, box_iou

CLASSES: Final = ("text", "barcode", "signature")
INKS: Final = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.1, 0.5))  # black, and what people sign with
SIDE, STRIDE = 64, 4
CELLS: Final = SIDE // STRIDE
SLANT: Final = 0.3  # radians either way, at most
SHRUNK: Final = 0.3  # of a box is cut off its sides before its inside counts as the thing
IOU, ANGLE = 1.0, 10.0  # weights of the terms
SURE, MOST = 0.5, 8  # odds of an answer, and answers for a picture

Target = dict[str, Tensor]


def data(seed: int) -> Sets:
    """Class ids count from 0; "angles" (m,) are slants in radians."""
    return detection.sets(149_000 + seed, first_label=0, train=320, side=SIDE, paint=paint)


def paint(image: Tensor, draw: torch.Generator, first_label: int) -> Target:
    """One to three lines in dark ink on bright paper."""
    image += 0.3 + 0.1 * torch.rand(3, 1, 1, generator=draw)
    boxes: list[list[int]] = []
    labels: list[int] = []
    angles: list[float] = []
    for _ in range(int(torch.randint(1, 4, (1,), generator=draw))):
        kind = int(torch.randint(len(CLASSES), (1,), generator=draw))
        angle = SLANT * (2 * float(torch.rand((), generator=draw)) - 1)
        ink, box = _line(kind, angle, draw)
        if detection.overlaps(box, boxes):
            continue
        image[:, ink] = torch.tensor(INKS[kind])[:, None] + 0.25 * torch.rand(3, 1, generator=draw)
        boxes.append(box)
        labels.append(first_label + kind)
        angles.append(angle)
    image.clamp_(0, 1)
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32),
        "labels": torch.tensor(labels),
        "angles": torch.tensor(angles),
    }


def _line(kind: int, angle: float, draw: torch.Generator) -> tuple[Tensor, list[int]]:
    """Its ink (SIDE, SIDE), True or False, and the corners of the upright box around it."""
    long, high, column, row, pace = torch.rand(5, generator=draw).tolist()
    half = torch.tensor([11.0 + 6 * long, {"text": 4.5, "barcode": 7.0, "signature": 4.5}[CLASSES[kind]] + high])
    turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    reach = (turn.abs() @ half).ceil()  # of the upright box, from its middle
    middle = (reach + (SIDE - 2 * reach) * torch.tensor([column, row])).round()
    y, x = torch.meshgrid(torch.arange(SIDE) + 0.5, torch.arange(SIDE) + 0.5, indexing="ij")
    along, aside = ((torch.stack([x, y], -1) - middle) @ turn).unbind(-1)
    inside = (along.abs() <= half[0]) & (aside.abs() <= half[1])
    low, up = (middle - reach).int().tolist(), (middle + reach).int().tolist()
    return inside & _ink(kind, along, aside, float(half[1]), pace), [*low, *up]


def _ink(kind: int, along: Tensor, aside: Tensor, high: float, pace: float) -> Tensor:
    """Where a line is dark, by the place *along* and *aside* of its middle in pixels."""
    if CLASSES[kind] == "text":  # letters: strokes at their feet, middles and heads, and gaps between them
        return (torch.remainder(along, 5.0) < 3.6) & (torch.cos(2 * math.pi * aside / (high - 1)) > -0.1)
    if CLASSES[kind] == "barcode":  # thick bars and thin ones from top to bottom
        return (torch.sin(0.9 * along) + torch.sin((0.4 + 0.2 * pace) * along)) > 0.2
    return (aside - 0.75 * high * torch.sin((0.4 + 0.2 * pace) * along)).abs() < 1.2


# --- the network --------------------------------------------------------------------------------------------------


class Maps(NamedTuple):
    """What is said of each cell."""

    score: Tensor  # (n, classes, CELLS, CELLS) logits
    sides: Tensor  # (n, 4, CELLS, CELLS) pixels to the left, the top, the right and the bottom
    angle: Tensor  # (n, 1, CELLS, CELLS) radians


class EAST(nn.Module):
    """Pictures (n, 3, SIDE, SIDE) to maps of stride 4, for which coarser ones are merged upwards."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, c, d = (width_of(channels, shape.width) for channels in (10, 20, 28, 36))
        self.stem = _block(3, a, 2, shape)
        self.extract1, self.extract2, self.extract3 = (
            nn.Sequential(_block(a, b, 2, shape), *(_block(b, b, 1, shape) for _ in range(shape.depth))),
            nn.Sequential(_block(b, c, 2, shape), _block(c, c, 1, shape)),
            _block(c, d, 2, shape),
        )
        self.merge2, self.merge1 = _block(c + d, c, 1, shape), _block(b + c, b, 1, shape)
        self.score, self.sides, self.angle = (nn.Conv2d(b, out, 1) for out in (len(CLASSES), 4, 1))

    def forward(self, images: Tensor) -> Maps:
        fine = self.extract1(self.stem((images - 0.6) / 0.25))
        middle = self.extract2(fine)
        coarse = functional.interpolate(self.extract3(middle), scale_factor=2.0)
        middle = functional.interpolate(self.merge2(torch.cat([middle, coarse], 1)), scale_factor=2.0)
        merged = self.merge1(torch.cat([fine, middle], 1))
        sides, angle = self.sides(merged).sigmoid() * SIDE, (self.angle(merged).sigmoid() - 0.5) * math.pi
        return Maps(self.score(merged), sides, angle)


def _block(channels_in: int, channels_out: int, stride: int, shape: Shape) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, grouped(channels_out), activation_of(shape, nn.Mish)())


def centres() -> Tensor:
    """x, y of the cells in pixels; shape (2, CELLS, CELLS)."""
    y, x = torch.meshgrid(*[STRIDE * (torch.arange(CELLS) + 0.5)] * 2, indexing="ij")
    return torch.stack([x, y])


# --- the loss -----------------------------------------------------------------------------------------------------


class EASTLoss(nn.Module):
    """Dice and cross-entropy over the map of each class, -log IoU and 1 - cos of the angle within what is left of the
    boxes."""

    def forward(self, found: Maps, targets: Sequence[Target]) -> dict[str, Tensor]:
        """The terms by their names."""
        drawn = [_drawn(target) for target in targets]
        score, sides, angle = (torch.stack(parts) for parts in zip(*drawn, strict=True))
        inside = score.amax(1)
        cells = inside.sum().clamp(min=1)
        crossed = functional.binary_cross_entropy_with_logits(found.score, score, reduction="sum")
        return {
            "score": _dice(found.score.sigmoid(), score) + crossed / cells,
            "box_iou": IOU * (_iou_loss(found.sides, sides) * inside).sum() / cells,
            "angle": ANGLE * ((1 - torch.cos(found.angle - angle))[:, 0] * inside).sum() / cells,
        }


def _drawn(target: Target) -> Maps:
    """What the maps of one picture are to be: 1 for the class within the shrunk boxes."""
    place = centres()
    maps = Maps(torch.zeros(len(CLASSES), CELLS, CELLS), torch.ones(4, CELLS, CELLS), torch.zeros(1, CELLS, CELLS))
    for box, label, angle in zip(target["boxes"], target["labels"].tolist(), target["angles"], strict=False):
        cut = SHRUNK * (box[2:] - box[:2]) / 2
        low, high = (box[:2] + cut).view(2, 1, 1), (box[2:] - cut).view(2, 1, 1)
        inside = ((place >= low) & (place <= high)).all(0)
        maps.score[label][inside] = 1.0
        maps.sides[:, inside] = torch.cat([place[:, inside] - box[:2, None], box[2:, None] - place[:, inside]])
        maps.angle[:, inside] = angle
    return maps


def _dice(odds: Tensor, wanted: Tensor) -> Tensor:
    """Mean over the classes of one minus twice the common part over the sum; (n, classes, CELLS, CELLS)."""
    over = (0, 2, 3)
    return (1 - (2 * (odds * wanted).sum(over) + 1) / (odds.sum(over) + wanted.sum(over) + 1)).mean()


def _iou_loss(found: Tensor, true: Tensor) -> Tensor:
    """-log of the IoU of boxes around the same cell; (n, CELLS, CELLS)."""
    common = torch.minimum(found, true)
    shared = (common[:, 0] + common[:, 2]) * (common[:, 1] + common[:, 3])
    areas = [(sides[:, 0] + sides[:, 2]) * (sides[:, 1] + sides[:, 3]) for sides in (found, true)]
    return -torch.log((shared + 1) / (areas[0] + areas[1] - shared + 1))


def terms(network: nn.Module, x: Tensor, y: Sequence[Target]) -> dict[str, Tensor]:
    """Of one batch, by their names."""
    found: dict[str, Tensor] = EASTLoss()(network(x), y)
    return found


def loss(network: nn.Module, x: Tensor, y: Sequence[Target]) -> Tensor:
    """Their sum."""
    return torch.stack(list(terms(network, x, y).values())).sum()


# --- the answers --------------------------------------------------------------------------------------------------


def decoded(score: Tensor, sides: Tensor) -> Target:
    """Boxes of the sure cells of one picture, without those that overlap a surer one of their class."""
    odds, labels = score.sigmoid().max(0)
    sure = odds > SURE
    place = centres()[:, sure]
    boxes = torch.cat([place - sides[:2, sure], place + sides[2:, sure]]).T.clamp(0, SIDE)
    kept = batched_nms(boxes, odds[sure], labels[sure], 0.3)[:MOST]
    return {"boxes": boxes[kept], "scores": odds[sure][kept], "labels": labels[sure][kept]}


def scores(network: nn.Module, examples: Examples) -> dict[str, float]:
    """The harmonic mean of precision and recall at IoU 0.5, as readers of text are compared, and these two."""
    maps = network(examples.x)
    found = [decoded(*picture) for picture in zip(maps.score, maps.sides, strict=True)]
    hits = sum(_hits(*pair) for pair in zip(found, examples.y, strict=True))
    precision = hits / max(sum(len(answer["boxes"]) for answer in found), 1)
    recall = hits / max(sum(len(target["boxes"]) for target in examples.y), 1)
    return {"hmean": 2 * precision * recall / max(precision + recall, 1e-9), "precision": precision, "recall": recall}


def _hits(answer: Target, target: Target) -> int:
    """Objects that the answers of their class cover."""
    alike = answer["labels"][:, None] == target["labels"]
    covers = box_iou(answer["boxes"], target["boxes"]) >= 0.5
    return int((alike & covers).any(0).sum())


PROGRAM = Program(
    "textlines",
    "detection",
    len(CLASSES),
    Recipe(steps=300, batch=6, optimizer="adam", lr=6e-3, schedule="linear", warmup=20, evaluations=10),
    data,
    EAST,
    loss,
    scores,
    class_names=CLASSES,
    side=SIDE,
    normalised=True,
    good=0.6,
    terms=terms,
)
