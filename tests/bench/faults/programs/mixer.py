"""An MLP-Mixer (LayerNorm, GELU) that reads the digits of a pocket calculator.  AdamW, warm-up and cosine."""

from __future__ import annotations

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import activation_of, classification_scores, cross_entropy, dropout_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn

SIDE, PATCH = 16, 4
TOKENS = (SIDE // PATCH) ** 2
SEGMENTS = ((0, 0, 1, 0), (1, 0, 1, 1), (1, 1, 1, 2), (0, 2, 1, 2), (0, 1, 0, 2), (0, 0, 0, 1), (0, 1, 1, 1))
"""The ends, x1 y1 x2 y2, of the bars a to g on a field of 1 x 2."""
LIT = ("abcdef", "bc", "abdeg", "abcdg", "bcfg", "acdfg", "acdefg", "abc", "abcdefg", "abcdfg")
CLASSES = len(LIT)


def data(seed: int) -> Sets:
    """Digits of seven bars, of any place, size, slant and stroke, on noise; x (n, 1, SIDE, SIDE)."""
    draw = torch.Generator().manual_seed(12_000 + seed)
    lit = torch.tensor([[float(bar in bars) for bar in "abcdefg"] for bars in LIT])

    def examples(count: int) -> Examples:
        y = torch.randint(CLASSES, (count,), generator=draw)
        ink = (_bars(count, draw) * lit[y][:, :, None, None]).amax(1, keepdim=True)
        x = 1.5 * ink + 0.25 * torch.randn(count, 1, SIDE, SIDE, generator=draw)
        return Examples((x - x.mean()) / x.std(), y)

    return Sets(examples(2400), examples(150), examples(300))


def _bars(count: int, draw: torch.Generator) -> Tensor:
    """How much ink each of the seven bars would leave; shape (count, 7, SIDE, SIDE), 0 to 1."""
    unit = 4.0 + 1.2 * torch.rand(count, 1, 1, generator=draw)  # pixels
    left, top = 4.5 + 1.5 * torch.rand(2, count, 1, 1, generator=draw)
    slant = 0.4 * torch.rand(count, 1, 1, generator=draw) - 0.2
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    v = (rows - top + 1.5) / unit
    u = (columns - left) / unit - slant * (v - 1)
    ends = torch.tensor(SEGMENTS, dtype=torch.float32)
    (x1, y1), (x2, y2) = (ends[:, at : at + 2].T[:, None, :, None, None] for at in (0, 2))
    u, v = u[:, None], v[:, None]
    away = torch.maximum(torch.maximum(x1 - u, u - x2), torch.maximum(y1 - v, v - y2))  # from the bar, in units
    stroke = 0.12 + 0.08 * torch.rand(count, 1, 1, 1, generator=draw)
    return torch.sigmoid(16 * (stroke - away))


class Block(nn.Module):
    """A perceptron across the patches, then one across the channels, each beside a shortcut."""

    def __init__(self, width: int, shape: Shape) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.across, self.within = _perceptron(TOKENS, 24, shape), _perceptron(width, 2 * width, shape)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.across(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.within(self.norm2(x))  # type: ignore[no-any-return]


def _perceptron(width: int, hidden: int, shape: Shape) -> nn.Sequential:
    act, drop = activation_of(shape, nn.GELU), nn.Dropout(dropout_of(shape.dropout, 0.0))
    return nn.Sequential(nn.Linear(width, hidden), act(), drop, nn.Linear(hidden, width))


class Mixer(nn.Module):
    """Patches, two blocks, mean over the patches, head."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = width_of(24, shape.width)
        self.patch = nn.Conv2d(1, width, PATCH, PATCH)
        self.blocks = nn.Sequential(*(Block(width, shape) for _ in range(2 + shape.depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.patch(x).flatten(2).transpose(1, 2))
        return self.head(self.norm(x).mean(1))  # type: ignore[no-any-return]


PROGRAM = Program(
    "mixer",
    "classification",
    CLASSES,
    Recipe(steps=340, batch=20, optimizer="adamw", lr=4e-3, schedule="cosine", warmup=30, weight_decay=0.03),
    data,
    Mixer,
    cross_entropy,
    classification_scores,
    class_names=tuple("0123456789"),
    good=0.85,
)
