"""Frozen weights as an initialisation left them, and those that only look so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.run import Run

ToldReader = Callable[[], Any]
Change = Callable[[nn.Module], None]


def body() -> nn.Sequential:
    """Four weights of 432 to 9,216 elements."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(),
        nn.Conv2d(32, 32, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    dice = torch.Generator().manual_seed(1)
    for _ in range(steps):
        x, y = torch.rand(4, 3, 10, 10, generator=dice), torch.randint(3, (4,), generator=dice)
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        optimizer.step()


def told_of(run: Run, told: ToldReader, prepare: Change, between: Change = lambda model: None) -> tuple[float, float]:
    """Weights looked at and weights found untrained, of a frozen body under a head that trains for 70 steps."""
    torch.manual_seed(3)
    frozen = body()
    prepare(frozen)
    model = nn.Sequential(frozen.requires_grad_(False), nn.Linear(32, 3))
    optimizer = torch.optim.SGD(model[1].parameters(), 0.01)
    attach(run, model, optimizer)
    train(model, optimizer, 30)
    between(frozen)
    train(model, optimizer, 40)
    now = told()
    (looked_at,), (untrained,) = now.values(tags.FROZEN_WEIGHTS), now.values(tags.FROZEN_UNTRAINED)
    return looked_at, untrained


def each_weight(change: Callable[[torch.Tensor], Any]) -> Change:
    def go(model: nn.Module) -> None:
        for parameter in model.parameters():
            if parameter.dim() > 1:
                change(parameter.data)

    return go


def pretrained(lr: float, steps: int) -> Change:
    def go(model: nn.Module) -> None:
        whole = nn.Sequential(model, nn.Linear(32, 3))
        train(whole, torch.optim.Adam(whole.parameters(), lr), steps)

    return go


@pytest.mark.parametrize(
    "draw",
    [
        lambda weight: None,
        nn.init.xavier_uniform_,
        lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
    ],
    ids=["as made", "xavier", "kaiming"],
)
def test_weights_within_the_edge_of_their_draw_were_never_trained(run: Run, told: ToldReader, draw: Any) -> None:
    assert told_of(run, told, each_weight(draw)) == (4, 4)


def test_large_normal_weights_are_known_by_their_size_and_their_tails(run: Run, told: ToldReader) -> None:
    draw = each_weight(lambda weight: nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu"))
    assert told_of(run, told, draw) == (4, 3)  # the first one is too small to tell


@pytest.mark.parametrize(("lr", "steps"), [(1e-4, 3), (1e-3, 10), (1e-3, 100)])
def test_a_few_steps_of_training_are_enough_to_clear_a_weight(
    run: Run, told: ToldReader, lr: float, steps: int
) -> None:
    assert told_of(run, told, pretrained(lr, steps)) == (4, 0)


def test_what_moves_by_hand_is_no_frozen_weight(run: Run, told: ToldReader) -> None:
    """A target network, or a moving average, starts as a copy of random weights."""
    assert told_of(run, told, lambda model: None, each_weight(lambda weight: weight.mul_(0.999))) == (4, 0)


def test_other_laws_claim_nothing(run: Run, told: ToldReader) -> None:
    assert told_of(run, told, each_weight(lambda weight: weight.mul_(1.02))) == (4, 0)


def test_nothing_is_told_where_nothing_is_frozen(run: Run, told: ToldReader) -> None:
    model = nn.Sequential(body(), nn.Linear(32, 3))
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    attach(run, model, optimizer)
    train(model, optimizer, 70)
    assert told().values(tags.FROZEN_WEIGHTS) == []


class Reader(nn.Module):
    """A frozen GRU of 20 inputs and 40 units under a head."""

    def __init__(self, frozen: nn.GRU) -> None:
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.head = nn.Linear(40, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answers: torch.Tensor = self.head(self.frozen(x)[0][:, -1])
        return answers


def train_reader(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    dice = torch.Generator().manual_seed(1)
    for _ in range(steps):
        x, y = torch.rand(4, 6, 20, generator=dice), torch.randint(3, (4,), generator=dice)
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        optimizer.step()


@pytest.mark.parametrize(("pretraining", "untrained"), [(0, 2), (10, 0)], ids=["as made", "pretrained"])
def test_both_weights_of_a_recurrent_layer_are_drawn_by_its_units(
    run: Run, told: ToldReader, pretraining: int, untrained: int
) -> None:
    torch.manual_seed(3)
    model = Reader(nn.GRU(20, 40, batch_first=True))
    model.requires_grad_(requires_grad=True)
    train_reader(model, torch.optim.Adam(model.parameters(), 0.01), pretraining)
    model.frozen.requires_grad_(False)
    optimizer = torch.optim.SGD(model.head.parameters(), 0.01)
    attach(run, model, optimizer)
    train_reader(model, optimizer, 70)
    now = told()
    assert (now.values(tags.FROZEN_WEIGHTS), now.values(tags.FROZEN_UNTRAINED)) == ([2], [untrained])


@pytest.mark.parametrize(("lr", "untrained"), [(0.0, 4.0), (0.01, 0.0)])
def test_weights_that_no_optimizer_holds_are_looked_at_likewise(
    run: Run, told: ToldReader, lr: float, untrained: float
) -> None:
    torch.manual_seed(3)
    left_out = body()
    pretrained(lr, 20)(left_out)
    model = nn.Sequential(left_out, nn.Linear(32, 3))
    optimizer = torch.optim.SGD(model[1].parameters(), 0.01)
    attach(run, model, optimizer)
    train(model, optimizer, 70)
    now = told()
    assert (now.values(tags.UNHELD_WEIGHTS), now.values(tags.UNHELD_UNTRAINED)) == ([4.0], [untrained])
