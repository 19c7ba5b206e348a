"""A set of boxes from a set of queries, as DETR has it: convolutional stem, transformer, bipartite matching, a class
for no object.  AdamW, warm-up, LR in steps, clipped at 0.1."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs import detection
from bench.faults.programs.common import dropout_of, grouped, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import box_convert, generalized_box_iou

CLASSES = ("sail", "buoy", "raft")
SIDE, STRIDE = 48, 8
CELLS = SIDE // STRIDE
SEATS, HEADS = 3, 4  # queries begin in so many rows and columns
QUERIES = SEATS**2
MEAN, DEVIATION = 0.4, 0.25  # of the pixels
BOX, GIOU, NOTHING = 5.0, 2.0, 0.2  # weights of two terms, and of the class for no object

Target = dict[str, Tensor]


def data(seed: int) -> Sets:
    """Class ids count from 0; the class for no object comes behind them."""
    return detection.sets(71_000 + seed, first_label=0, train=400, side=SIDE, paint=paint)


def paint(image: Tensor, draw: torch.Generator, first_label: int) -> Target:
    """One or two things that float on a sea which is darker at the bottom."""
    image *= torch.linspace(1.2, 0.6, SIDE)[:, None]
    image[2] += 0.25
    boxes: list[list[int]] = []
    labels: list[int] = []
    for _ in range(int(torch.randint(1, 3, (1,), generator=draw))):
        kind = int(torch.randint(len(CLASSES), (1,), generator=draw))
        size = torch.randint(14, 25, (1,), generator=draw)
        wide, high = (max(int(size * share), 10) for share in ((0.8, 1.0), (0.8, 0.8), (1.2, 0.7))[kind])
        left, top = (int(torch.randint(SIDE - extent + 1, (1,), generator=draw)) for extent in (wide, high))
        box = [left, top, left + wide, top + high]
        if detection.overlaps(box, boxes):
            continue
        colour = torch.tensor(((0.9, 0.9, 0.8), (0.8, 0.2, 0.15), (0.55, 0.4, 0.2))[kind])[:, None]
        colour = colour * (0.7 + 0.4 * torch.rand(1, generator=draw)) + 0.1 * torch.rand(3, 1, generator=draw)
        image[:, top : top + high, left : left + wide][:, _mask(kind, high, wide)] = colour
        boxes.append(box)
        labels.append(first_label + kind)
    image.clamp_(0, 1)
    return {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}


def _mask(kind: int, high: int, wide: int) -> Tensor:
    """The pixels of a thing; shape (high, wide), True or False."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, high), torch.linspace(-1, 1, wide), indexing="ij")
    if CLASSES[kind] == "sail":
        return (x >= -1 - 0.001) & (x <= y) | (y > 0.75)
    if CLASSES[kind] == "buoy":
        return x**2 + y**2 <= 1.02
    return torch.cos(7.5 * x) > -0.6


