"""A convolutional network with BatchNorm on pictures of six shapes.  SGD with momentum, LR in steps."""

from __future__ import annotations

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import (
    classification_scores,
    convolution,
    cross_entropy,
    dropout_of,
    pictures,
    width_of,
)
from bench.faults.recipe import Recipe
from torch import nn

CLASSES = 6


def data(seed: int) -> Sets:
    """Grey pictures of 12 x 12."""
    draw = torch.Generator().manual_seed(2000 + seed)

    def examples(count: int) -> Examples:
        return Examples(*pictures(count, draw, side=12, channels=1, noise=0.25, classes=CLASSES))

    return Sets(examples(1600), examples(150), examples(300))


def model(shape: Shape) -> nn.Module:
    """Three convolutions and a head."""
    widths = [width_of(channels, shape.width) for channels in (8, 16, 24)]
    layers: list[nn.Module] = [
        convolution(1, widths[0], shape.activation, norm=True),
        convolution(widths[0], widths[1], shape.activation, stride=2, norm=True),
        convolution(widths[1], widths[2], shape.activation, stride=2, norm=True),
    ]
    layers += [convolution(widths[2], widths[2], shape.activation, norm=True) for _ in range(shape.depth)]
    head = [nn.Flatten(), nn.Dropout(dropout_of(shape.dropout, 0.0))]
    return nn.Sequential(*layers, *head, nn.Linear(9 * widths[2], CLASSES))


PROGRAM = Program(
    "cnn_bn",
    "classification",
    CLASSES,
    Recipe(steps=280, batch=16, optimizer="sgd", lr=0.03, schedule="step", weight_decay=5e-4),
    data,
    model,
    cross_entropy,
    classification_scores,
    class_names=("disc", "ring", "square", "plus", "cross", "triangle"),
    has_batchnorm=True,
)
