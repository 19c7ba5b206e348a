"""A small U-Net that labels the pixels of shapes.  Adam, LR lowered on plateaus."""

from __future__ import annotations

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import convolution, dropout_of, stamps, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 4  # the ground, disc, square, cross
SIDE = 16


def data(seed: int) -> Sets:
    """One to three shapes on a noisy ground; targets (n, SIDE, SIDE)."""
    draw = torch.Generator().manual_seed(8000 + seed)
    kinds = (0, 2, 4)

    def examples(count: int) -> Examples:
        x = 0.3 * torch.randn(count, 1, SIDE, SIDE, generator=draw)
        y = torch.zeros(count, SIDE, SIDE, dtype=torch.long)
        for i in range(count):
            for _ in range(int(torch.randint(1, 3, (1,), generator=draw))):
                side = int(torch.randint(6, 9, (1,), generator=draw))
                top, left = torch.randint(SIDE - side + 1, (2,), generator=draw).tolist()
                kind = int(torch.randint(3, (1,), generator=draw))
                mask = stamps(side)[kinds[kind]] > 0
                y[i, top : top + side, left : left + side][mask] = kind + 1
                x[i, 0, top : top + side, left : left + side][mask] += 1.8
        return Examples((x - x.mean()) / x.std(), y)

    return Sets(examples(500), examples(40), examples(80))


class UNet(nn.Module):
    """Two levels down and up."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b = width_of(8, shape.width), width_of(12, shape.width)
        act = shape.activation
        self.down1, self.down2 = convolution(1, a, act, norm=True), convolution(a, b, act, stride=2, norm=True)
        self.body = nn.Sequential(*(convolution(b, b, act, norm=True) for _ in range(1 + shape.depth)))
        self.drop = nn.Dropout2d(dropout_of(shape.dropout, 0.0))
        self.up, self.head = convolution(a + b, a, act, norm=True), nn.Conv2d(a, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.down1(x)
        coarse = self.drop(self.body(self.down2(fine)))
        return self.head(self.up(torch.cat([fine, functional.interpolate(coarse, scale_factor=2.0)], 1)))  # type: ignore[no-any-return]


def loss(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Mean over the pixels."""
    return functional.cross_entropy(network(x), y)


def scores(network: nn.Module, examples: Examples) -> dict[str, float]:
    """Mean intersection over union of the three shapes, and the loss."""
    outputs = network(examples.x)
    found = outputs.argmax(1)
    overlaps = [
        float(((found == k) & (examples.y == k)).sum() / ((found == k) | (examples.y == k)).sum().clamp(min=1))
        for k in range(1, CLASSES)
    ]
    return {"mIoU": sum(overlaps) / len(overlaps), "loss": float(functional.cross_entropy(outputs, examples.y))}


PROGRAM = Program(
    "segmentation",
    "segmentation",
    CLASSES,
    Recipe(steps=280, batch=8, optimizer="adam", lr=8e-3, schedule="plateau", evaluations=14),
    data,
    UNet,
    loss,
    scores,
    class_names=("ground", "disc", "square", "cross"),
    has_batchnorm=True,
)
