"""A loss that falls while each gradient asks for more of the step before."""

from __future__ import annotations

import numpy as np
import pytest
from scenarios.build import Values
from scenarios.shapes import grid, noisy, step_lr
from unit.detect.judging import context_of, judge

from dettui.detect.progress.slow_descent import ShortSteps, SlowDescent
from dettui.domain.finding import Abstention
from dettui_probe import tags

STEPS = 200


def run(agreement: float = 0.6, overshoot: float = -0.7, steps: int = STEPS, **changes: Values) -> dict[str, Values]:
    """A loss that falls from 2.4 to 1.9 by steps of usual size."""
    loss = noisy(1.9 + 0.5 * np.exp(-grid(steps) / 60), np.random.default_rng(1), 0.02)
    return {
        tags.LOSS_TOTAL: loss,
        tags.GRAD_AGREEMENT: agreement,
        tags.UPDATE_OVERSHOOT: overshoot,
        tags.UPDATE_RATIO: 1e-3,
        tags.GRAD_NORM: 1.0,
        tags.LR + "0": 0.001,
        **changes,
    }


def test_gradients_that_agree_and_ask_for_much_more_are_told() -> None:
    (found,) = judge(ShortSteps(), STEPS, run())
    assert (found.kind, found.severity, found.key) == ("slow_descent", "warning", "short")


@pytest.mark.parametrize(
    ("agreement", "overshoot"),
    [
        (0.6, -0.5),  # as healthy runs end
        (0.3, -0.7),  # a small noisy gradient that happens to lie along the step
        (0.6, 0.1),
    ],
)
def test_both_signs_are_needed(agreement: float, overshoot: float) -> None:
    assert judge(ShortSteps(), STEPS, run(agreement, overshoot)) == ()


@pytest.mark.parametrize(
    ("agreement", "per_epoch", "told"), [(0.97, 4, True), (0.97, 60, False), (0.97, 1, False), (0.8, 4, False)],
    ids=["large_batch", "many_steps", "the_whole_set", "gradients_that_differ"],
)  # fmt: skip
def test_gradients_that_are_all_but_equal_are_told_where_an_epoch_has_few_steps(
    agreement: float, per_epoch: int, told: bool
) -> None:
    """As an adaptive optimizer has it, whose steps do not follow the gradient as closely."""
    series = run(agreement, -0.2, **{tags.ROWS: 64.0, tags.MICRO_STEPS: 1.0})
    assert bool(judge(ShortSteps(), STEPS, series, steps_per_epoch=per_epoch)) is told


def test_a_hundred_and_twenty_points_past_the_warm_up_are_waited_for() -> None:
    assert judge(ShortSteps(), 119, run(steps=119)) == ()
    assert len(judge(ShortSteps(), 121, run(steps=121))) == 1
    warming = np.minimum(1.0, (grid(STEPS) + 1) / 100) * 0.001
    assert judge(ShortSteps(), STEPS, run(**{tags.LR + "0": warming})) == ()


def test_short_steps_of_a_decayed_learning_rate_are_meant() -> None:
    assert judge(ShortSteps(), STEPS, run(**{tags.LR + "0": step_lr(STEPS, 0.001, (100,), 0.01)})) == ()


def test_a_learning_rate_that_still_rises_is_about_to_take_longer_steps() -> None:
    assert judge(ShortSteps(), STEPS, run(**{tags.LR + "0": np.linspace(1e-5, 1e-3, STEPS)})) == ()


def test_a_descent_that_is_mostly_done_needs_no_longer_steps() -> None:
    done = noisy(2.4 * np.exp(-grid(STEPS) / 40) + 0.02, np.random.default_rng(1), 0.02)
    assert judge(ShortSteps(), STEPS, run(**{tags.LOSS_TOTAL: done})) == ()


def test_a_handful_of_measured_gradients_is_too_few() -> None:
    few = dict.fromkeys(range(20, 180, 20), 0.6)
    assert judge(ShortSteps(), STEPS, run(**{tags.GRAD_AGREEMENT: few})) == ()


def test_without_a_view_of_the_last_step_the_rule_abstains() -> None:
    series = run()
    del series[tags.UPDATE_OVERSHOOT]
    assert isinstance(ShortSteps().evaluate(context_of(STEPS, series)), Abstention)


@pytest.mark.parametrize(
    ("agreement", "overshoot", "points", "told"),
    [
        (0.95, 0.0, 105, True),  # nearly equal: nothing is left to chance
        (0.6, 0.0, 105, False),
        (0.6, 0.0, 125, True),
        (0.1, -0.3, 125, True),  # along the step before counts twice
        (0.4, 0.0, 125, False),
        (0.4, 0.0, 260, True),
    ],
)
def test_the_more_the_gradients_agree_the_sooner_tiny_steps_are_told(
    agreement: float, overshoot: float, points: int, told: bool
) -> None:
    series = run(agreement, overshoot, points, **{tags.UPDATE_RATIO: 2e-5})
    assert bool(judge(SlowDescent(), points, series)) is told
