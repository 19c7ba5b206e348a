"""The numbers by which terms of a loss are weighed, as its graph tells them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.capture.loss_factors import MOST_NODES, factors_of, weighing
from dettui_probe.run import Run

ToldReader = Callable[[], Any]
WEIGHT = nn.Parameter(torch.ones(6))
LEARNT = nn.Parameter(torch.tensor(2.0))


def square() -> Tensor:
    return (WEIGHT**2).sum()


def error() -> Tensor:
    return functional.mse_loss(WEIGHT, torch.zeros(6))


WEIGHED: dict[str, tuple[Callable[[], Tensor], list[float]]] = {
    "one term": (square, [1]),
    "a plain sum": (lambda: square() + error(), [1, 1]),
    "a weighted sum": (lambda: 7.5 * square() + error() * 0.5, [0.5, 7.5]),
    "a difference": (lambda: square() - 3 * error(), [1, 3]),
    "built up": (lambda: sum([100.0 * square(), 1.0 * error()]) / 100.0, [1, 100]),  # type: ignore[return-value]
    "stacked": (lambda: torch.stack([square(), 2.5 * error()]).sum(), [1, 2.5]),
    "within a term": (lambda: 10.0 * (square() + 5.0 * error()) + square(), [1, 10, 50]),
    "a tensor of one number": (lambda: torch.tensor(4.0) * square() + error(), [1, 4]),
    "over how many": (lambda: 2.0 * (square() / 1000) + error(), [1, 2]),
    "for the sake of all parameters": (lambda: square() + 0.0 * error(), [1]),
    "a weight for each place": (lambda: (torch.rand(6) * WEIGHT**2).sum() + error(), [1, 1]),
}


@pytest.mark.parametrize("name", WEIGHED)
def test_the_factor_of_every_term_is_found(name: str) -> None:
    loss, factors = WEIGHED[name]
    assert sorted(factors_of(loss())) == pytest.approx(factors)


@pytest.mark.parametrize(
    "loss",
    [
        lambda: LEARNT * square() + error(),
        lambda: torch.exp(-LEARNT) * square() + 100 * error(),
        lambda: sum(float(k) * square() for k in range(1, MOST_NODES)),
        lambda: torch.ones(()),
    ],
)
def test_what_is_learnt_or_endless_is_left_open(loss: Callable[[], Tensor]) -> None:
    assert list(factors_of(loss())) == []
    assert weighing(loss()) == {}


def test_how_far_apart_they_are_is_told_of_a_step(run: Run, told: ToldReader) -> None:
    model = nn.Linear(3, 2)
    attach(run, model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    answers = model(torch.ones(4, 3))
    (200 * answers.square().mean() + functional.cross_entropy(answers, torch.zeros(4).long())).backward()
    optimizer.step()
    assert told().values(tags.GRAPH_APART) == [200.0]
