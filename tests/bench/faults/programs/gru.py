"""A recurrent network that tells which of three gestures a sensor saw, and in which order.  Adam, cosine, clipped."""

from __future__ import annotations

import itertools

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import classification_scores, cross_entropy, dropout_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn

FEATURES, LENGTH, MOTION = 4, 18, 5  # channels of the sensor, time steps of a sequence, and of a gesture
ORDERS = tuple(itertools.permutations(range(3), 2))  # the classes
CLASSES = len(ORDERS)


def data(seed: int) -> Sets:
    """Sequences (n, LENGTH, FEATURES): one gesture in the first half, another one in the second, at any time there."""
    draw = torch.Generator().manual_seed(10_000 + seed)
    motions = torch.randn(3, MOTION, FEATURES, generator=draw)
    motions = motions / motions.square().mean((1, 2), keepdim=True).sqrt()
    latest = LENGTH // 2 - MOTION

    def examples(count: int) -> Examples:
        y = torch.randint(CLASSES, (count,), generator=draw)
        x = 0.45 * torch.randn(count, LENGTH, FEATURES, generator=draw)
        begins = torch.randint(latest + 1, (count, 2), generator=draw) + torch.tensor([0, LENGTH // 2])
        strength = 0.6 + 0.8 * torch.rand(count, 2, generator=draw)
        for i, k in enumerate(y.tolist()):
            for half, gesture in enumerate(ORDERS[k]):
                begin = int(begins[i, half])
                x[i, begin : begin + MOTION] += strength[i, half] * motions[gesture]
        return Examples((x - x.mean()) / x.std(), y)

    return Sets(examples(2400), examples(150), examples(300))


class Recurrent(nn.Module):
    """A linear layer for each time step, a GRU, and a head on its last state."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, state = width_of(16, shape.width), width_of(28, shape.width)
        self.embed = nn.Sequential(nn.Linear(FEATURES, width), shape.activation())
        self.gru = nn.GRU(width, state, batch_first=True)
        hidden = [layer for _ in range(1 + shape.depth) for layer in (nn.Linear(state, state), shape.activation())]
        self.head = nn.Sequential(*hidden, nn.Dropout(dropout_of(shape.dropout, 0.1)), nn.Linear(state, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        _, last = self.gru(self.embed(x))
        return self.head(last[-1])  # type: ignore[no-any-return]


PROGRAM = Program(
    "gru",
    "classification",
    CLASSES,
    Recipe(steps=320, batch=24, optimizer="adam", lr=6e-3, schedule="cosine", clip=1.0),
    data,
    Recurrent,
    cross_entropy,
    classification_scores,
    class_names=tuple(f"{'abc'[first]} then {'abc'[second]}" for first, second in ORDERS),
    good=0.8,
)
