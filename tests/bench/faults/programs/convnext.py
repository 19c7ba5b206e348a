"""A small ConvNeXt (7x7 depthwise, LayerNorm, GELU, layer scale) that tells flags by their layout.  AdamW, warm-up and
cosine."""

from __future__ import annotations

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import activation_of, classification_scores, cross_entropy, dropout_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn

LAYOUTS = ("pales", "bars", "cross", "saltire", "chevron", "canton", "border", "quarters")
CLASSES = len(LAYOUTS)
HIGH, WIDE = 16, 20
PATCH = 2


def data(seed: int) -> Sets:
    """Flags in the wind, in a light, a middling and a dark colour; x (n, 3, HIGH, WIDE)."""
    draw = torch.Generator().manual_seed(41_000 + seed)

    def examples(count: int) -> Examples:
        y = torch.randint(CLASSES, (count,), generator=draw)
        area = _areas(count, draw)[torch.arange(count), y]
        colours = torch.randn(count, 3, 3, generator=draw) + torch.tensor([0.8, 0.0, -0.8])
        cloth = torch.gather(colours, 2, area.view(count, 1, -1).expand(-1, 3, -1)).view(count, 3, HIGH, WIDE)
        x = cloth + 0.3 * torch.randn(cloth.shape, generator=draw)
        return Examples((x - x.mean()) / x.std(), y)

    return Sets(examples(2400), examples(150), examples(300))


def _areas(count: int, draw: torch.Generator) -> Tensor:
    """Which of its three colours each pixel has in each of the layouts; shape (count, CLASSES, HIGH, WIDE)."""
    v, u = torch.meshgrid(torch.linspace(-1, 1, HIGH), torch.linspace(-1, 1, WIDE), indexing="ij")
    swing, place, left, top = torch.rand(4, count, 1, 1, generator=draw)
    v = v + 0.12 * torch.sin(3 * u + 6.28 * place) * (0.5 + swing) + 0.2 * (top - 0.5)
    u = u + 0.2 * (left - 0.5)
    broad = 0.18 + 0.12 * torch.rand(count, 1, 1, generator=draw)
    layouts = (
        1 * (u > -0.33) + 1 * (u > 0.33),
        1 * (v > -0.33) + 1 * (v > 0.33),
        1 * ((u + 0.3).abs() < broad) | 1 * (v.abs() < broad),
        1 * (((u - v).abs() < 1.3 * broad) | ((u + v).abs() < 1.3 * broad)),
        torch.where(u + v.abs() < 0.1, 2, 1 * (v > 0)),
        1 * ((u < 0) & (v < 0.1)),
        1 * (torch.maximum(u.abs(), v.abs()) > 1 - 1.3 * broad),
        1 * ((u > 0) ^ (v > 0)),
    )
    return torch.stack(layouts, 1)


class Norm(nn.LayerNorm):
    """LayerNorm over the channels of a picture (n, channels, high, wide)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    """Each channel over 7x7, then a perceptron across them, scaled, beside a shortcut."""

    def __init__(self, width: int, shape: Shape) -> None:
        super().__init__()
        self.depthwise, self.norm = nn.Conv2d(width, width, 7, 1, 3, groups=width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)
        self.act, self.drop = activation_of(shape, nn.GELU)(), nn.Dropout(dropout_of(shape.dropout, 0.0))
        self.scale = nn.Parameter(torch.full((width,), 0.3))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.down(self.drop(self.act(self.up(y))))
        return x + y.permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    """Patches, a stage of two blocks, half the resolution, another block, mean over the picture, head."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b = width_of(16, shape.width), width_of(24, shape.width)
        self.stem = nn.Sequential(nn.Conv2d(3, a, PATCH, PATCH), Norm(a))
        self.fine = nn.Sequential(*(Block(a, shape) for _ in range(2 + shape.depth)))
        self.between = nn.Sequential(Norm(a), nn.Conv2d(a, b, 2, 2))
        self.coarse = Block(b, shape)
        self.norm, self.head = nn.LayerNorm(b), nn.Linear(b, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.coarse(self.between(self.fine(self.stem(x))))
        return self.head(self.norm(x.mean((2, 3))))  # type: ignore[no-any-return]


PROGRAM = Program(
    "convnext",
    "classification",
    CLASSES,
    Recipe(steps=340, batch=20, optimizer="adamw", lr=6e-3, schedule="cosine", warmup=30, weight_decay=0.05),
    data,
    ConvNeXt,
    cross_entropy,
    classification_scores,
    class_names=LAYOUTS,
    good=0.75,
)
