"""A tiny vision transformer that counts spots.  AdamW, warm-up and cosine."""

from __future__ import annotations

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import classification_scores, cross_entropy, dropout_of, width_of
from bench.faults.programs.transformer import Block
from bench.faults.recipe import Recipe
from torch import Tensor, nn

CLASSES = 5
SIDE, PATCH = 16, 4


def data(seed: int) -> Sets:
    """One to five bright spots on a cloudy ground; the class is their number."""
    draw = torch.Generator().manual_seed(5000 + seed)

    def examples(count: int) -> Examples:
        y = torch.randint(CLASSES, (count,), generator=draw)
        x = 0.25 * torch.randn(count, 1, SIDE, SIDE, generator=draw) + 0.5 * torch.randn(count, 1, 1, 1, generator=draw)
        cells = torch.rand(count, (SIDE // PATCH) ** 2, generator=draw).argsort(1)
        for i in range(count):
            for cell in cells[i, : int(y[i]) + 1].tolist():
                top, left = PATCH * (cell // (SIDE // PATCH)) + 1, PATCH * (cell % (SIDE // PATCH)) + 1
                x[i, 0, top : top + 2, left : left + 2] += 1.0
        return Examples((x - x.mean()) / x.std(), y)

    return Sets(examples(1600), examples(150), examples(300))


class ViT(nn.Module):
    """Patches, a class token, two blocks."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = max(4 * width_of(8, shape.width), 4)
        self.patch = nn.Conv2d(1, width, PATCH, PATCH)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.place = nn.Parameter(0.02 * torch.randn(1, 1 + (SIDE // PATCH) ** 2, width))
        dropout = dropout_of(shape.dropout, 0.05)
        self.blocks = nn.ModuleList(Block(width, 2, dropout, shape.activation) for _ in range(2 + shape.depth))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1) + self.place
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[:, 0]))  # type: ignore[no-any-return]


PROGRAM = Program(
    "vit",
    "classification",
    CLASSES,
    Recipe(steps=300, batch=16, optimizer="adamw", lr=3e-3, schedule="cosine", warmup=40, weight_decay=0.05, clip=1.0),
    data,
    ViT,
    cross_entropy,
    classification_scores,
    class_names=("one", "two", "three", "four", "five"),
)
