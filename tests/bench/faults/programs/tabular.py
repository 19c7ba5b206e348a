"""A net for tables: embeddings of categories beside columns of numbers, three hidden layers.  RMSprop, LR lowered on
plateaus of the evaluation's loss."""

from __future__ import annotations

import torch
from bench.faults.plan import Examples, Program, Sets, Shape
from bench.faults.programs.common import classification_scores, cross_entropy, dropout_of, width_of
from bench.faults.recipe import Recipe
from torch import Tensor, nn
from torch.nn import functional

GRADES = ("prime", "good", "fair", "refused")
CLASSES = len(GRADES)
CATEGORIES = (4, 6, 9, 14)  # values of each column: contract, region, trade, branch
NUMBERS = 7  # columns
EMBEDDED = 5  # numbers that stand for a category


def data(seed: int) -> Sets:
    """Applications and their grades, which hang on sums and on products of columns; x (n, sum(CATEGORIES) + NUMBERS):
    indicators of the categories, then numbers of about zero mean and unit deviation, some of them skewed."""
    draw = torch.Generator().manual_seed(89_000 + seed)
    effects = [torch.randn(count, 3, generator=draw) for count in CATEGORIES]
    slopes = torch.randn(NUMBERS, 3, generator=draw) / NUMBERS**0.5

    def examples(count: int) -> Examples:
        codes = [(many * torch.rand(count, generator=draw) ** 1.5).long() for many in CATEGORIES]
        numbers = torch.randn(count, NUMBERS, generator=draw)
        traits = numbers @ slopes + 0.5 * sum(effect[code] for effect, code in zip(effects, codes, strict=True))
        risk = traits[:, 0] + 0.7 * torch.tanh(traits[:, 1] * traits[:, 2])
        risk = risk + 0.05 * torch.randn(count, generator=draw)
        skewed = (torch.exp(0.6 * numbers[:, :3]) - 1.2) / 0.8
        flags = [functional.one_hot(code, many).float() for code, many in zip(codes, CATEGORIES, strict=True)]
        return Examples(torch.cat([*flags, skewed, numbers[:, 3:]], 1), torch.bucketize(risk, bounds(risk)))

    def bounds(risk: Tensor) -> Tensor:
        """Between the grades, each about as frequent as any other."""
        return risk.quantile(torch.arange(1, CLASSES) / CLASSES)

    return Sets(examples(5000), examples(300), examples(500))


class TableNet(nn.Module):
    """A linear layer without bias embeds each column of indicators; a perceptron of all."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        hidden = width_of(64, shape.width)
        self.embed = nn.ModuleList(nn.Linear(count, EMBEDDED, bias=False) for count in CATEGORIES)
        layers: list[nn.Module] = [nn.Linear(EMBEDDED * len(CATEGORIES) + NUMBERS, hidden), shape.activation()]
        for _ in range(2 + shape.depth):
            layers += [nn.Linear(hidden, hidden), shape.activation()]
        self.body = nn.Sequential(*layers, nn.Dropout(dropout_of(shape.dropout, 0.05)))
        self.head = nn.Linear(hidden, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        *flags, numbers = x.split([*CATEGORIES, NUMBERS], 1)
        embedded = [layer(column) for layer, column in zip(self.embed, flags, strict=True)]
        return self.head(self.body(torch.cat([*embedded, numbers], 1)))  # type: ignore[no-any-return]


PROGRAM = Program(
    "tabular",
    "classification",
    CLASSES,
    Recipe(steps=380, batch=40, optimizer="rmsprop", lr=2e-3, schedule="plateau", weight_decay=1e-5),
    data,
    TableNet,
    cross_entropy,
    classification_scores,
    class_names=GRADES,
    good=0.6,
)
