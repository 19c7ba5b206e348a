"""Gradients that are never cleared, and every way of clearing them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.run import Run

ToldReader = Callable[[], Any]
Clear = Callable[[nn.Module, torch.optim.Optimizer, int], None]


def by_hand(model: nn.Module, _: torch.optim.Optimizer, __: int) -> None:
    for param in model.parameters():
        param.grad = None


CLEARED: dict[str, Clear] = {
    "to None": lambda model, optimizer, step: optimizer.zero_grad(),
    "to zero": lambda model, optimizer, step: optimizer.zero_grad(set_to_none=False),
    "of the model": lambda model, optimizer, step: model.zero_grad(),
    "by hand": by_hand,
}


def train(run: Run, clear: Clear, *, passes: int = 1, steps: int = 6, after_forward: bool = False) -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    attach(run, model, optimizer)
    for step in range(steps):
        if not after_forward:
            clear(model, optimizer, step)
        for k in range(passes):
            loss = model(torch.randn(4, 8)).square().mean()
            if after_forward and k == 0:
                clear(model, optimizer, step)
            loss.backward()
        optimizer.step()


@pytest.mark.parametrize("how", CLEARED)
@pytest.mark.parametrize("passes", [1, 3])
@pytest.mark.parametrize("after_forward", [False, True])
def test_what_is_cleared_is_not_left_over(
    run: Run, told: ToldReader, how: str, passes: int, after_forward: bool
) -> None:
    train(run, CLEARED[how], passes=passes, after_forward=after_forward)
    assert told().values(tags.GRAD_LEFT) == [0.0] * 5


@pytest.mark.parametrize("passes", [1, 3])
def test_what_is_never_cleared_is_left_over(run: Run, told: ToldReader, passes: int) -> None:
    train(run, lambda model, optimizer, step: None, passes=passes)
    assert told().values(tags.GRAD_LEFT) == [1.0] * 5


def test_what_is_cleared_every_third_step_is_left_over_in_two_of_three(run: Run, told: ToldReader) -> None:
    def now_and_then(_: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
        if step % 3 == 0:
            optimizer.zero_grad()

    train(run, now_and_then, steps=7)
    assert told().values(tags.GRAD_LEFT) == [1.0, 1.0, 0.0, 1.0, 1.0, 0.0]


def test_a_loss_that_is_propagated_through_another_network_before_it_is_cleared_leaves_nothing(
    run: Run, told: ToldReader
) -> None:
    critic, maker = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)), nn.Linear(2, 4)
    of_critic = torch.optim.Adam(critic.parameters(), lr=1e-3)
    of_maker = torch.optim.Adam(maker.parameters(), lr=1e-3)
    attach(run, critic, of_critic)
    for _ in range(6):
        of_critic.zero_grad()
        (critic(maker(torch.randn(8, 2)).detach()) - critic(torch.randn(8, 4))).mean().backward()
        of_critic.step()
        of_maker.zero_grad()
        critic(maker(torch.randn(8, 2))).mean().neg().backward()  # into the gradients of the critic, too
        of_maker.step()
    assert max(told().values(tags.GRAD_LEFT)) == 0.0


def test_an_optimizer_of_half_a_network_says_nothing_of_the_other_half(run: Run, told: ToldReader) -> None:
    body, head = nn.Linear(8, 8), nn.Linear(8, 2)
    model = nn.Sequential(body, nn.Tanh(), head)
    optimizer = torch.optim.SGD(body.parameters(), lr=0.01)
    attach(run, model, optimizer)
    for _ in range(6):
        optimizer.zero_grad()
        model(torch.randn(4, 8)).square().mean().backward()
        optimizer.step()
    assert max(told().values(tags.GRAD_LEFT)) == 0.0


def test_gradients_of_a_phase_that_is_over_are_not_left_over(run: Run, told: ToldReader) -> None:
    body, head = nn.Linear(8, 8), nn.Linear(8, 2)
    model = nn.Sequential(body, nn.Tanh(), head)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    attach(run, model, optimizer)
    for phase in range(2):
        for _ in range(6):
            optimizer.zero_grad()
            model(torch.randn(4, 8)).square().mean().backward()
            optimizer.step()
        if phase == 0:
            head.requires_grad_(False)  # and keeps the last gradient that it was given
            optimizer = torch.optim.SGD(body.parameters(), lr=0.01)
    assert max(told().values(tags.GRAD_LEFT)[-4:]) == 0.0


class Unscaled(nn.Module):
    """Layers whose weights are *factor* times what nn.Linear begins with, and a table that is none."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.table = nn.Embedding(16, 32)
        self.places = nn.Parameter(torch.randn(1, 64, 32))
        self.layers = nn.Sequential(*(nn.Linear(32, 32) for _ in range(4)))
        with torch.no_grad():
            for layer in self.layers:
                layer.weight.mul_(factor)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.table(x) + self.places[0, : x.shape[1]]).square().mean()  # type: ignore[no-any-return]


@pytest.mark.parametrize("factor", [1.0, 8.0])
def test_the_gain_of_the_layers_is_told_once(run: Run, told: ToldReader, factor: float) -> None:
    model = Unscaled(factor)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    attach(run, model, optimizer)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randint(16, (4, 8))).backward()
        optimizer.step()
    assert told().values(tags.WEIGHT_GAIN) == pytest.approx([factor / 3**0.5], rel=0.05)
