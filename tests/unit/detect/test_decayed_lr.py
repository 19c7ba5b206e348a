"""An LR that is gone early, by the way in which it went."""

from __future__ import annotations

import numpy as np
import pytest
from scenarios.build import Setting, run_messages
from scenarios.play import store_of
from scenarios.shapes import decay, grid, step_lr
from unit.detect.judging import context_of

from dettui.detect.context import Context
from dettui.detect.decayed_lr import DecayedLr
from dettui_probe import tags

STEPS = 600


@pytest.mark.parametrize(
    ("level", "smoothly", "told"),
    [
        (0.15, True, True),  # a horizon that somebody got wrong
        (0.15, False, False),  # lowered three times since nothing moved any more
        (0.5, False, True),  # much is left to learn
        (0.05, True, False),
    ],
)
def test_an_lr_that_fell_in_drops_is_given_more_credit(level: float, smoothly: bool, told: bool) -> None:
    lr = 0.01 * 1e-4 ** (np.arange(STEPS) / STEPS) if smoothly else step_lr(STEPS, 0.01, (200, 300, 400), 0.09)
    series = {tags.LR + "0": lr, tags.LOSS_TOTAL: decay(STEPS, 2.0, 2.0 * level, 20.0)}
    store = store_of(run_messages(STEPS, setting=Setting(total_steps=1000), **series))
    found = DecayedLr().evaluate(Context(store, STEPS))
    assert [symptom.kind for symptom in found] == (["config_smell"] if told else [])  # type: ignore[union-attr]


@pytest.mark.parametrize(("fell_at", "told"), [(60, True), (360, False)])
def test_an_lr_that_fell_early_is_told_late_too(fell_at: int, told: bool) -> None:
    """As of a run whose length is known at its end only."""
    series = {tags.LR + "0": step_lr(STEPS, 0.01, (fell_at,), 0.01), tags.LOSS_TOTAL: decay(STEPS, 2.0, 1.6, 20.0)}
    store = store_of(run_messages(STEPS, setting=Setting(), **series))
    assert bool(DecayedLr().evaluate(Context(store, STEPS, ended_at=STEPS))) == told


@pytest.mark.parametrize(("start_step", "told"), [(0, True), (400, False)])
def test_the_steps_of_a_resumed_run_are_not_held_against_its_length(start_step: int, told: bool) -> None:
    """Counted anew, they come early in what the script calls the whole run."""
    series = {tags.LR + "0": step_lr(200, 0.01, (60,), 0.01), tags.LOSS_TOTAL: decay(200, 2.0, 1.6, 20.0)}
    store = store_of(run_messages(200, setting=Setting(total_steps=600, start_step=start_step), **series))
    assert bool(DecayedLr().evaluate(Context(store, 200))) == told


def test_an_lr_that_jumped_up_and_back_again_did_not_decay() -> None:
    burst = np.full(400, 1e-3)
    burst[150:170] = 0.3
    schedule = context_of(400, {tags.LR + "0": burst}).schedule
    assert schedule is not None
    assert schedule.peak == pytest.approx(0.3)
    assert schedule.held_peak == pytest.approx(1e-3)
    assert schedule.decayed_share == pytest.approx(1.0)


def test_warm_restarts_are_no_bursts() -> None:
    wave = np.tile(0.5 * (1 + np.cos(np.linspace(0, np.pi, 100))) * 0.1 + 1e-4, 4)
    schedule = context_of(400, {tags.LR + "0": wave}).schedule
    assert schedule is not None
    assert schedule.held_peak == pytest.approx(schedule.peak)


def test_a_warm_up_that_is_long_over_rises_no_more_though_few_of_its_points_were_kept() -> None:
    warmed = np.minimum(grid(220) / 80, 1.0) * 0.03
    kept = {step: float(warmed[step - 1]) for step in range(4, 221, 8)}
    schedule = context_of(220, {tags.LR + "0": kept}).schedule
    assert schedule is not None
    assert not schedule.rising
    still = {step: 0.03 * step / 220 for step in range(4, 221, 8)}
    rising = context_of(220, {tags.LR + "0": still}).schedule
    assert rising is not None
    assert rising.rising


@pytest.mark.parametrize(("steps", "rising"), [(480, True), (640, False)])
def test_a_staircase_that_rises_once_an_epoch_is_on_its_way_up_until_a_stair_is_missing(
    steps: int, rising: bool
) -> None:
    epoch = np.minimum(np.arange(steps) // 60, 7)  # of the ninth epoch on, it stands
    schedule = context_of(steps, {tags.LR + "0": 1e-4 * (epoch + 1)}).schedule
    assert schedule is not None
    assert schedule.rising is rising
