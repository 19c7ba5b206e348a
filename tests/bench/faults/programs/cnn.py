"""A convolutional network without normalisation, max-pooled, on colour pictures.  SGD with momentum, cosine."""

from __future__ import annotations

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import classification_scores, cross_entropy, dropout_of, width_of
from bench.faults.recipe import Recipe
from torch import nn

CLASSES = 8
SIDE = 12


def data(seed: int) -> Sets:
    """Gratings: eight directions, any phase and colour, on noise."""
    draw = torch.Generator().manual_seed(3000 + seed)
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")

    def examples(count: int) -> Examples:
        y = torch.randint(CLASSES, (count,), generator=draw)
        angle = (y + 0.5 * torch.rand(count, generator=draw) - 0.25) * torch.pi / CLASSES
        pace = 0.7 + 0.7 * torch.rand(count, generator=draw)
        phase = 6.28 * torch.rand(count, generator=draw)
        along = angle.cos()[:, None, None] * columns + angle.sin()[:, None, None] * rows
        wave = torch.sin(pace[:, None, None] * along + phase[:, None, None])
        colour = torch.rand(count, 3, 1, 1, generator=draw)
        x = colour * wave[:, None] + 0.6 * torch.randn(count, 3, SIDE, SIDE, generator=draw)
        return Examples((x - x.mean()) / x.std(), y)

    return Sets(examples(1600), examples(150), examples(300))


def model(shape: Shape) -> nn.Module:
    """Convolution and pooling, twice; two linear layers."""
    a, b, c = (width_of(channels, shape.width) for channels in (8, 12, 48))
    layers: list[nn.Module] = [nn.Conv2d(3, a, 3, padding=1), shape.activation(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(a, b, 3, padding=1), shape.activation()]
    for _ in range(shape.depth):
        layers += [nn.Conv2d(b, b, 3, padding=1), shape.activation()]
    layers += [nn.MaxPool2d(2), nn.Flatten(), nn.Linear(b * (SIDE // 4) ** 2, c), shape.activation()]
    return nn.Sequential(*layers, nn.Dropout(dropout_of(shape.dropout, 0.2)), nn.Linear(c, CLASSES))


PROGRAM = Program(
    "cnn",
    "classification",
    CLASSES,
    Recipe(steps=300, batch=16, optimizer="sgd", lr=0.03, schedule="cosine", weight_decay=1e-4),
    data,
    model,
    cross_entropy,
    classification_scores,
    class_names=tuple(f"{round(180 * k / CLASSES)} degrees" for k in range(CLASSES)),
)
