"""Dilated convolutions over time, without a norm, that tell what ails a machine.  SGD with momentum, cosine."""

from __future__ import annotations

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import classification_scores, cross_entropy, dropout_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn

STATES = ("idle", "hum", "sweep", "knocks", "beat", "switching", "drift")
CLASSES = len(STATES)
CHANNELS, LENGTH = 6, 48
DILATIONS = (1, 2, 4, 8)


def data(seed: int) -> Sets:
    """Six sensors on one machine, each of its own gain and delay, in noise; x (n, CHANNELS, LENGTH)."""
    draw = torch.Generator().manual_seed(47_000 + seed)
    gains = 0.5 + torch.rand(CHANNELS, 1, generator=draw)
    delays = 4 * torch.rand(CHANNELS, 1, generator=draw)

    def examples(count: int) -> Examples:
        y = torch.randint(CLASSES, (count,), generator=draw)
        motion = _motions(torch.arange(LENGTH) - delays, count, draw)[y, torch.arange(count)]
        strength = 0.7 + 0.6 * torch.rand(count, 1, 1, generator=draw)
        x = strength * gains * motion + 0.65 * torch.randn(count, CHANNELS, LENGTH, generator=draw)
        return Examples((x - x.mean()) / x.std(), y)

    return Sets(examples(2400), examples(150), examples(300))


def _motions(time: Tensor, count: int, draw: torch.Generator) -> Tensor:
    """How the machine moves in each state; *time* (CHANNELS, LENGTH); shape (CLASSES, count, CHANNELS, LENGTH)."""
    place, pace, slope = torch.rand(3, count, 1, 1, generator=draw)
    phase = 6.28 * place
    turn = 0.6 + 0.4 * pace  # radians a time step
    period = 9 + 6 * pace
    since = (time + period * place) % period  # the last knock
    return torch.stack(
        [
            torch.zeros(count, *time.shape),
            1.2 * torch.sin(turn * time + phase),
            1.2 * torch.sin((0.1 + 0.017 * time) * time + phase),
            2.5 * torch.exp(-since / 1.5),
            1.6 * torch.sin(turn * time + phase) * torch.sin(0.13 * time + 3 * slope),
            torch.sign(torch.sin(0.35 * turn * time + phase)),
            (2 * (slope > 0.5) - 1) * (1 + slope) * (time / LENGTH - 0.5) * 1.5,
        ]
    )


def model(shape: Shape) -> nn.Module:
    """Four convolutions that look ever further, mean over time, head."""
    width = width_of(24, shape.width)
    layers: list[nn.Module] = []
    for at in range(len(DILATIONS) + shape.depth):
        reach = DILATIONS[at % len(DILATIONS)]
        layers += [nn.Conv1d(width if at else CHANNELS, width, 3, 1, reach, reach), shape.activation()]
    pool = (nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Dropout(dropout_of(shape.dropout, 0.0)))
    return nn.Sequential(*layers, *pool, nn.Linear(width, CLASSES))


PROGRAM = Program(
    "tcn",
    "classification",
    CLASSES,
    Recipe(steps=360, batch=24, optimizer="sgd", lr=0.08, schedule="cosine", weight_decay=1e-4),
    data,
    model,
    cross_entropy,
    classification_scores,
    class_names=STATES,
    good=0.8,
)
