"""torch's transformer layers, an encoder and a decoder, that translate short sentences.  AdamW, warm-up and linear
decay, clipped at 1, two micro-batches a step."""

from __future__ import annotations

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import activation_of, dropout_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional

PAD, UNKNOWN, BEGIN, END = 0, 1, 2, 3  # in both languages
WORDS = 16  # of the source; the first quarter of them are adjectives
FIRST_WORD = 4
SOURCE = FIRST_WORD + WORDS
TARGET = FIRST_WORD + WORDS + WORDS // 4  # a plural has an ending of its own
LONGEST = 8  # words of a source sentence
ANSWER = LONGEST + LONGEST // 2  # tokens of a target sentence, END among them
IGNORED = -100  # the answer at a place behind the end


def data(seed: int) -> Sets:
    """Sentences and their translations: x (n, LONGEST + ANSWER) the tokens of the source and, behind them, what the
    decoder has seen; y (n, ANSWER) the tokens that it is to say."""
    draw = torch.Generator().manual_seed(83_000 + seed)
    lexicon = (FIRST_WORD + torch.randperm(WORDS, generator=draw)).tolist()

    def examples(count: int) -> Examples:
        x = torch.full((count, LONGEST + ANSWER), PAD)
        y = torch.full((count, ANSWER), IGNORED)
        for i in range(count):
            source = _sentence(draw)
            said = [*_translated(source, lexicon), END]
            x[i, : len(source)] = torch.tensor(source)
            x[i, LONGEST : LONGEST + len(said)] = torch.tensor([BEGIN, *said[:-1]])
            y[i, : len(said)] = torch.tensor(said)
        return Examples(x, y)

    return Sets(examples(2400), examples(100), examples(200))


def _sentence(draw: torch.Generator) -> list[int]:
    length = int(torch.randint(4, LONGEST + 1, (1,), generator=draw))
    return (FIRST_WORD + torch.randint(WORDS, (length,), generator=draw)).tolist()  # type: ignore[no-any-return]


def _translated(source: list[int], lexicon: list[int]) -> list[int]:
    """Word by word; an adjective comes behind the word that it stood before, and some words have an ending."""
    order = list(source)
    place = 0
    while place + 1 < len(order):
        if order[place] < FIRST_WORD + WORDS // 4 <= order[place + 1]:
            order[place : place + 2] = order[place + 1], order[place]
            place += 1
        place += 1
    said: list[int] = []
    for word in order:
        said.append(lexicon[word - FIRST_WORD])
        ending = word - SOURCE + WORDS // 4
        if ending >= 0 and len(said) + len(order) < ANSWER:
            said.append(FIRST_WORD + WORDS + ending)
    return said[: ANSWER - 1]


class Translator(nn.Module):
    """Embeddings, one layer that encodes, one that decodes, head; x as in ``data`` to (n, ANSWER, TARGET)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = max(4 * width_of(10, shape.width), 4)
        act, dropout = activation_of(shape, nn.GELU)(), dropout_of(shape.dropout, 0.05)
        self.embed_source, self.embed_target = nn.Embedding(SOURCE, width, PAD), nn.Embedding(TARGET, width, PAD)
        self.place_source = nn.Parameter(0.2 * torch.randn(LONGEST, width))
        self.place_target = nn.Parameter(0.2 * torch.randn(ANSWER, width))
        self.encoder = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 2, 2 * width, dropout, act, batch_first=True, norm_first=True)
            for _ in range(1 + shape.depth)
        )
        self.decoder = nn.TransformerDecoderLayer(width, 2, 2 * width, dropout, act, batch_first=True, norm_first=True)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, TARGET)

    def forward(self, x: Tensor) -> Tensor:
        source, seen = x[:, :LONGEST], x[:, LONGEST:]
        empty = source == PAD
        memory = self.embed_source(source) + self.place_source
        for layer in self.encoder:
            memory = layer(memory, src_key_padding_mask=empty)
        later = torch.ones(ANSWER, ANSWER, dtype=torch.bool).triu(1)
        said = self.decoder(
            self.embed_target(seen) + self.place_target, memory, tgt_mask=later, memory_key_padding_mask=empty
        )
        return self.head(self.norm(said))  # type: ignore[no-any-return]


def loss(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Of the next token, over those that are there."""
    return functional.cross_entropy(network(x).flatten(0, 1), y.flatten(), ignore_index=IGNORED)


def scores(network: nn.Module, examples: Examples) -> dict[str, float]:
    """Accuracy of the next token, and mean cross-entropy."""
    outputs, y = network(examples.x).flatten(0, 1), examples.y.flatten()
    there = y != IGNORED
    return {
        "accuracy": float((outputs.argmax(1) == y)[there].float().mean()),
        "loss": float(functional.cross_entropy(outputs, y, ignore_index=IGNORED)),
    }


PROGRAM = Program(
    "seq2seq",
    "language",
    TARGET,
    Recipe(
        steps=320,
        batch=16,
        optimizer="adamw",
        lr=5e-3,
        schedule="linear",
        warmup=30,
        betas=(0.9, 0.98),
        weight_decay=0.01,
        decay_all=False,
        clip=1.0,
        accumulate=2,
    ),
    data,
    Translator,
    loss,
    scores,
    good=0.75,
)
