"""A multi-layer perceptron on a table: ten classes, each of three clusters.  Adam, constant LR."""

from __future__ import annotations

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import classification_scores, cross_entropy, dropout_of, width_of
from bench.faults.recipe import Recipe
from torch import nn

FEATURES, CLASSES, CLUSTERS = 20, 10, 3


def data(seed: int) -> Sets:
    """Clusters that overlap a little."""
    draw = torch.Generator().manual_seed(1000 + seed)
    centres = 1.5 * torch.randn(CLASSES, CLUSTERS, FEATURES, generator=draw)

    def examples(count: int) -> Examples:
        y = torch.randint(CLASSES, (count,), generator=draw)
        which = torch.randint(CLUSTERS, (count,), generator=draw)
        x = centres[y, which] + 1.1 * torch.randn(count, FEATURES, generator=draw)
        return Examples(x / 1.8, y)

    return Sets(examples(4000), examples(300), examples(500))


def model(shape: Shape) -> nn.Module:
    """Two hidden layers."""
    hidden = width_of(64, shape.width)
    layers: list[nn.Module] = [nn.Linear(FEATURES, hidden), shape.activation()]
    for _ in range(1 + shape.depth):
        layers += [nn.Linear(hidden, hidden), shape.activation()]
    return nn.Sequential(*layers, nn.Dropout(dropout_of(shape.dropout, 0.1)), nn.Linear(hidden, CLASSES))


PROGRAM = Program(
    "mlp",
    "classification",
    CLASSES,
    Recipe(steps=320, batch=32, optimizer="adam", lr=2e-3),
    data,
    model,
    cross_entropy,
    classification_scores,
    class_names=tuple("abcdefghij"),
)
