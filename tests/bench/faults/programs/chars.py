"""A character-level transformer on text with words.  AdamW, warm-up and cosine, clipped at 1."""

from __future__ import annotations

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import dropout_of, width_of
from bench.faults.programs.transformer import Block
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional

LETTERS, LENGTH = 16, 16


def data(seed: int) -> Sets:
    """Texts of a small vocabulary of words that follow one another with odds of their own; character 0 is the blank."""
    draw = torch.Generator().manual_seed(6000 + seed)
    words = [
        [0, *torch.randint(1, LETTERS, (int(torch.randint(2, 6, (1,), generator=draw)),), generator=draw).tolist()]
        for _ in range(30)
    ]
    odds = torch.softmax(2.0 * torch.randn(30, 30, generator=draw), dim=1)
    text: list[int] = []
    word = 0
    while len(text) < 41_000:
        word = int(torch.multinomial(odds[word], 1, generator=draw))
        text += words[word]
    rows = torch.tensor(text[: len(text) // (LENGTH + 1) * (LENGTH + 1)]).view(-1, LENGTH + 1)
    rows = rows[torch.randperm(len(rows), generator=draw)]
    whole = Examples(rows[:, :-1].contiguous(), rows[:, 1:].contiguous())
    return Sets(
        Examples(whole.x[:2000], whole.y[:2000]),
        Examples(whole.x[2000:2120], whole.y[2000:2120]),
        Examples(whole.x[2120:2320], whole.y[2120:2320]),
    )


class CharTransformer(nn.Module):
    """Embedding, two causal blocks, head."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = max(4 * width_of(8, shape.width), 4)
        self.embed = nn.Embedding(LETTERS, width)
        self.place = nn.Parameter(0.02 * torch.randn(LENGTH, width))
        dropout = dropout_of(shape.dropout, 0.05)
        self.blocks = nn.ModuleList(
            Block(width, 2, dropout, shape.activation, causal=True) for _ in range(2 + shape.depth)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, LETTERS)

    def forward(self, x: Tensor) -> Tensor:
        h = (self.embed(x) if not x.is_floating_point() else x @ self.embed.weight) + self.place
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h))  # type: ignore[no-any-return]


def loss(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Of the next character."""
    return functional.cross_entropy(network(x).flatten(0, 1), y.flatten())


def scores(network: nn.Module, examples: Examples) -> dict[str, float]:
    """Accuracy of the next character, and mean cross-entropy."""
    outputs = network(examples.x).flatten(0, 1)
    y = examples.y.flatten()
    return {
        "accuracy": float((outputs.argmax(1) == y).float().mean()),
        "loss": float(functional.cross_entropy(outputs, y)),
    }


PROGRAM = Program(
    "chars",
    "language",
    LETTERS,
    Recipe(steps=300, batch=12, optimizer="adamw", lr=4e-3, schedule="cosine", warmup=40, weight_decay=0.02, clip=1.0),
    data,
    CharTransformer,
    loss,
    scores,
)
