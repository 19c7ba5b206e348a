"""BatchNorm layers, and the mode in which a model trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.run import Run

ToldReader = Callable[[], Any]


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 3))


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 1) -> None:
    for _ in range(steps):
        loss = functional.cross_entropy(model(torch.rand(4, 3, 8, 8)), torch.tensor([0, 1, 2, 0]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def watched(run: Run, model: nn.Module) -> torch.optim.Optimizer:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    attach(run, model, optimizer)
    return optimizer


def test_sound_statistics_are_told_as_sound(run: Run, told: ToldReader) -> None:
    model = network()
    train(model, watched(run, model))
    values = told().rows[0].values
    assert (values[tags.NORM_POISONED], values[tags.NORM_EXTREME], values[tags.NORM_TRAINING]) == (0, 0, 1)


def test_poison_from_a_checkpoint_is_told_with_its_layer_at_the_first_step(run: Run, told: ToldReader) -> None:
    model = network()
    model[1].running_var[2] = float("nan")
    model[1].running_mean[0] = float("inf")
    train(model, watched(run, model))
    now = told()
    assert now.rows[0].values[tags.NORM_POISONED] == 2
    assert [event.data["layer"] for event in now.events if event.kind == "nonfinite"] == ["1"]


def test_a_variance_far_above_the_others_is_extreme(run: Run, told: ToldReader) -> None:
    model = network()
    model[1].running_var[2] = 1e5
    train(model, watched(run, model))
    assert told().rows[0].values[tags.NORM_EXTREME] == 1


def test_a_frozen_or_evaluating_layer_does_not_learn_from_the_batch(run: Run, told: ToldReader) -> None:
    model = network()
    model[1].eval()
    train(model, watched(run, model))
    assert told().rows[0].values[tags.NORM_TRAINING] == 0


def test_training_goes_on_being_told_in_evaluation_mode(run: Run, told: ToldReader) -> None:
    model = network()
    optimizer = watched(run, model)
    train(model, optimizer, 2)
    model.eval()
    train(model, optimizer, 2)
    model.train()
    train(model, optimizer)
    now = told()
    assert [row.step for row in now.rows] == [1, 2, 3, 4, 5]
    assert now.values(tags.EVAL_MODE) == [0, 0, 1, 1, 0]
    assert len(now.values(tags.LOSS_TOTAL)) == 5


def test_an_evaluation_with_gradients_is_no_step(run: Run, told: ToldReader) -> None:
    model = network()
    optimizer = watched(run, model)
    train(model, optimizer)
    model.eval()
    model(torch.rand(2, 3, 8, 8)).sum().backward()
    model.train()
    train(model, optimizer)
    now = told()
    assert now.values(tags.EVAL_MODE) == [0, 0]
    assert now.values(tags.MICRO_STEPS) == [1, 1]
