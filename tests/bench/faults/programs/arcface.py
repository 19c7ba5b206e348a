"""Signatures told apart by their embeddings, as ArcFace does it: a small residual net with PReLU and without a norm,
embeddings of unit length, the angle to the own writer made larger by a margin in training.  SGD with momentum, LR in
steps."""

from __future__ import annotations

import math
from typing import Final

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import activation_of, classification_scores, dropout_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional

WRITERS: Final = 8
SIDE, STROKES, DOTS = 24, 4, 60  # pixels of a side, points that a signature passes, dots along it
EMBEDDING: Final = 16
SCALE, MARGIN = 12.0, 0.25  # of the cosines, and what is added to the angle (ArcFace: 64 and 0.5, for 85,000 people)


def data(seed: int) -> Sets:
    """Signatures x (n, 1, SIDE, SIDE) of about zero mean and unit deviation, y (n,) whose they are."""
    draw = torch.Generator().manual_seed(131_000 + seed)
    habits = 1.6 * torch.rand(WRITERS, STROKES, 2, generator=draw) - 0.8

    def examples(count: int) -> Examples:
        y = torch.randint(WRITERS, (count,), generator=draw)
        x = _written(_moved(habits[y], draw)) + 0.25 * torch.randn(count, 1, SIDE, SIDE, generator=draw)
        return Examples((x - x.mean()) / x.std(), y)

    return Sets(examples(1600), examples(200), examples(400))


def _moved(points: Tensor, draw: torch.Generator) -> Tensor:
    """No signature is quite like another one: *points* (n, STROKES, 2) turned, stretched, put elsewhere, unsteady."""
    count = len(points)
    angle = 0.25 * torch.randn(count, generator=draw)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2)
    size = 0.8 + 0.3 * torch.rand(count, 1, 2, generator=draw)
    place = 0.12 * torch.randn(count, 1, 2, generator=draw)
    return size * (points @ turn) + place + 0.07 * torch.randn(points.shape, generator=draw)


def _written(points: Tensor) -> Tensor:
    """Ink along the lines between *points* (n, STROKES, 2) of about -1 to 1; shape (n, 1, SIDE, SIDE), 0 to 1."""
    dots = functional.interpolate(points.transpose(1, 2), DOTS, mode="linear", align_corners=True)
    pixels = torch.linspace(-1, 1, SIDE)
    width = 1.5 / SIDE
    across, down = (torch.exp(-0.5 * ((pixels - dots[:, k, :, None]) / width).square()) for k in (0, 1))
    return (down.transpose(1, 2) @ across).clamp(max=1)[:, None]


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels: int, shape: Shape) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, 1, 1) for _ in range(2))
        self.act1, self.act2 = (activation_of(shape, nn.PReLU)() for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.act2(self.conv2(self.act1(self.conv1(x))))  # type: ignore[no-any-return]


class ArcFace(nn.Module):
    """SCALE times the cosines between embeddings and writers; the own one's with the margin where it is told."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, c = (width_of(channels, shape.width) for channels in (10, 20, 28))
        act = activation_of(shape, nn.PReLU)
        deeper = [layer for _ in range(shape.depth) for layer in (nn.Linear(c, c), shape.activation())]
        self.body = nn.Sequential(
            *(nn.Conv2d(1, a, 3, 2, 1), act(), Residual(a, shape)),
            *(nn.Conv2d(a, b, 3, 2, 1), act(), Residual(b, shape)),
        )
        self.embed = nn.Sequential(
            *(nn.Flatten(), nn.Dropout(dropout_of(shape.dropout, 0.1)), nn.Linear(b * (SIDE // 4) ** 2, c), act()),
            *deeper,
            nn.Linear(c, EMBEDDING),
        )
        self.writers = nn.Linear(EMBEDDING, WRITERS, bias=False)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        towards = functional.normalize(self.embed(self.body(x)))
        cosine = functional.linear(towards, functional.normalize(self.writers.weight))
        return SCALE * (cosine if y is None else with_margin(cosine, y))


def with_margin(cosine: Tensor, y: Tensor) -> Tensor:
    """*cosine* (n, writers), that of the own writer *y* (n,) at an angle larger by MARGIN."""
    own = cosine.gather(1, y[:, None])
    sine = (1 - own.square()).clamp(min=1e-6).sqrt()
    farther = own * math.cos(MARGIN) - sine * math.sin(MARGIN)
    farther = torch.where(own > math.cos(math.pi - MARGIN), farther, own - MARGIN * math.sin(MARGIN))
    return cosine.scatter(1, y[:, None], farther)


def loss(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy behind the margin."""
    return functional.cross_entropy(network(x, y), y)


PROGRAM = Program(
    "arcface",
    "classification",
    WRITERS,
    Recipe(
        steps=320, batch=20, optimizer="sgd", lr=0.03, schedule="step", weight_decay=5e-4, milestones=(0.5, 0.75, 0.9)
    ),
    data,
    ArcFace,
    loss,
    classification_scores,
    class_names=tuple(f"writer {k}" for k in range(WRITERS)),
    good=0.8,
)