class Attention(nn.Module):
    """LayerNorm, then each of the queries looks at all of the keys; what it finds is added to it."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.drop = nn.LayerNorm(width), nn.Dropout(dropout)
        self.attend = nn.MultiheadAttention(width, HEADS, dropout=dropout, batch_first=True)

    def forward(self, x: Tensor, at: Tensor, keys: Tensor | None = None, keys_at: Tensor | None = None) -> Tensor:
        y = self.norm(x)
        keys, keys_at = (y, at) if keys is None or keys_at is None else (keys, keys_at)
        found, _ = self.attend(y + at, keys + keys_at, keys, need_weights=False)
        return x + self.drop(found)  # type: ignore[no-any-return]


class Perceptron(nn.Module):
    """LayerNorm, then two linear layers, beside a shortcut."""

    def __init__(self, width: int, dropout: float, shape: Shape) -> None:
        super().__init__()
        self.norm, self.drop, self.act = nn.LayerNorm(width), nn.Dropout(dropout), shape.activation()
        self.linear1, self.linear2 = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop(self.linear2(self.act(self.linear1(self.norm(x)))))  # type: ignore[no-any-return]


class EncoderLayer(nn.Module):
    """The cells of the picture look at each other."""

    def __init__(self, width: int, dropout: float, shape: Shape) -> None:
        super().__init__()
        self.self_attention, self.perceptron = Attention(width, dropout), Perceptron(width, dropout, shape)

    def forward(self, x: Tensor, at: Tensor) -> Tensor:
        return self.perceptron(self.self_attention(x, at))  # type: ignore[no-any-return]


class DecoderLayer(nn.Module):
    """The queries look at each other, then at the picture."""

    def __init__(self, width: int, dropout: float, shape: Shape) -> None:
        super().__init__()
        self.self_attention, self.cross_attention = Attention(width, dropout), Attention(width, dropout)
        self.perceptron = Perceptron(width, dropout, shape)

    def forward(self, x: Tensor, at: Tensor, memory: Tensor, memory_at: Tensor) -> Tensor:
        x = self.self_attention(x, at)
        return self.perceptron(self.cross_attention(x, at, memory, memory_at))  # type: ignore[no-any-return]


class Detr(nn.Module):
    """From pictures (n, 3, SIDE, SIDE) to "pred_logits" (n, QUERIES, classes + 1) and "pred_boxes" (n, QUERIES, 4), cx,
    cy, w and h as shares of the picture; those of the earlier layers of the decoder as "aux_outputs"."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b = width_of(12, shape.width), width_of(24, shape.width)
        width = HEADS * max(width_of(8, shape.width), 1)
        self.backbone = nn.Sequential(
            _block(3, a, 2, shape), _block(a, b, 2, shape), _block(b, b, 1, shape), _block(b, width, 2, shape)
        )
        dropout = dropout_of(shape.dropout, 0.0)
        self.encoder = nn.ModuleList(EncoderLayer(width, dropout, shape) for _ in range(1))
        self.decoder = nn.ModuleList(DecoderLayer(width, dropout, shape) for _ in range(2 + shape.depth))
        self.norm_memory, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.points = nn.Parameter(_grid(SEATS))
        self.query = nn.Parameter(torch.randn(QUERIES, width) * 0.1)
        self.class_embed = nn.Linear(width, len(CLASSES) + 1)
        self.bbox_embed = nn.Sequential(nn.Linear(width, width), shape.activation(), nn.Linear(width, 4))
        self.register_buffer("cells", _grid(CELLS), persistent=False)

    def forward(self, images: Tensor) -> dict[str, Any]:
        features = self.backbone(images)
        memory = features.flatten(2).transpose(1, 2)
        width = memory.shape[-1]
        memory_at = places(self.cells, width)
        for layer in self.encoder:
            memory = layer(memory, memory_at)
        memory = self.norm_memory(memory)
        points = self.points.clamp(0.02, 0.98)
        at = places(points, width)
        x = self.query + functional.adaptive_avg_pool2d(features, SEATS).flatten(2).transpose(1, 2)
        outputs = []
        for layer in self.decoder:
            x = layer(x, at, memory, memory_at)
            outputs.append(self._answers(self.norm(x), points))
        return {**outputs[-1], "aux_outputs": outputs[:-1]}

    def _answers(self, x: Tensor, points: Tensor) -> dict[str, Tensor]:
        boxes = self.bbox_embed(x)
        middle, extent = boxes[..., :2] + torch.logit(points), boxes[..., 2:] - 1
        return {"pred_logits": self.class_embed(x), "pred_boxes": torch.cat([middle, extent], -1).sigmoid()}


def _block(channels_in: int, channels_out: int, stride: int, shape: Shape) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, grouped(channels_out), shape.activation())


def _grid(side: int) -> Tensor:
    """Middles of *side* times *side* cells, x and y as shares of the picture; shape (side * side, 2)."""
    along = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(along, along, indexing="ij")
    return torch.stack([x, y], -1).view(-1, 2)


