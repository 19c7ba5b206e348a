"""What stood right before a loss that is no number, and a scaler that never finds its scale."""

from __future__ import annotations

import numpy as np
import pytest
from scenarios.build import Setting, Values, run_messages
from scenarios.play import store_of
from scenarios.shapes import noisy
from unit.engine.runs import feed_of

from dettui.detect.context import Context
from dettui.detect.divergence import Divergence
from dettui.detect.precision import AmpOverflow
from dettui.detect.signals import signals_of
from dettui.domain.finding import Abstention
from dettui.engine import replay
from dettui_probe import tags

STEPS, BROKEN = 160, 120


def broken_run(last_loss: float, last_grad: float, poisoned_at: int | None) -> dict[str, Values]:
    """A calm run whose loss is NaN from BROKEN on, with the loss and the gradient norm of the step before it."""
    rng = np.random.default_rng(4)
    loss, grad = noisy(np.full(STEPS, 0.5), rng, 0.05), noisy(np.full(STEPS, 2.0), rng, 0.2)
    loss[BROKEN - 1], grad[BROKEN - 1] = last_loss, last_grad
    loss[BROKEN:] = np.nan
    series: dict[str, Values] = {tags.LOSS_TOTAL: loss, tags.GRAD_NORM: grad, tags.LR + "0": 0.01}
    if poisoned_at is not None:
        series[tags.NORM_POISONED] = {1: 0.0, poisoned_at: 40.0}
    return series


def signals(series: dict[str, Values], upto: int = STEPS) -> tuple[bool | None, float | None]:
    known = signals_of(Context(store_of(run_messages(STEPS, **series)), upto))
    return known.calm_before_non_finite, known.poisoned_channels


@pytest.mark.parametrize(("loss", "grad", "calm"), [(0.5, 2.0, True), (9.0, 2.0, False), (0.5, 80.0, False)])
def test_it_was_calm_where_loss_and_gradient_were_as_usual_up_to_the_step(loss: float, grad: float, calm: bool) -> None:
    assert signals(broken_run(loss, grad, None))[0] is calm


def test_nothing_is_said_of_a_loss_that_is_finite() -> None:
    assert signals(broken_run(0.5, 2.0, None), upto=BROKEN - 5)[0] is None


@pytest.mark.parametrize(("poisoned_at", "told"), [(BROKEN - 10, 40.0), (BROKEN + 10, None)])
def test_statistics_met_broken_behind_the_loss_are_no_cause_of_it(poisoned_at: int, told: float | None) -> None:
    assert signals(broken_run(0.5, 2.0, poisoned_at))[1] == told


def test_a_calm_run_that_breaks_at_once_is_put_down_to_what_it_was_given() -> None:
    messages = run_messages(STEPS, **broken_run(0.5, 2.0, BROKEN + 10))
    causes = replay(feed_of(messages)).diagnosis.causes
    assert [cause.id for cause in causes[:1]] == ["non_finite_inputs"]
    assert not causes[0].certain


def test_of_gradients_that_are_no_numbers_any_more_the_ones_before_are_told() -> None:
    series = broken_run(0.5, 2.0, None)
    grad = np.where(np.arange(STEPS) < 30, 4.0, 1.0)
    grad[60:] = np.nan
    known = signals_of(Context(store_of(run_messages(STEPS, **{**series, tags.GRAD_NORM: grad})), STEPS))
    assert known.grad_norm_ratio == pytest.approx(2.5 / 4.0)


@pytest.mark.parametrize(("skipped_share", "told"), [(0.4, True), (0.1, False)])
def test_a_short_run_that_skips_two_steps_of_five_overflows(skipped_share: float, told: bool) -> None:
    skipped = (np.arange(STEPS) % 10 < 10 * skipped_share).astype(float)
    series = {tags.AMP_SCALE: 65536.0, tags.AMP_SKIPPED: skipped}
    found = AmpOverflow().evaluate(Context(store_of(run_messages(STEPS, setting=Setting(), **series)), STEPS))
    assert not isinstance(found, Abstention)
    assert [symptom.kind for symptom in found] == (["amp_overflow"] if told else [])


@pytest.mark.parametrize(("swing", "told"), [(0.01, True), (0.3, False)])
def test_a_climb_no_larger_than_earlier_swings_of_the_level_is_no_divergence(swing: float, told: bool) -> None:
    steps = 800
    rng = np.random.default_rng(2)
    levels = np.repeat(swing * rng.standard_normal(steps // 20), 20)
    levels[-1] = 0.0
    level = np.exp(levels)
    level[-40:] = 1.7
    series = {tags.LOSS_TOTAL: noisy(level, rng, 0.05), tags.LR + "0": 0.01, tags.GRAD_NORM: 1.0 + 4.0 * (level > 1.6)}
    found = Divergence().evaluate(Context(store_of(run_messages(steps, **series)), steps))
    assert not isinstance(found, Abstention)
    assert bool(found) is told
