"""Loops whose weights are changed by somebody else than an optimizer of torch."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.capture.foreign import KINDS
from dettui_probe.capture.watcher import PATIENCE
from dettui_probe.run import Run

ToldReader = Callable[[], Any]
FASTAI, KERAS = KINDS


def loss_of(model: nn.Module) -> Tensor:
    return functional.cross_entropy(model(torch.randn(4, 8)), torch.tensor([0, 1, 1, 2]))


def descend(model: nn.Module, told: ToldReader, rounds: int, rate: float = 0.1) -> list[Any]:
    """Gradient descent by hand, written to ``data``; what was told after each step."""
    heard = []
    for _ in range(rounds):
        model.zero_grad()
        loss_of(model).backward()
        for param in model.parameters():
            assert param.grad is not None
            param.data -= rate * param.grad
        heard.append(told())
    return heard


def test_weights_that_are_changed_by_hand_make_steps_of_backward_passes(run: Run, told: ToldReader) -> None:
    model = nn.Linear(8, 3)
    attach(run, model)
    descend(model, told, PATIENCE)
    rows = [row for heard in descend(model, told, 6) for row in heard.rows]
    assert [row.step for row in rows] == [1, 2, 3, 4, 5]  # the sixth is complete when another pass begins
    assert rows[-1].values[tags.UPDATE_UNCHANGED] == 0.0
    assert 0 < rows[-1].values[tags.UPDATE_RATIO] < 1
    assert rows[-1].values[tags.GRAD_NORM] > 0
    assert rows[-1].values[tags.MICRO_STEPS] == 1.0


def test_of_weights_that_nobody_holds_none_is_missing(run: Run, told: ToldReader) -> None:
    model = nn.Linear(8, 3)
    attach(run, model)
    descend(model, told, PATIENCE)
    told_models = [model for heard in descend(model, told, 3) for model in heard.models]
    assert all((model.missing, model.held, model.optimizer) == ([], model.trainable, "") for model in told_models)


def test_an_optimizer_that_is_not_reached_makes_no_steps(run: Run, told: ToldReader) -> None:
    model = nn.Linear(8, 3)
    attach(run, model)
    descend(model, told, 4 * PATIENCE, rate=0.0)
    assert run.recorder.step == 0


def test_an_optimizer_that_comes_late_takes_the_steps_from_then_on(run: Run, told: ToldReader) -> None:
    model = nn.Linear(8, 3)
    attach(run, model)
    descend(model, told, PATIENCE + 4)
    before, optimizer = run.recorder.step, torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()
    assert run.recorder.step == before + 4  # the last one by hand as well


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., type]]:
    """A module with the optimizer of a kind, whose step is *step*; before it is made, nobody has imported it."""

    def make(kind: Any, step: Callable[..., None]) -> type:
        owner = type(kind.owner, (), {kind.method: step})
        stand_in = types.ModuleType(kind.module)
        setattr(stand_in, kind.owner, owner)
        monkeypatch.setitem(sys.modules, kind.module, stand_in)
        return owner

    waiting = awaited()  # a script that was watched before in this process waits for its evaluators
    yield make
    assert awaited() == waiting


def awaited() -> list[object]:
    """What of ours waits for an import."""
    return [finder for finder in sys.meta_path if type(finder).__name__ == "AfterImport"]


def adam_step() -> None:
    """As fastai calls it."""


def fastai_optimizer(owner: type, model: nn.Module) -> Any:
    optimizer = owner()
    optimizer.param_lists = [[model.weight], [model.bias]]  # type: ignore[attr-defined]
    optimizer.hypers = [{"lr": 0.5, "mom": 0.9, "wd": 0.01}, {"lr": 0.25, "mom": 0.9}]
    optimizer.cbs = [len, adam_step]
    return optimizer


def move(model: nn.Module) -> None:
    for param in model.parameters():
        param.data -= 0.1 * param.grad


def test_fastai_has_optimizers_of_its_own(run: Run, told: ToldReader, library: Callable[..., type]) -> None:
    model = nn.Linear(8, 3)
    optimizer = fastai_optimizer(library(FASTAI, lambda self: move(model)), model)
    attach(run, model)
    for _ in range(3):
        model.zero_grad()
        loss_of(model).backward()
        optimizer.step()
    heard = told()
    assert [row.step for row in heard.rows] == [1, 2, 3]
    values = heard.rows[0].values
    assert (values["lr/pg0"], values["lr/pg1"], values["momentum/pg0"], values["weight_decay/pg0"]) == (
        0.5, 0.25, 0.9, 0.01,
    )  # fmt: skip
    assert (heard.models[-1].optimizer, heard.models[-1].missing) == ("Adam", [])
    run.finish()


def test_keras_hands_variables_and_the_rate_to_each_step(
    run: Run, told: ToldReader, library: Callable[..., type]
) -> None:
    model = nn.Linear(8, 3)
    optimizer: Any = library(KERAS, lambda self, *_: move(model))()
    optimizer.beta_1, optimizer.weight_decay = 0.8, None
    variables = [types.SimpleNamespace(value=param) for param in model.parameters()]
    attach(run, model)
    loss_of(model).backward()
    optimizer._backend_update_step([], variables, torch.tensor(0.125))
    (row,) = told().rows
    assert (row.step, row.values["lr/pg0"], row.values["momentum/pg0"]) == (1, 0.125, 0.8)
    assert "weight_decay/pg0" not in row.values
    run.finish()


def test_a_library_made_otherwise_is_told_by_the_weights_that_change(
    run: Run, told: ToldReader, library: Callable[..., type]
) -> None:
    model = nn.Linear(8, 3)
    optimizer: Any = library(FASTAI, lambda self: move(model))()  # without param_lists
    attach(run, model)
    for _ in range(PATIENCE + 3):
        model.zero_grad()
        loss_of(model).backward()
        optimizer.step()
        told()
    assert run.recorder.step == 2
    run.finish()


def test_what_keras_asks_of_shapes_alone_is_no_pass(run: Run, told: ToldReader) -> None:
    model = nn.Linear(8, 3)
    attach(run, model)
    for hook in list(model._forward_pre_hooks.values()):  # a layer of torch would refuse to mix the devices
        hook(model, (torch.empty(4, 8, device="meta"),), {})
    loss = loss_of(model)
    loss.backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    (row,) = told().rows
    assert row.values[tags.LOSS_TOTAL] == pytest.approx(loss.item())