def places(points: Tensor, width: int) -> Tensor:
    """Sines and cosines of the coordinates of *points* (m, 2); shape (m, width)."""
    waves = torch.pi * 2.0 ** torch.linspace(0, 3, width // 4)
    angles = points[:, :, None] * waves
    return torch.cat([angles.sin(), angles.cos()], -1).flatten(1)


class Matcher:
    """Which query answers for which object: the cheapest way to give each of them another one."""

    @torch.no_grad()
    def __call__(self, outputs: dict[str, Any], targets: Sequence[Target]) -> list[Tensor]:
        """For each picture the query of each of its objects, shape (m,)."""
        odds, boxes = outputs["pred_logits"].softmax(-1), outputs["pred_boxes"]
        labels = torch.cat([target["labels"] for target in targets])
        wanted = torch.cat([target["boxes"] for target in targets])
        giou = generalized_box_iou(_corners(boxes).flatten(0, 1), _corners(wanted)).view(*boxes.shape[:2], -1)
        cost = BOX * torch.cdist(boxes, wanted, p=1) - odds[..., labels] - GIOU * giou
        sizes = [len(target["boxes"]) for target in targets]
        return [cheapest(part[i]) for i, part in enumerate(cost.split(sizes, -1))]


def cheapest(cost: Tensor) -> Tensor:
    """The row of each column, no row twice, for which the sum of *cost* is least: exact, by trying the best few rows of
    each column in every combination.  In the best of all ways each column has one of its m cheapest rows."""
    count = cost.shape[1]
    if not count:
        return torch.zeros(0, dtype=torch.long)
    few = cost.topk(min(count, len(cost)), 0, largest=False).indices.T.tolist()
    ways = [way for way in itertools.product(*few) if len(set(way)) == count]
    rows = torch.tensor(ways)
    return rows[cost[rows, torch.arange(count)].sum(1).argmin()]


def _corners(boxes: Tensor) -> Tensor:
    return box_convert(boxes, "cxcywh", "xyxy")


class SetCriterion(nn.Module):
    """Cross-entropy of the classes, L1 and GIoU of the boxes, for every layer of the decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.matcher = Matcher()
        weight = torch.ones(len(CLASSES) + 1)
        weight[-1] = NOTHING
        self.register_buffer("weight", weight)

    def forward(self, outputs: dict[str, Any], targets: Sequence[Target]) -> dict[str, Tensor]:
        terms_ = self._of_layer(outputs, targets)
        for at, earlier in enumerate(outputs["aux_outputs"]):
            terms_ |= {f"{name}_{at}": term for name, term in self._of_layer(earlier, targets).items()}
        return terms_

    def _of_layer(self, outputs: dict[str, Any], targets: Sequence[Target]) -> dict[str, Tensor]:
        matched = self.matcher(outputs, targets)
        image = torch.cat([torch.full_like(query, i) for i, query in enumerate(matched)])
        query = torch.cat(matched)
        logits, boxes = outputs["pred_logits"], outputs["pred_boxes"][image, query]
        wanted = torch.full(logits.shape[:2], len(CLASSES))
        wanted[image, query] = torch.cat([target["labels"] for target in targets])
        wanted_boxes = torch.cat([target["boxes"] for target in targets])
        count = max(len(wanted_boxes), 1)
        giou = torch.diag(generalized_box_iou(_corners(boxes), _corners(wanted_boxes)))
        return {
            "loss_ce": functional.cross_entropy(logits.transpose(1, 2), wanted, self.weight),
            "loss_bbox": BOX * functional.l1_loss(boxes, wanted_boxes, reduction="sum") / count,
            "loss_giou": GIOU * (1 - giou).sum() / count,
        }


criterion = SetCriterion()


def normalised(images: Tensor) -> Tensor:
    """What the transforms make of pictures of 0 to 1."""
    return (images - MEAN) / DEVIATION


def shares_of(target: Target) -> Target:
    """And of their targets: cx, cy, w and h as shares of the picture."""
    return {"labels": target["labels"], "boxes": box_convert(target["boxes"], "xyxy", "cxcywh") / SIDE}


def terms(network: nn.Module, x: Tensor, y: Sequence[Target]) -> dict[str, Tensor]:
    """By their names."""
    targets = [shares_of(target) for target in y]
    found: dict[str, Tensor] = criterion(network(normalised(x)), targets)
    return found


def loss(network: nn.Module, x: Tensor, y: Sequence[Target]) -> Tensor:
    """Their sum."""
    return torch.stack(list(terms(network, x, y).values())).sum()


def scores(network: nn.Module, examples: Examples) -> dict[str, float]:
    """mAP at IoU 0.5: every query answers with its surest class."""
    outputs = network(normalised(examples.x))
    scores_, labels = outputs["pred_logits"].softmax(-1)[..., :-1].max(-1)
    boxes = SIDE * _corners(outputs["pred_boxes"])
    found = [{"boxes": b, "scores": s, "labels": k} for b, s, k in zip(boxes, scores_, labels, strict=True)]
    return {"mAP50": detection.mean_average_precision(found, examples.y)}


PROGRAM = Program(
    "detr",
    "detection",
    len(CLASSES),
    Recipe(
        steps=300,
        batch=6,
        optimizer="adamw",
        lr=2e-3,
        schedule="step",
        milestones=(0.8,),
        warmup=30,
        weight_decay=1e-4,
        clip=0.1,
        evaluations=9,
    ),
    data,
    Detr,
    loss,
    scores,
    class_names=CLASSES,
    side=SIDE,
    good=0.7,
    terms=terms,
)
