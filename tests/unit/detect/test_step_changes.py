"""A loss that was lifted in one step by what the model was given, and one that the optimizer lifted."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scenarios.build import Values
from scenarios.shapes import decay, grid, noisy
from unit.detect.judging import judge

from dettui.detect.divergence import Divergence, DivergencePolicy
from dettui_probe import tags

STEPS, LIFTED = 600, 480
Curve = NDArray[np.float64]


def growing(usual: float, *, at: int, over: int, by: float) -> Curve:
    """*usual* up to point *at*, *by* times as much *over* points later and from there on."""
    return noisy(usual * by ** np.clip((grid(STEPS) - at) / over, 0, 1), np.random.default_rng(3), 0.1)


def lifted(over: int = 1, by: float = 0.8, noise: float = 0.05) -> Curve:
    """A loss that had settled at 0.4 and is lifted from point LIFTED on, within *over* points."""
    rise = by * np.clip((grid(STEPS) - LIFTED + 1) / over, 0, 1)
    return noisy(decay(STEPS, 2.4, 0.4, 20.0, 2.0) + rise, np.random.default_rng(7), noise)


def run(**changes: Values) -> dict[str, Values]:
    """Calm updates and gradients, and a loss that is lifted at once; *changes* replace them."""
    calm = {
        tags.LOSS_TOTAL: lifted(),
        tags.LR + "0": 0.01,
        tags.GRAD_NORM: growing(2.0, at=0, over=1, by=1.0),
        tags.UPDATE_RATIO: growing(2e-3, at=0, over=1, by=1.0),
    }
    return {**calm, **changes}


def kinds(series: dict[str, Values]) -> list[str]:
    return [symptom.kind for symptom in judge(Divergence(), STEPS, series)]


def test_a_step_change_after_calm_updates_is_a_shift() -> None:
    (found,) = judge(Divergence(), STEPS, run())
    assert (found.kind, found.severity, found.first_step) == ("distribution_shift", "warning", LIFTED + 1)


@pytest.mark.parametrize(("chi2", "severity"), [(12.0, "info"), (1.0, "warning")])
def test_a_step_change_with_other_classes_is_another_task(chi2: float, severity: str) -> None:
    classes = np.where(np.arange(STEPS) < LIFTED, 1.0, chi2)
    (found,) = judge(Divergence(), STEPS, run(**{tags.ORDER_CHI2: classes}))
    assert (found.kind, found.severity) == ("distribution_shift", severity)


def test_a_step_change_is_a_shift_even_where_gradients_updates_and_loss_grow_afterwards() -> None:
    """A network that is shown other data answers with large gradients: they came after, and led up to nothing."""
    loss = lifted() * 1.5 ** np.clip((grid(STEPS) - LIFTED) / 100, 0, 1)
    after = {
        tags.LOSS_TOTAL: loss,
        tags.GRAD_NORM: growing(2.0, at=LIFTED, over=5, by=20.0),
        tags.UPDATE_RATIO: growing(2e-3, at=LIFTED, over=5, by=20.0),
    }
    assert kinds(run(**after)) == ["distribution_shift"]


@pytest.mark.parametrize("tag", [tags.GRAD_NORM, tags.UPDATE_RATIO])
def test_a_step_change_that_growing_steps_or_gradients_led_up_to_is_divergence(tag: str) -> None:
    before = growing(2.0 if tag == tags.GRAD_NORM else 2e-3, at=LIFTED - 12, over=12, by=20.0)
    assert kinds(run(**{tag: before})) == ["divergence"]


def test_a_step_change_right_after_a_rise_of_the_learning_rate_is_divergence() -> None:
    raised = np.where(grid(STEPS) < LIFTED - 5, 0.01, 0.05)
    # the best level counts only where the LR was at least half of today's: the loss of the lower rate is left out
    fell_again = np.where((grid(STEPS) >= LIFTED - 5) & (grid(STEPS) < LIFTED + 3), 0.05, 0.01)
    assert "distribution_shift" not in kinds(run(**{tags.LR + "0": raised}))
    assert kinds(run(**{tags.LR + "0": fell_again})) == ["divergence"]


def test_a_rise_of_the_learning_rate_long_before_leaves_a_shift_a_shift() -> None:
    early = np.where(grid(STEPS) < 100, 0.003, 0.01)
    assert kinds(run(**{tags.LR + "0": early})) == ["distribution_shift"]


def test_violent_steps_before_it_make_a_step_change_no_shift() -> None:
    assert kinds(run(**{tags.UPDATE_RATIO: growing(0.2, at=0, over=1, by=1.0)})) == ["divergence"]


def test_without_a_view_of_updates_and_gradients_the_old_signs_decide() -> None:
    assert kinds({tags.LOSS_TOTAL: lifted()}) == ["distribution_shift"]
    assert kinds({tags.LOSS_TOTAL: lifted(by=4.0)}) == ["divergence"]  # far above its start


@pytest.mark.parametrize(("points", "by"), [(40, 0.8), (80, 0.8), (8, 8.0)])
def test_a_rise_over_many_points_is_divergence_however_calm_the_updates(points: int, by: float) -> None:
    assert kinds(run(**{tags.LOSS_TOTAL: lifted(over=points, by=by)})) == ["divergence"]


def test_a_shift_is_found_in_a_loss_that_was_falling_fast() -> None:
    """Over 128 points such a loss falls as far as it is lifted; over 48 it does not."""
    steps, at = 130, 100
    falling = 2.4 * np.exp(-grid(steps) / 40) + 0.05 + np.where(grid(steps) >= at, 0.8, 0.0)
    loss = noisy(falling, np.random.default_rng(1), 0.05)
    series: dict[str, Values] = {tags.LOSS_TOTAL: loss, tags.GRAD_NORM: 2.0, tags.UPDATE_RATIO: 2e-3}
    wide = Divergence(DivergencePolicy(shift_windows=(128,)))
    (found,) = judge(Divergence(), steps, series)
    assert (found.kind, found.first_step) == ("distribution_shift", at + 1)
    assert [symptom.kind for symptom in judge(wide, steps, series)] == ["divergence"]


def swinging(seed: int, every: int, noise: float) -> dict[str, Values]:
    """A level that is drawn anew every *every* points, a third up or down."""
    rng = np.random.default_rng(seed)
    levels = np.repeat(0.3 * rng.standard_normal(STEPS // every), every)
    return run(**{tags.LOSS_TOTAL: noisy(0.5 * np.exp(levels), rng, noise)})


@pytest.mark.parametrize("seed", [0, 1, 2, 21, 26, 29])
def test_a_noisy_level_that_swings_is_silent(seed: int) -> None:
    """The last three end with a swing upwards that would pass for a step change."""
    assert kinds(swinging(seed, every=20, noise=0.3)) == []


def test_swings_of_sixty_points_are_seldom_taken_for_a_shift() -> None:
    """A level that was as high before, three times over, has not been lifted."""
    assert sum(bool(kinds(swinging(seed, every=60, noise=0.2))) for seed in range(40)) <= 2


@pytest.mark.parametrize("first", [2.4, 60.0])
def test_a_first_level_that_is_never_seen_again_hides_no_rise(first: float) -> None:
    """Squared errors of an untrained head, many times of what follows."""
    high = lifted(over=40, by=1.2)
    high[:12] = first
    assert kinds(run(**{tags.LOSS_TOTAL: high})) in (["distribution_shift"], ["divergence"])
