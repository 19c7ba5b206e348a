"""Runs whose steps together have hardly moved the weights."""

from __future__ import annotations

import numpy as np
import pytest
from scenarios.build import Values
from scenarios.shapes import decay, noisy
from unit.detect.judging import judge

from dettui.detect.progress.hardly_moved import HardlyMoved
from dettui_probe import tags

STEPS = 300


def crawling(ratio: float = 4e-5, overshoot: float = -0.6, loss: float = 1.0) -> dict[str, Values]:
    """A loss that falls from 2 to *loss*, by steps of *ratio*."""
    return {
        tags.LOSS_TOTAL: noisy(decay(STEPS, 2.0, loss, 90.0), np.random.default_rng(1), 0.05),
        tags.UPDATE_RATIO: ratio,
        tags.UPDATE_OVERSHOOT: overshoot,
    }


def test_a_run_that_came_one_percent_of_the_way_is_told() -> None:
    (found,) = judge(HardlyMoved(), STEPS, crawling(), total_steps=STEPS)
    assert (found.kind, found.severity, found.key) == ("slow_descent", "warning", "way")


@pytest.mark.parametrize(
    "changes",
    [
        {"ratio": 3e-4},  # a fine-tune of nine percent
        {"overshoot": -0.1},  # short steps that ask for no more
        {"loss": 0.1},  # the task is done
    ],
)
def test_a_fine_tune_is_left_alone(changes: dict[str, float]) -> None:
    assert judge(HardlyMoved(), STEPS, crawling(**changes), total_steps=STEPS) == ()


@pytest.mark.parametrize("setting", [{"total_steps": 2 * STEPS}, {"total_steps": None}, {"start_step": 500}])
def test_a_run_that_goes_on_or_was_resumed_is_waited_for(setting: dict[str, int | None]) -> None:
    assert judge(HardlyMoved(), STEPS, crawling(), **{"total_steps": STEPS, **setting}) == ()
