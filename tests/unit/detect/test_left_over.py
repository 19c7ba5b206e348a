"""Gradients that are still there when a step begins."""

from __future__ import annotations

import numpy as np
import pytest
from unit.detect.judging import context_of, judge

from dettui.detect.gradient_growth import GradientGrowth
from dettui.detect.left_over import LeftOverGradients
from dettui.domain.finding import Abstention
from dettui_probe import tags

STEPS = 40


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (np.ones(STEPS), True),
        (np.arange(STEPS) % 2 * 1.0, True),  # cleared every other step
        (np.zeros(STEPS), False),
        (np.arange(STEPS) % 8 == 7, False),  # one network's loss through another's gradients, now and then
    ],
)
def test_gradients_that_are_not_cleared_are_told(left: np.ndarray, told: bool) -> None:
    found = judge(LeftOverGradients(), STEPS, {tags.GRAD_LEFT: left.astype(float)})
    assert [(s.key, s.exact) for s in found] == ([("left_over", True)] if told else [])


@pytest.mark.parametrize(("left", "told"), [(1.0, True), (0.0, False)])
def test_gradients_that_grow_and_hardly_turn_pile_up_unless_they_are_seen_to_be_cleared(
    left: float, told: bool
) -> None:
    """A value that is learnt of returns, which rise as the agent gets better, pulls one way all the time."""
    series = {tags.GRAD_AGREEMENT: 0.97, tags.GRAD_NORM: np.linspace(1, 8, STEPS), tags.GRAD_LEFT: left}
    assert [s.key for s in judge(GradientGrowth(), STEPS, series)] == (["growth"] if told else [])


def test_of_four_looks_nothing_is_said() -> None:
    few = context_of(STEPS, {tags.GRAD_LEFT: {1: 1.0, 2: 1.0, 3: 1.0, 4: 1.0}})
    assert isinstance(LeftOverGradients().evaluate(few), Abstention)
