"""Cross-entropies of cosines, with a margin or without, and what only looks like them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.capture.loss_graph import are_of_cosines, heads_of
from dettui_probe.run import Run

ToldReader = Callable[[], Any]
Y = torch.arange(16) % 5
ONE_HOT = functional.one_hot(Y, 5).float()


def features() -> Tensor:
    return torch.randn(16, 8, requires_grad=True)


WRITERS = nn.Parameter(torch.randn(5, 8))


def cosine() -> Tensor:
    return functional.linear(functional.normalize(features()), functional.normalize(WRITERS))


def arcface() -> Tensor:
    own = cosine()
    return 30 * torch.where(ONE_HOT > 0, (own.clamp(-1 + 1e-6, 1 - 1e-6).acos() + 0.5).cos(), own)


LOGITS: dict[str, tuple[Callable[[], Tensor], bool]] = {
    "normalised softmax": (lambda: 16 * cosine(), True),
    "CosFace": (lambda: 30 * (cosine() - 0.35 * ONE_HOT), True),
    "ArcFace": (arcface, True),
    "by one-hot factors": (lambda: 30 * (ONE_HOT * (cosine() - 0.2) + (1 - ONE_HOT) * cosine()), True),
    "a matrix product": (lambda: 10 * functional.normalize(features()) @ functional.normalize(WRITERS).T, True),
    "a linear layer": (lambda: nn.Linear(8, 5)(features()), False),
    "a layer behind a norm": (lambda: nn.Linear(8, 5)(nn.LayerNorm(8)(features())), False),
    "a mean of pixels": (lambda: nn.Linear(8, 5)(features() / 4.0), False),
    "a linear layer on unit vectors": (lambda: nn.Linear(8, 5, bias=False)(functional.normalize(features())), False),
    "frozen unit vectors": (
        lambda: 10 * functional.normalize(features()) @ functional.normalize(torch.randn(8, 5)),
        True,
    ),
    "a temperature": (lambda: nn.Linear(8, 5)(features()) / 0.07, False),
}


@pytest.mark.parametrize("name", LOGITS)
def test_cosines_are_known_by_the_norm_they_are_divided_by(name: str) -> None:
    logits, told = LOGITS[name]
    assert are_of_cosines(heads_of(functional.cross_entropy(logits(), Y))) is told


class Faces(nn.Module):
    """A margin that takes every answer from its own class."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.writers = nn.Linear(8, 8), nn.Parameter(torch.randn(5, 8))

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(functional.normalize(self.body(x)), functional.normalize(self.writers))


def test_of_such_a_loss_no_answers_are_told(run: Run, told: ToldReader) -> None:
    model = Faces()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    attach(run, model, optimizer)
    for _ in range(4):
        optimizer.zero_grad()
        functional.cross_entropy(12 * (model(torch.randn(16, 8)) - 3 * ONE_HOT), Y).backward()
        optimizer.step()
    assert max(told().values(tags.GRAPH_COSINES)) == 1.0
    assert told().values(tags.FIT_WRONG) == []
