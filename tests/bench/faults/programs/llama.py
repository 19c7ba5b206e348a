"""A decoder in the manner of LLaMA that learns to add: rotary embeddings, RMSNorm, gated perceptrons with SiLU, no
biases.  AdamW with betas of 0.9 and 0.95, warm-up, cosine to a tenth, decay of 0.1 but of norms, clipped at 1."""

from __future__ import annotations

from typing import Final

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import activation_of, dropout_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional

TOKENS: Final = ("<pad>", "<unk>", ";", "+", "=", *"0123456789")
END, PLUS, EQUALS, ZERO = 2, 3, 4, 5  # ids
SUMS, LONG = 4, 7  # of a text, and tokens of each: "7+5=12;"
HEADS, BLOCKS = 2, 2
BASE: Final = 100.0  # of the angles (LLaMA: 10,000, for texts of some thousands)


def data(seed: int) -> Sets:
    """Sums of two digits, SUMS of them in a row; x (n, SUMS * LONG - 1) are tokens and y those that follow."""
    draw = torch.Generator().manual_seed(137_000 + seed)

    def examples(count: int) -> Examples:
        a, b = torch.randint(10, (2, count, SUMS), generator=draw)
        plus, equals, end = (torch.full_like(a, token) for token in (PLUS, EQUALS, END))
        tens, units = (a + b) // 10, (a + b) % 10
        text = torch.stack([ZERO + a, plus, ZERO + b, equals, ZERO + tens, ZERO + units, end], 2).flatten(1)
        return Examples(text[:, :-1], text[:, 1:])

    return Sets(examples(1500), examples(80), examples(160))


def rotated(x: Tensor) -> Tensor:
    """*x* (n, heads, length, size) with pairs of channels turned by an angle that grows with the place."""
    length, size = x.shape[-2:]
    pace = BASE ** (-torch.arange(0, size, 2) / size)
    angle = torch.arange(length)[:, None] * pace
    even, odd = x[..., ::2], x[..., 1::2]
    turned = torch.stack([even * angle.cos() - odd * angle.sin(), even * angle.sin() + odd * angle.cos()], -1)
    return turned.flatten(-2)


class Attention(nn.Module):
    """Of each token to those before it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        projected = (layer(x) for layer in (self.q_proj, self.k_proj, self.v_proj))
        q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in projected)
        mixed = functional.scaled_dot_product_attention(rotated(q), rotated(k), v, is_causal=True)
        return self.o_proj(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class MLP(nn.Module):
    """One linear layer opens and closes the channels of another one."""

    def __init__(self, width: int, shape: Shape) -> None:
        super().__init__()
        self.gate_proj, self.up_proj = (nn.Linear(width, 2 * width, bias=False) for _ in range(2))
        self.down_proj = nn.Linear(2 * width, width, bias=False)
        self.act = activation_of(shape, nn.SiLU)()

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(self.act(self.gate_proj(x)) * self.up_proj(x))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Attention and a perceptron, each behind a norm and beside a shortcut."""

    def __init__(self, width: int, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = nn.RMSNorm(width), nn.RMSNorm(width)
        self.self_attn, self.mlp = Attention(width), MLP(width, shape)
        self.drop = nn.Dropout(dropout_of(shape.dropout, 0.0))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop(self.self_attn(self.input_layernorm(x)))
        return x + self.drop(self.mlp(self.post_attention_layernorm(x)))  # type: ignore[no-any-return]


class LLaMA(nn.Module):
    """Tokens (n, length) to logits (n, length, tokens)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = 2 * HEADS * width_of(12, shape.width)  # pairs of channels for each head
        self.embed_tokens = nn.Embedding(len(TOKENS), width)
        self.layers = nn.Sequential(*(Block(width, shape) for _ in range(BLOCKS + shape.depth)))
        self.norm = nn.RMSNorm(width)
        self.lm_head = nn.Linear(width, len(TOKENS), bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.lm_head(self.norm(self.layers(self.embed_tokens(tokens))))  # type: ignore[no-any-return]


def loss(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Of every next token; which digits are to be added cannot be known."""
    return functional.cross_entropy(network(x).flatten(0, 1), y.flatten())


def scores(network: nn.Module, examples: Examples) -> dict[str, float]:
    """Share of the sums that come out right, digit by digit, and the loss and perplexity of all tokens."""
    outputs = network(examples.x)
    right = (outputs.argmax(-1) == examples.y)[:, LONG - 4 :].unfold(1, 2, LONG).all(-1)
    error = functional.cross_entropy(outputs.flatten(0, 1), examples.y.flatten())
    return {"exact_match": float(right.float().mean()), "loss": float(error), "perplexity": float(error.exp())}


PROGRAM = Program(
    "llama",
    "language",
    len(TOKENS),
    Recipe(
        steps=300,
        batch=16,
        optimizer="adamw",
        lr=6e-3,
        schedule="cosine",
        warmup=30,
        betas=(0.9, 0.95),
        weight_decay=0.1,
        decay_all=False,
        floor=0.1,
        clip=1.0,
    ),
    data,
    LLaMA,
    loss,
    scores,
    class_names=TOKENS,
    good=0.8,
)
