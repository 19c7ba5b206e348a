"""A multi-layer perceptron that fits a surface.  Adam, LR lowered on plateaus."""

from __future__ import annotations

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import dropout_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional

FEATURES = 6


def data(seed: int) -> Sets:
    """Sums of a few ridges with a little noise; targets of about unit variance."""
    draw = torch.Generator().manual_seed(7000 + seed)
    directions = torch.randn(5, FEATURES, generator=draw) / FEATURES**0.5
    phases, heights = 6.28 * torch.rand(5, generator=draw), 0.5 + torch.rand(5, generator=draw)

    def examples(count: int) -> Examples:
        x = torch.randn(count, FEATURES, generator=draw)
        y = (heights * torch.sin(1.6 * x @ directions.T + phases)).sum(1, keepdim=True)
        return Examples(x, y / 1.7 + 0.15 * torch.randn(count, 1, generator=draw))

    return Sets(examples(4000), examples(300), examples(500))


def model(shape: Shape) -> nn.Module:
    """Three hidden layers."""
    hidden = width_of(48, shape.width)
    layers: list[nn.Module] = [nn.Linear(FEATURES, hidden), shape.activation()]
    for _ in range(2 + shape.depth):
        layers += [nn.Linear(hidden, hidden), shape.activation()]
    return nn.Sequential(*layers, nn.Dropout(dropout_of(shape.dropout, 0.0)), nn.Linear(hidden, 1))


def loss(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Squared error."""
    return functional.mse_loss(network(x), y)


def scores(network: nn.Module, examples: Examples) -> dict[str, float]:
    """Share of variance explained, and the squared error."""
    error = float(functional.mse_loss(network(examples.x), examples.y))
    return {"r2": 1 - error / float(examples.y.var()), "loss": error}


PROGRAM = Program(
    "regressor",
    "regression",
    0,
    Recipe(steps=340, batch=32, optimizer="adam", lr=2e-3, schedule="plateau", evaluations=16),
    data,
    model,
    loss,
    scores,
)
