"""Numbers that the diagnosis reads off the gradients."""

from __future__ import annotations

import numpy as np
import pytest
from unit.detect.judging import context_of

from dettui.detect.signals import signals_of
from dettui_probe import tags

STEPS = 200


@pytest.mark.parametrize(("outliers", "least", "most"), [(0, 0.1, 0.3), (1, 0.1, 0.3), (20, 1.0, 9.0)])
def test_one_outlier_makes_no_noise_of_all_gradients(outliers: int, least: float, most: float) -> None:
    norms = 1.0 + 0.2 * np.random.default_rng(3).standard_normal(STEPS)
    norms[len(norms) - 3 * outliers :: 3] *= 100.0
    varies = signals_of(context_of(STEPS, {tags.GRAD_NORM: norms, tags.LOSS_TOTAL: 1.0})).grad_norm_cv
    assert varies is not None
    assert least < varies < most


@pytest.mark.parametrize(("jitter", "least", "most"), [(0.0, 0.95, 1.0), (4.0, 0.0, 0.6)])
def test_how_evenly_gradients_change_over_depth_is_told(jitter: float, least: float, most: float) -> None:
    series = {f"{tags.LAYER_GRAD_NORM}{i}.weight": np.full(STEPS, 10.0 ** (i - 6 - jitter * (i % 2))) for i in range(7)}
    norms = {f"{tags.LAYER_WEIGHT_NORM}{i}.weight": 1.0 for i in range(7)}
    straight = signals_of(context_of(STEPS, {**series, **norms, tags.LOSS_TOTAL: 1.0})).grad_depth_straightness
    assert straight is not None
    assert least <= straight <= most + 1e-9


@pytest.mark.parametrize("start_step", [0, 5000])
def test_the_profile_of_the_first_steps_is_told_apart_from_what_became_of_it(start_step: int) -> None:
    """A resumed run has no first steps."""
    level = {i: np.full(STEPS, 1.0) for i in range(7)}
    for i in range(7):
        level[i][100:] = 10.0 ** (i - 6)
    series = {f"{tags.LAYER_GRAD_NORM}{i}.weight": level[i] for i in range(7)}
    norms = {f"{tags.LAYER_WEIGHT_NORM}{i}.weight": 1.0 for i in range(7)}
    setting = {"first_step": start_step + 1, "start_step": start_step} if start_step else {}
    told = signals_of(context_of(STEPS, {**series, **norms, tags.LOSS_TOTAL: 1.0}, **setting))
    assert told.grad_first_over_last_log10 == pytest.approx(-6.0)
    assert told.grad_first_over_last_log10_early == (None if start_step else pytest.approx(0.0))
