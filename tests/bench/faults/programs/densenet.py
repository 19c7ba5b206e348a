"""A DenseNet that reads runes: each layer sees all before it, BatchNorm and ReLU before the convolution.  SGD with
momentum, one-cycle."""

from __future__ import annotations

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import classification_scores, cross_entropy, dropout_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn

RUNES = ("fehu", "uruz", "ansuz", "raido", "kenaz", "gebo", "wunjo", "isaz", "sowilo")
CLASSES = len(RUNES)
SIDE = 16
STROKES: tuple[tuple[tuple[float, float, float, float], ...], ...] = (
    ((-0.4, -0.9, -0.4, 0.9), (-0.4, -0.1, 0.5, -0.7), (-0.4, 0.4, 0.5, -0.2)),
    ((-0.5, 0.9, -0.5, -0.9), (-0.5, -0.9, 0.5, -0.2), (0.5, -0.2, 0.5, 0.9)),
    ((-0.4, -0.9, -0.4, 0.9), (-0.4, -0.9, 0.5, -0.3), (-0.4, -0.3, 0.5, 0.3)),
    ((-0.4, -0.9, -0.4, 0.9), (-0.4, -0.9, 0.4, -0.4), (0.4, -0.4, -0.4, 0.1), (-0.4, 0.1, 0.5, 0.9)),
    ((0.4, -0.8, -0.4, 0.0), (-0.4, 0.0, 0.4, 0.8)),
    ((-0.6, -0.8, 0.6, 0.8), (-0.6, 0.8, 0.6, -0.8)),
    ((-0.4, -0.9, -0.4, 0.9), (-0.4, -0.9, 0.4, -0.4), (0.4, -0.4, -0.4, 0.1)),
    ((0.0, -0.9, 0.0, 0.9),),
    ((0.4, -0.9, -0.3, -0.2), (-0.3, -0.2, 0.3, 0.2), (0.3, 0.2, -0.4, 0.9)),
)  # x and y of both ends of each stroke


def data(seed: int) -> Sets:
    """Runes cut into stone by unsteady hands; x (n, 1, SIDE, SIDE)."""
    draw = torch.Generator().manual_seed(59_000 + seed)

    def examples(count: int) -> Examples:
        y = torch.randint(CLASSES, (count,), generator=draw)
        x = torch.stack([_carved(k, draw) for k in y.tolist()])[:, None]
        stone = torch.rand(count, 1, 1, 1, generator=draw) + 0.35 * torch.randn(count, 1, SIDE, SIDE, generator=draw)
        x = (0.8 + 0.8 * torch.rand(count, 1, 1, 1, generator=draw)) * x + stone
        return Examples((x - x.mean()) / x.std(), y)

    return Sets(examples(2400), examples(150), examples(300))


def _carved(rune: int, draw: torch.Generator) -> Tensor:
    """How deep the strokes of one rune are; shape (SIDE, SIDE), 0 to 1."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, SIDE), torch.linspace(-1, 1, SIDE), indexing="ij")
    ends = torch.tensor(STROKES[rune])
    ends = ends + 0.07 * torch.randn(ends.shape, generator=draw)
    turn = 0.2 * (torch.rand((), generator=draw) - 0.5)
    size, lean = 0.65 + 0.25 * torch.rand((), generator=draw), 0.3 * (torch.rand((), generator=draw) - 0.5)
    about = torch.stack([torch.stack([size, turn + lean]), torch.stack([-turn, size])])
    shift = 0.3 * (torch.rand(2, generator=draw) - 0.5)
    begin, end = ends[:, :2] @ about.T + shift, ends[:, 2:] @ about.T + shift
    points = torch.stack([x, y], -1)[None]  # (1, SIDE, SIDE, 2)
    along = (end - begin)[:, None, None]
    share = ((points - begin[:, None, None]) * along).sum(-1) / along.square().sum(-1)
    nearest = begin[:, None, None] + share.clamp(0, 1)[..., None] * along
    away = (points - nearest).square().sum(-1).min(0).values
    return torch.exp(-away / 0.015)


class Layer(nn.Module):
    """BatchNorm, ReLU, 3x3; what comes out is joined to what came in."""

    def __init__(self, channels: int, growth: int, shape: Shape) -> None:
        super().__init__()
        self.norm, self.act = nn.BatchNorm2d(channels), shape.activation()
        self.conv = nn.Conv2d(channels, growth, 3, 1, 1, bias=False)
        self.drop = nn.Dropout(dropout_of(shape.dropout, 0.0))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.drop(self.conv(self.act(self.norm(x))))], 1)


def _block(channels: int, growth: int, layers: int, shape: Shape) -> nn.Sequential:
    return nn.Sequential(*(Layer(channels + at * growth, growth, shape) for at in range(layers)))


class DenseNet(nn.Module):
    """Stem, two dense blocks with a transition in between, mean over the picture, head."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        stem, growth = width_of(12, shape.width), width_of(6, shape.width)
        first = stem + 3 * growth
        half = max(first // 2, 1)
        last = half + (3 + shape.depth) * growth
        self.stem = nn.Conv2d(1, stem, 3, 1, 1, bias=False)
        self.block1 = _block(stem, growth, 3, shape)
        self.transition = nn.Sequential(
            nn.BatchNorm2d(first), shape.activation(), nn.Conv2d(first, half, 1, bias=False), nn.AvgPool2d(2)
        )
        self.block2 = _block(half, growth, 3 + shape.depth, shape)
        self.norm, self.act = nn.BatchNorm2d(last), shape.activation()
        self.classifier = nn.Linear(last, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block2(self.transition(self.block1(self.stem(x))))
        return self.classifier(self.act(self.norm(x)).mean((2, 3)))  # type: ignore[no-any-return]


PROGRAM = Program(
    "densenet",
    "classification",
    CLASSES,
    Recipe(steps=340, batch=20, optimizer="sgd", lr=0.1, schedule="one_cycle", weight_decay=1e-4),
    data,
    DenseNet,
    cross_entropy,
    classification_scores,
    class_names=RUNES,
    has_batchnorm=True,
    good=0.8,
)
