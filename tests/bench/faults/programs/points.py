"""A PointNet: the same layers for every point of a cloud and the highest answer of all points, without a norm, that
tells solids apart as a scanner sees them.  Adam, LR halved in steps."""

from __future__ import annotations

import math

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import classification_scores, cross_entropy, dropout_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn

SOLIDS = ("ball", "box", "cone", "tube", "ring", "plate")
POINTS = 48  # of a cloud
NOISE = 0.02  # of the scanner, in units of a solid's size


def data(seed: int) -> Sets:
    """Clouds x (n, 3, POINTS) of zero mean and unit deviation each, of solids that stand upright and are turned about
    their axis, stretched, and seen in part; y (n,)."""
    draw = torch.Generator().manual_seed(107_000 + seed)

    def examples(count: int) -> Examples:
        y = torch.randint(len(SOLIDS), (count,), generator=draw)
        u, v, side = torch.rand(3, count, 2 * POINTS, generator=draw)
        surfaces = torch.stack([_surface(kind, u, v, side) for kind in range(len(SOLIDS))])
        x = _placed(surfaces[y, torch.arange(count)], draw)
        return Examples((x - x.mean(2, keepdim=True)) / x.std((1, 2), keepdim=True), y)

    return Sets(examples(2400), examples(300), examples(500))


def _surface(kind: int, u: Tensor, v: Tensor, side: Tensor) -> Tensor:
    """Points (..., 3) within -1 to 1 of the surface of a solid, from three numbers of 0 to 1 each."""
    angle, across = 2 * math.pi * u, 2 * v - 1
    round_ = torch.stack([angle.cos(), angle.sin()], -1)
    cap = torch.where(side > 0.65, torch.sign(side - 0.82), across)  # 1, -1, or on the mantle
    filled = torch.where(side > 0.65, v.sqrt(), torch.ones_like(v))
    if SOLIDS[kind] == "ball":
        return torch.cat([round_ * (1 - across**2).sqrt()[..., None], across[..., None]], -1)
    if SOLIDS[kind] == "box":
        square = round_ / round_.abs().amax(-1, keepdim=True)
        return torch.cat([square * filled[..., None], cap[..., None]], -1)
    if SOLIDS[kind] == "cone":
        return torch.cat([round_ * v.sqrt()[..., None], (1 - 2 * v.sqrt())[..., None]], -1)
    if SOLIDS[kind] == "tube":
        return torch.cat([round_, across[..., None]], -1)
    if SOLIDS[kind] == "ring":
        turn = 2 * math.pi * v
        return torch.cat([round_ * (0.7 + 0.3 * turn.cos())[..., None], 0.3 * turn.sin()[..., None]], -1)
    return torch.cat([(2 * torch.stack([u, v], -1) - 1), 0.05 * (2 * side - 1)[..., None]], -1)


def _placed(points: Tensor, draw: torch.Generator) -> Tensor:
    """What the scanner sees of *points* (n, 2 * POINTS, 3): the nearer half of a solid that is stretched and turned;
    shape (n, 3, POINTS)."""
    count = len(points)
    points = points * (0.75 + 0.5 * torch.rand(count, 1, 3, generator=draw))
    angle = 2 * math.pi * torch.rand(count, generator=draw)
    turned = torch.stack(
        [
            angle.cos()[:, None] * points[..., 0] - angle.sin()[:, None] * points[..., 1],
            angle.sin()[:, None] * points[..., 0] + angle.cos()[:, None] * points[..., 1],
            points[..., 2],
        ],
        1,
    )
    distance = turned[:, 0] + 0.5 * torch.randn(count, points.shape[1], generator=draw)
    nearest = distance.argsort(1)[:, :POINTS]
    seen = turned.gather(2, nearest[:, None].expand(-1, 3, -1))
    return seen + NOISE * torch.randn(seen.shape, generator=draw)


class PointNet(nn.Module):
    """Layers for each point, the maximum over the points, layers for the cloud."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b, c, d = (width_of(channels, shape.width) for channels in (32, 48, 96, 64))
        deeper = [layer for _ in range(shape.depth) for layer in (nn.Conv1d(b, b, 1), shape.activation())]
        self.each = nn.Sequential(
            *(nn.Conv1d(3, a, 1), shape.activation()),
            *(nn.Conv1d(a, b, 1), shape.activation()),
            *deeper,
            *(nn.Conv1d(b, c, 1), shape.activation()),
        )
        self.all = nn.Sequential(nn.Linear(c, d), shape.activation(), nn.Dropout(dropout_of(shape.dropout, 0.2)))
        self.head = nn.Linear(d, len(SOLIDS))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.all(self.each(x).amax(2)))  # type: ignore[no-any-return]


PROGRAM = Program(
    "points",
    "classification",
    len(SOLIDS),
    Recipe(
        steps=380, batch=24, optimizer="adam", lr=3e-3, schedule="step", milestones=(0.4, 0.6, 0.8), drop=0.5, eps=1e-7
    ),
    data,
    PointNet,
    cross_entropy,
    classification_scores,
    class_names=SOLIDS,
    good=0.8,
)
