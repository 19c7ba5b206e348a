"""Convolutions and a bidirectional LSTM that tag the names in a sentence, token by token.  Adam, LR that rises and
falls along straight lines."""

from __future__ import annotations

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import dropout_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional

TAGS = ("O", "B-person", "I-person", "B-place", "I-place", "B-date", "I-date")
PAD, UNKNOWN = 0, 1  # of the tokens
IGNORED = -100  # the tag of a place behind the end of a sentence
PLAIN, NAMES, NUMBERS, CUES = 60, 30, 12, 2  # words of each kind; as many cues for each kind of name
FIRST_NAME = 2 + PLAIN
FIRST_CUE = FIRST_NAME + NAMES + NUMBERS
TOKENS = FIRST_CUE + 3 * CUES
SHARED = NAMES // 3  # names of persons and places alike, behind as many of either
LONGEST = 22


def data(seed: int) -> Sets:
    """Sentences of 8 to LONGEST tokens.  Some words name persons as well as places, and numbers may be dates or not:
    only a cue before or behind them tells.  x (n, LONGEST) tokens, y (n, LONGEST) tags."""
    draw = torch.Generator().manual_seed(61_000 + seed)

    def examples(count: int) -> Examples:
        x = torch.full((count, LONGEST), PAD)
        y = torch.full((count, LONGEST), IGNORED)
        for i in range(count):
            tokens, tags = _sentence(draw)
            x[i, : len(tokens)], y[i, : len(tags)] = torch.tensor(tokens), torch.tensor(tags)
        return Examples(x, y)

    return Sets(examples(1600), examples(100), examples(200))


def _sentence(draw: torch.Generator) -> tuple[list[int], list[int]]:
    length = _one_of(8, LONGEST + 1, draw)
    tokens: list[int] = []
    tags: list[int] = []
    while len(tokens) < length:
        chance = float(torch.rand((), generator=draw))
        piece = _name(draw) if chance < 0.26 else _bare(draw) if chance < 0.32 else ([_plain(draw)], [0])
        tokens += piece[0]
        tags += piece[1]
    return tokens[:LONGEST], tags[:LONGEST]


def _name(draw: torch.Generator) -> tuple[list[int], list[int]]:
    """A person, place or date of one to three words, with a cue before it or behind it."""
    kind = _one_of(0, 3, draw)
    low, high = ((0, 2 * SHARED), (SHARED, NAMES), (NAMES, NAMES + NUMBERS))[kind]
    words = [FIRST_NAME + _one_of(low, high, draw) for _ in range(_one_of(1, 4, draw))]
    tags = [1 + 2 * kind] + [2 + 2 * kind] * (len(words) - 1)
    cue = FIRST_CUE + CUES * kind + _one_of(0, CUES, draw)
    if cue % 2:
        return [cue, *words], [0, *tags]
    return [*words, cue], [*tags, 0]


def _bare(draw: torch.Generator) -> tuple[list[int], list[int]]:
    """A word that could be part of a name and is not, among plain ones."""
    return [_plain(draw), _one_of(FIRST_NAME, FIRST_CUE, draw), _plain(draw)], [0, 0, 0]


def _plain(draw: torch.Generator) -> int:
    """Mostly frequent words; now and then one that the vocabulary lacks."""
    if float(torch.rand((), generator=draw)) < 0.02:
        return UNKNOWN
    return 2 + int(PLAIN * float(torch.rand((), generator=draw)) ** 2)


def _one_of(low: int, high: int, draw: torch.Generator) -> int:
    return int(torch.randint(low, high, (1,), generator=draw))


class Tagger(nn.Module):
    """Embedding, two convolutions over neighbours, an LSTM in both directions, a hidden layer, head; tokens (n, length)
    to (n, length, tags)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, state = width_of(24, shape.width), width_of(20, shape.width)
        self.embed = nn.Embedding(TOKENS, width, padding_idx=PAD)
        layers = [nn.Conv1d(width, width, 3, 1, 1) for _ in range(2 + shape.depth)]
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        self.convolutions = nn.Sequential(*(part for layer in layers for part in (layer, shape.activation())))
        self.lstm = nn.LSTM(width, state, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(dropout_of(shape.dropout, 0.1))
        self.hidden, self.act = nn.Linear(2 * state, width), shape.activation()
        self.tags = nn.Linear(width, len(TAGS))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.convolutions(self.embed(tokens).transpose(1, 2)).transpose(1, 2)
        states, _ = self.lstm(self.drop(x))
        return self.tags(self.act(self.hidden(self.drop(states))))  # type: ignore[no-any-return]


def trimmed(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """A batch as long as its longest sentence."""
    longest = max(int((x != PAD).sum(1).max()), 1)
    return x[:, :longest], y[:, :longest]


def logits(network: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Answers and tags of all tokens of a batch, one row each."""
    x, y = trimmed(x, y)
    return network(x).flatten(0, 1), y.flatten()


def loss(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Mean over the tokens."""
    return functional.cross_entropy(*logits(network, x, y), ignore_index=IGNORED)


def scores(network: nn.Module, examples: Examples) -> dict[str, float]:
    """F1 of the tokens of names, accuracy of all tokens, and the loss."""
    outputs, y = logits(network, examples.x, examples.y)
    there = y != IGNORED
    found, tags = outputs.argmax(1)[there], y[there]
    hits = int(((found == tags) & (tags > 0)).sum())
    return {
        "f1": 2 * hits / max(int((found > 0).sum()) + int((tags > 0).sum()), 1),
        "accuracy": float((found == tags).float().mean()),
        "loss": float(functional.cross_entropy(outputs, y, ignore_index=IGNORED)),
    }


PROGRAM = Program(
    "tagger",
    "language",
    len(TAGS),
    Recipe(steps=400, batch=20, optimizer="adam", lr=1e-2, schedule="linear", warmup=40),
    data,
    Tagger,
    loss,
    scores,
    class_names=TAGS,
    good=0.7,
)
