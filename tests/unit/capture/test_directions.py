"""The directions of gradients, steps and weights, and what else a few fixed samples tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.run import Run

ToldReader = Callable[[], Any]


class Bowl(nn.Module):
    """``sum(w^2) / 2``, whose gradient is w and whose curvature is 1 everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(1.0, 2.0, 32))

    def forward(self, _: Tensor) -> Tensor:
        return self.weight.square().sum() / 2


def descend(run: Run, lr: float, steps: int = 3, **settings: Any) -> None:
    model = Bowl()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, **settings)
    attach(run, model, optimizer)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.zeros(4, 1)).backward()
        optimizer.step()


def test_a_step_that_goes_too_far_meets_a_gradient_along_itself(run: Run, told: ToldReader) -> None:
    descend(run, lr=1.5)
    assert told().values(tags.UPDATE_OVERSHOOT) == pytest.approx([1.0, 1.0])


def test_a_short_step_meets_a_gradient_against_itself(run: Run, told: ToldReader) -> None:
    descend(run, lr=0.1)
    read = told()
    assert read.values(tags.UPDATE_OVERSHOOT) == pytest.approx([-1.0, -1.0])
    assert read.values(tags.GRAD_AGREEMENT) == pytest.approx([1.0, 1.0])


def test_a_step_downhill_goes_against_its_gradient_and_one_uphill_along_it(run: Run, told: ToldReader) -> None:
    descend(run, lr=0.1)
    assert max(told().values(tags.UPDATE_ASCENT)) < -0.99


def test_a_step_uphill_goes_along_its_gradient(run: Run, told: ToldReader) -> None:
    descend(run, lr=0.1, maximize=True)
    assert min(told().values(tags.UPDATE_ASCENT)) > 0.99


def test_decay_alone_only_shrinks_the_weights(run: Run, told: ToldReader) -> None:
    model = nn.Linear(64, 3, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=1.0)
    attach(run, model, optimizer)
    for _ in range(3):
        optimizer.zero_grad()
        (1e-6 * model(torch.ones(4, 64))).sum().backward()
        optimizer.step()
    assert min(told().values(tags.UPDATE_DECAY)) > 0.999


def test_gradients_that_outrun_the_second_moment_are_told(run: Run, told: ToldReader) -> None:
    model = nn.Linear(64, 3, bias=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    attach(run, model, optimizer)
    for factor in (1.0, 1.0, 10.0):
        optimizer.zero_grad()
        (factor * model(torch.ones(4, 64))).sum().backward()
        optimizer.step()
    assert told().values(tags.UPDATE_LAG) == pytest.approx([1.0, 10.0], rel=0.02)


def test_a_start_that_goes_on_from_a_checkpoint_is_read_as_closely_as_any(run: Run, told: ToldReader) -> None:
    run.recorder.step = run.recorder.before = 1001
    model = nn.Linear(8, 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    attach(run, model, optimizer)
    for _ in range(3):
        model(torch.ones(4, 8)).sum().backward()
        optimizer.step()
    heard = told()
    assert [row.step for row in heard.rows] == [1002, 1003, 1004]
    assert heard.values(tags.FRESH_STATE) == [1, 0, 0]
    assert {model.step for model in heard.models} <= {1001, 1002}


def test_the_first_step_alone_begins_without_state(run: Run, told: ToldReader) -> None:
    model = nn.Linear(8, 3)
    attach(run, model)
    for _ in range(2):  # a second optimizer takes the place of the first, as after a resume that forgot its state
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        for _ in range(3):
            model(torch.ones(4, 8)).sum().backward()
            optimizer.step()
    assert told().values(tags.FRESH_STATE) == [1, 0, 0, 1, 0, 0]


def test_an_optimizer_whose_parameters_another_took_over_no_longer_tells_its_lr(run: Run, told: ToldReader) -> None:
    model = nn.Linear(8, 3)
    attach(run, model)
    for lr in (0.5, 0.25):
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        model(torch.ones(4, 8)).sum().backward()
        optimizer.step()
    assert told().values(tags.LR + "0") == [0.5, 0.25]


def train(model: nn.Module, steps: int, loss_of: Callable[[Tensor], Tensor]) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(model(torch.randn(16, 8, generator=generator))).backward()
        optimizer.step()


def labels() -> Tensor:
    return torch.arange(16) % 3


def test_units_that_began_equal_stay_copies(run: Run, told: ToldReader) -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))
    for layer in (model[0], model[2]):
        nn.init.constant_(layer.weight, 0.1)
        nn.init.zeros_(layer.bias)
    attach(run, model)
    train(model, 13, lambda out: functional.cross_entropy(out, labels()))
    read = told()
    assert read.values(tags.WEIGHT_LAYERS) == [2, 2]
    assert read.values(tags.WEIGHT_COPIES) == [2, 1]  # the last layer's units have different targets


def test_a_last_layer_that_begins_at_zero_is_no_copy_for_long(run: Run, told: ToldReader) -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))
    nn.init.zeros_(model[2].weight)
    attach(run, model)
    train(model, 13, lambda out: functional.cross_entropy(out, labels()))
    assert told().values(tags.WEIGHT_COPIES) == [1, 0]


def test_pinned_outputs_of_a_squashing_layer_are_told(run: Run, told: ToldReader) -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))
    nn.init.constant_(model[0].bias, 50.0)
    attach(run, model)
    train(model, 1, lambda out: functional.cross_entropy(out, labels()))
    assert told().values("layer/saturated/1") == [1.0]
