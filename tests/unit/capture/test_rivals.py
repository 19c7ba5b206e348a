"""Optimizers of other models that step in turn with ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from dettui_probe import tags
from dettui_probe.capture import attach
from dettui_probe.run import Run

ToldReader = Callable[[], Any]


@pytest.mark.parametrize("ours_first", [True, False])
def test_a_generator_that_steps_in_turn_is_a_rival(run: Run, told: ToldReader, ours_first: bool) -> None:
    critic, maker = nn.Linear(4, 1), nn.Linear(2, 4)
    of_critic, of_maker = (torch.optim.SGD(net.parameters(), lr=0.01) for net in (critic, maker))
    attach(run, critic, of_critic)

    def judge() -> None:
        of_critic.zero_grad()
        critic(maker(torch.randn(8, 2)).detach()).mean().backward()
        of_critic.step()

    def make() -> None:
        of_maker.zero_grad()
        critic(maker(torch.randn(8, 2))).mean().neg().backward()
        of_maker.step()

    for _ in range(6):
        for turn in (judge, make) if ours_first else (make, judge):
            turn()
    assert set(told().values(tags.RIVAL_STEPS)) == {1.0}


@pytest.mark.parametrize("ours_first", [True, False])
def test_the_optimizer_of_a_loss_with_weights_is_none(run: Run, told: ToldReader, ours_first: bool) -> None:
    model, centres = nn.Linear(8, 4), nn.Parameter(torch.randn(3, 4))
    ours, other = torch.optim.SGD(model.parameters(), lr=0.01), torch.optim.SGD([centres], lr=0.1)
    attach(run, model, ours)
    for _ in range(6):
        for optimizer in (ours, other):
            optimizer.zero_grad()
        (model(torch.randn(6, 8)) - centres[torch.arange(6) % 3]).square().mean().backward()
        for optimizer in (ours, other) if ours_first else (other, ours):
            optimizer.step()
    rows = told()
    assert rows.values(tags.MICRO_STEPS)
    assert not rows.values(tags.RIVAL_STEPS)
