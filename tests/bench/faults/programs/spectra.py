"""A small Swin transformer on spectrograms that tells which birds sing in a recording, any number of them at once:
windows that are shifted in every other block, patches merged between two stages, a cross-entropy for each bird.
AdamW, warm-up and cosine, no decay of norms and biases, clipped at 1."""

from __future__ import annotations

from typing import Final

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import activation_of, dropout_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional

BIRDS: Final = ("chiffchaff", "cuckoo", "tit", "grasshopper warbler", "thrush")
PITCHES, TIMES = 32, 64  # rows and columns of a spectrogram
PATCH, WINDOW = 4, 4  # bins, and patches
REGISTERS: Final = (14.0, 3.0, 19.0, 21.0, 8.0)  # lowest pitch of each bird
SINGS: Final = 0.35  # how often each bird does


def data(seed: int) -> Sets:
    """Spectrograms x (n, 1, PITCHES, TIMES) of about zero mean and unit deviation; y (n, birds), 0 or 1."""
    draw = torch.Generator().manual_seed(109_000 + seed)

    def examples(count: int) -> Examples:
        y = (torch.rand(count, len(BIRDS), generator=draw) < SINGS).float()
        x = 0.3 * torch.randn(count, 1, PITCHES, TIMES, generator=draw).abs()
        for row, bird in y.nonzero().tolist():
            x[row, 0] += _song(bird, draw)
        x = torch.log1p(x)
        return Examples((x - x.mean()) / x.std(), y)

    return Sets(examples(1200), examples(100), examples(200))


