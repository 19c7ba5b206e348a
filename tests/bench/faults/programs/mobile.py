"""Depthwise-separable convolutions with BatchNorm and SiLU on coloured textures.  SGD with momentum, cosine."""

from __future__ import annotations

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import activation_of, classification_scores, cross_entropy, dropout_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional

TEXTURES = ("stripes", "checks", "dots", "lattice", "rings", "waves", "clouds")
CLASSES = len(TEXTURES)
SIDE = 16


def data(seed: int) -> Sets:
    """Textures of any direction, scale, place and pair of colours, with noise; x (n, 3, SIDE, SIDE)."""
    draw = torch.Generator().manual_seed(11_000 + seed)

    def examples(count: int) -> Examples:
        y = torch.randint(CLASSES, (count,), generator=draw)
        patterns = _patterns(count, draw)[torch.arange(count), y]
        patterns = patterns - patterns.mean((1, 2), keepdim=True)
        patterns = patterns / patterns.std((1, 2), keepdim=True)
        ground = 0.5 * torch.randn(count, 3, 1, 1, generator=draw)
        paint = 0.3 + torch.rand(count, 3, 1, 1, generator=draw)
        x = ground + paint * patterns[:, None] + 0.3 * torch.randn(count, 3, SIDE, SIDE, generator=draw)
        return Examples((x - x.mean()) / x.std(), y)

    return Sets(examples(2400), examples(150), examples(300))


def _patterns(count: int, draw: torch.Generator) -> Tensor:
    """Every texture at the same direction, scale and place; shape (count, CLASSES, SIDE, SIDE)."""
    angle, place_u, place_v = 6.28 * torch.rand(3, count, 1, 1, generator=draw)
    pace = 1.2 + 0.3 * torch.rand(count, 1, 1, generator=draw)  # radians a pixel
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    u = pace * (angle.cos() * columns + angle.sin() * rows) + place_u
    v = pace * (angle.cos() * rows - angle.sin() * columns) + place_v
    centre = SIDE * torch.rand(2, count, 1, 1, generator=draw)
    radius = ((rows - centre[0]).square() + (columns - centre[1]).square()).sqrt()
    coarse = torch.randn(count, 1, 5, 5, generator=draw)
    return torch.stack(
        [
            torch.sin(u),
            torch.sign(torch.sin(u) * torch.sin(v)),
            (torch.cos(u) + torch.cos(v) > 0.8).float(),
            (torch.maximum(torch.cos(u), torch.cos(v)) > 0.7).float(),
            torch.sin(pace * radius + place_u),
            torch.sin(u + 1.5 * torch.sin(v)),
            functional.interpolate(coarse, (SIDE, SIDE), mode="bicubic")[:, 0],
        ],
        dim=1,
    )


def _separable(channels_in: int, channels_out: int, stride: int, shape: Shape) -> nn.Sequential:
    """A 3x3 convolution of each channel by itself, then a 1x1 across them."""
    act = activation_of(shape, nn.SiLU)
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_in, 3, stride, 1, groups=channels_in, bias=False),
        nn.BatchNorm2d(channels_in),
        act(),
        nn.Conv2d(channels_in, channels_out, 1, bias=False),
        nn.BatchNorm2d(channels_out),
        act(),
    )


def model(shape: Shape) -> nn.Module:
    """Stem, three separable convolutions, mean over the picture, head."""
    a, b, c = (width_of(channels, shape.width) for channels in (12, 24, 32))
    stem = (nn.Conv2d(3, a, 3, 1, 1, bias=False), nn.BatchNorm2d(a), activation_of(shape, nn.SiLU)())
    body = [_separable(a, b, 2, shape), _separable(b, c, 2, shape)]
    body += [_separable(c, c, 1, shape) for _ in range(1 + shape.depth)]
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout_of(shape.dropout, 0.05)), nn.Linear(c, CLASSES))
    return nn.Sequential(*stem, *body, *head)


PROGRAM = Program(
    "mobile",
    "classification",
    CLASSES,
    Recipe(steps=320, batch=24, optimizer="sgd", lr=0.06, schedule="cosine", weight_decay=1e-4),
    data,
    model,
    cross_entropy,
    classification_scores,
    class_names=TEXTURES,
    has_batchnorm=True,
    good=0.8,
)