def _song(bird: int, draw: torch.Generator) -> Tensor:
    """Where and how loud it is; shape (PITCHES, TIMES)."""
    start, high, pace, loud = torch.rand(4, generator=draw).tolist()
    begin, low, level = int(start * (TIMES - 24)), REGISTERS[bird] + 4 * high, 2.0 + loud
    pitch, time = torch.meshgrid(torch.arange(PITCHES), torch.arange(TIMES) - begin, indexing="ij")
    sounding = (time >= 0) & (time < 24)
    if BIRDS[bird] == "chiffchaff":  # two notes in turn
        line = low + 6.0 * ((time // 4) % 2)
    elif BIRDS[bird] == "cuckoo":  # a long low one after a long higher one
        line = low + torch.where(time < 11, 4.0, 0.0)
        sounding = sounding & (time != 11) & (time != 12)
    elif BIRDS[bird] == "tit":  # rises again and again
        line = low + (time % 8) * (1.0 + 0.4 * pace)
    elif BIRDS[bird] == "grasshopper warbler":  # one pitch, in beats
        line = low + 4.0 + 0.0 * time
        sounding = sounding & (time % 3 != 0)
    else:  # falls slowly
        line = low + 8.0 - time * 0.4
    return level * sounding * torch.exp(-0.7 * (pitch - line).square())


# --- the network --------------------------------------------------------------------------------------------------


class WindowAttention(nn.Module):
    """Attention within windows of WINDOW x WINDOW tokens, with a bias for each distance."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.distances = nn.Parameter(0.02 * torch.randn((2 * WINDOW - 1) ** 2, heads))
        y, x = torch.meshgrid(torch.arange(WINDOW), torch.arange(WINDOW), indexing="ij")
        y, x = y.flatten(), x.flatten()
        between = (y[:, None] - y + WINDOW - 1) * (2 * WINDOW - 1) + x[:, None] - x + WINDOW - 1
        self.register_buffer("between", between, persistent=False)
        self.between: Tensor

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """*x* (n, windows, tokens, channels); *mask* (windows, tokens, tokens) is added to the scores."""
        count, windows, tokens, channels = x.shape
        q, k, v = self.qkv(x).view(count, windows, tokens, 3, self.heads, -1).permute(3, 0, 1, 4, 2, 5)
        odds = q @ k.transpose(-2, -1) / (channels // self.heads) ** 0.5
        odds = odds + self.distances[self.between].permute(2, 0, 1)
        if mask is not None:
            odds = odds + mask[:, None]
        mixed = (odds.softmax(-1) @ v).transpose(2, 3).reshape(count, windows, tokens, channels)
        return self.proj(mixed)  # type: ignore[no-any-return]


class Block(nn.Module):
    """Pre-norm: windows, *shifted* by half of one, and a perceptron."""

    def __init__(self, channels: int, grid: tuple[int, int], shape: Shape, *, shifted: bool) -> None:
        super().__init__()
        self.grid, self.shift = grid, WINDOW // 2 if shifted else 0
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = WindowAttention(channels, heads=2 if channels % 2 == 0 else 1)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 2 * channels), activation_of(shape, nn.GELU)(), nn.Linear(2 * channels, channels)
        )
        self.drop = nn.Dropout(dropout_of(shape.dropout, 0.0))
        self.register_buffer("mask", _mask(grid, self.shift) if shifted else None, persistent=False)
        self.mask: Tensor | None

    def forward(self, x: Tensor) -> Tensor:
        """*x* (n, rows, columns, channels)."""
        y = self.norm1(x).roll((-self.shift, -self.shift), (1, 2))
        y = together(self.attention(windowed(y), self.mask), self.grid).roll((self.shift, self.shift), (1, 2))
        x = x + self.drop(y)
        return x + self.drop(self.mlp(self.norm2(x)))  # type: ignore[no-any-return]


def windowed(x: Tensor) -> Tensor:
    """(n, rows, columns, channels) as (n, windows, tokens, channels)."""
    count, rows, columns, channels = x.shape
    x = x.view(count, rows // WINDOW, WINDOW, columns // WINDOW, WINDOW, channels)
    return x.transpose(2, 3).reshape(count, -1, WINDOW * WINDOW, channels)


def together(x: Tensor, grid: tuple[int, int]) -> Tensor:
    """The way back."""
    rows, columns = grid
    x = x.view(len(x), rows // WINDOW, columns // WINDOW, WINDOW, WINDOW, -1)
    return x.transpose(2, 3).reshape(len(x), rows, columns, -1)


def _mask(grid: tuple[int, int], shift: int) -> Tensor:
    """-100 between tokens that the shift brought into one window from two sides; shape (windows, tokens, tokens)."""
    rows, columns = (torch.bucketize(torch.arange(n), torch.tensor([n - WINDOW, n - shift]), right=True) for n in grid)
    parts = windowed((3 * rows[:, None] + columns)[None, ..., None].float())[0, ..., 0]
    return torch.where(parts[:, :, None] == parts[:, None], 0.0, -100.0)


class Merging(nn.Module):
    """Four neighbours become one token of more channels."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels_in)
        self.reduction = nn.Linear(4 * channels_in, channels_out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        parts = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(parts, -1)))  # type: ignore[no-any-return]


class Swin(nn.Module):
    """A stage of two blocks, and one of a single block: its four rows are one window high."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        a, b = (2 * width_of(channels, shape.width) for channels in (8, 14))
        grid = (PITCHES // PATCH, TIMES // PATCH)
        half = (grid[0] // 2, grid[1] // 2)
        blocks = 2 + shape.depth
        self.embed = nn.Conv2d(1, a, PATCH, PATCH)
        self.places = nn.Parameter(0.02 * torch.randn(*grid, a))
        self.stage1 = nn.Sequential(*(Block(a, grid, shape, shifted=k % 2 == 1) for k in range(blocks)))
        self.merge = Merging(a, b)
        self.stage2 = Block(b, half, shape, shifted=False)
        self.norm = nn.LayerNorm(b)
        self.head = nn.Linear(b, len(BIRDS))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage1(self.embed(x).permute(0, 2, 3, 1) + self.places)
        x = self.stage2(self.merge(x))
        return self.head(self.norm(x).mean((1, 2)))  # type: ignore[no-any-return]


def loss(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Of each bird by itself."""
    return functional.binary_cross_entropy_with_logits(network(x), y)


def scores(network: nn.Module, examples: Examples) -> dict[str, float]:
    """F1 at even odds, mean over the birds, and the loss."""
    outputs = torch.cat([network(part) for part in examples.x.split(100)])
    found, true = outputs > 0, examples.y > 0
    hits = (found & true).sum(0)
    f1 = 2 * hits / (found.sum(0) + true.sum(0)).clamp(min=1)
    return {
        "f1": float(f1.mean()),
        "loss": float(functional.binary_cross_entropy_with_logits(outputs, examples.y)),
    }


PROGRAM = Program(
    "spectra",
    "classification",
    len(BIRDS),
    Recipe(
        steps=300,
        batch=12,
        optimizer="adamw",
        lr=6e-3,
        schedule="cosine",
        warmup=30,
        betas=(0.9, 0.98),
        weight_decay=0.05,
        decay_all=False,
        clip=1.0,
        evaluations=10,
    ),
    data,
    Swin,
    loss,
    scores,
    class_names=BIRDS,
    good=0.7,
)
