"""Violent first steps and dying units: each sign on either side of its limit."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scenarios.build import Values, run_messages
from scenarios.play import Played, play
from scenarios.shapes import decay, detector, noisy
from unit.detect.judging import CLASSIFIER, judge

from dettui.detect.opening import LargeWeights, ViolentOpening
from dettui_probe import tags

STEPS = 400
Curve = NDArray[np.float64]


def eased(first: float, last: float, over: float = 15.0) -> Curve:
    """From *first* to *last*, most of the way within *over* steps."""
    return last + (first - last) * np.exp(-np.arange(STEPS) / over)


def played(**changes: Values) -> Played:
    """A detector whose loss halves and stays there, after first steps that were violent unless *changes* say not."""
    rng = np.random.default_rng(5)
    series = detector(STEPS, rng, noisy(decay(STEPS, 2.4, 1.1, 5.0, 2.0), rng, 0.2))
    series |= {
        tags.UPDATE_RATIO: eased(0.2, 0.006),
        tags.WEIGHT_NORM: eased(18.0, 75.0),
        tags.GRAD_ZERO: eased(0.12, 0.6),
    }
    return play(run_messages(STEPS, **(series | changes)))


def test_violent_first_steps_that_kill_units_are_told_within_fifty_steps() -> None:
    found = played().first("update_too_large")
    assert found is not None
    assert found.raised_at_step <= 60
    assert {e.tag for e in found.evidence} == {tags.UPDATE_RATIO, tags.WEIGHT_NORM, tags.GRAD_ZERO}


@pytest.mark.parametrize(
    ("tag", "usual"),
    [
        (tags.UPDATE_RATIO, eased(0.03, 0.006)),  # [S1: 10^-1.5 = 0.032]
        (tags.WEIGHT_NORM, eased(18.0, 34.0)),  # 1.9-fold
        (tags.GRAD_ZERO, eased(0.12, 0.4)),  # units specialise
    ],
)
def test_a_violent_opening_needs_all_of_its_signs(tag: str, usual: Curve) -> None:
    assert played(**{tag: usual}).first("update_too_large") is None


def test_tensors_that_begin_at_zero_make_no_violent_opening() -> None:
    """Their first steps are as large as they are; the norm of all weights hardly notices."""
    own_size = 1.0 / np.arange(1, STEPS + 1)
    assert played(**{tags.UPDATE_RATIO: own_size, tags.WEIGHT_NORM: eased(18.0, 18.4)}).kinds() == set()


@pytest.mark.parametrize(("first", "told"), [(40.0, True), (0.4, False)])
def test_a_first_step_of_many_times_the_weights_is_part_of_their_growth(first: float, told: bool) -> None:
    """Their norm is measured after it: 700 of what began at 18 or less."""
    rng = np.random.default_rng(5)
    ratios = np.where(np.arange(STEPS) < 1, first, 0.04)
    shrinking = eased(700.0, 150.0, 80.0)
    stuck = {tags.GRAD_ZERO: 0.12, tags.LOSS_TOTAL: noisy(eased(18.0, 2.2), rng, 0.05)}
    stuck[tags.FIT_LOSS_MEAN] = {step: float(np.log(10)) for step in range(1, STEPS + 1, 4)}
    series = {**stuck, tags.UPDATE_RATIO: ratios, tags.WEIGHT_NORM: shrinking}
    found = judge(ViolentOpening(), STEPS, series, **CLASSIFIER)
    assert [s.key for s in found] == (["opening"] if told else [])


def test_weights_that_shrink_back_end_a_violent_opening() -> None:
    back = np.where(np.arange(STEPS) < 100, eased(18.0, 75.0), 20.0)
    found = [f for f in played(**{tags.WEIGHT_NORM: back}).findings if f.kind == "update_too_large"]
    assert [f.state for f in found] == ["resolved"]


def test_without_a_sign_of_death_a_violent_opening_is_told_where_the_loss_hardly_moved() -> None:
    rng = np.random.default_rng(5)
    stuck = {tags.GRAD_ZERO: 0.12, tags.LOSS_TOTAL: noisy(np.full(STEPS, 2.2), rng, 0.05)}
    assert played(**stuck).first("update_too_large") is not None
    assert played(**(stuck | {tags.LOSS_TOTAL: noisy(eased(2.4, 1.6), rng, 0.05)})).first("update_too_large") is None


@pytest.mark.parametrize(("share", "told"), [(0.97, True), (0.5, False)])
def test_a_fall_from_where_the_first_steps_threw_the_loss_is_no_gain(share: float, told: bool) -> None:
    """In units of what a guesser loses the answers tell whether anything was learnt."""
    rng = np.random.default_rng(5)
    thrown = noisy(eased(9.0, 2.2), rng, 0.05)
    cost: Values = {step: share * float(np.log(10)) for step in range(1, STEPS + 1, 4)}
    series = {tags.UPDATE_RATIO: eased(0.2, 0.006), tags.WEIGHT_NORM: eased(18.0, 75.0)}
    series |= {tags.LOSS_TOTAL: thrown, tags.FIT_LOSS_MEAN: cost}
    found = judge(ViolentOpening(), STEPS, series, **CLASSIFIER)
    assert [s.key for s in found] == (["opening"] if told else [])


def shattered(layers: int, moved: int, level: float) -> dict[str, Values]:
    """First steps of half of the weights, in *moved* of the *layers*; the loss comes down to *level* of its first."""
    rng = np.random.default_rng(5)
    ratios = {tags.LAYER_UPDATE_RATIO + f"block.{k}.weight": eased(0.5 if k < moved else 0.01, 0.01, 5.0)
              for k in range(layers)}  # fmt: skip
    return {
        **ratios,
        tags.UPDATE_RATIO: eased(0.6, 0.01, 8.0),
        tags.WEIGHT_NORM: eased(18.0, 29.0),
        tags.LOSS_TOTAL: noisy(eased(2.4, 2.4 * level, 60.0), rng, 0.05),
    }


@pytest.mark.parametrize(
    ("layers", "moved", "level", "told"),
    [
        (6, 6, 0.7, True),
        (6, 6, 0.3, False),  # it learns all the same
        (6, 1, 0.7, False),  # a new head on trained layers
        (2, 2, 0.7, False),  # a head by itself
    ],
)
def test_steps_that_leave_little_of_the_weights_are_told_where_it_does_not_learn(
    layers: int, moved: int, level: float, told: bool
) -> None:
    found = judge(ViolentOpening(), STEPS, shattered(layers, moved, level))
    assert [s.key for s in found] == (["opening"] if told else [])


@pytest.mark.parametrize(
    ("layers", "norm", "told"),
    [
        (6, 400.0, True),
        (6, 100.0, False),  # five times is what a new head on a frozen body comes to
        (2, 400.0, False),  # a head by itself begins at next to nothing
    ],
)
def test_steps_that_made_the_weights_many_times_as_large_are_told_though_the_loss_falls(
    layers: int, norm: float, told: bool
) -> None:
    series = shattered(layers, layers, 0.1) | {tags.WEIGHT_NORM: eased(20.0, norm)}
    assert [s.key for s in judge(ViolentOpening(), STEPS, series)] == (["opening"] if told else [])


@pytest.mark.parametrize(("trained", "told"), [(("fc.weight", "fc.bias"), False), (("a.weight", "fc.weight"), True)])
def test_a_head_alone_may_grow(trained: tuple[str, ...], told: bool) -> None:
    layers = {tags.LAYER_UPDATE_RATIO + name: eased(0.5, 0.01, 5.0) for name in trained}
    series = shattered(0, 0, 0.9) | {tags.WEIGHT_NORM: eased(20.0, 60.0)} | layers
    assert [s.key for s in judge(ViolentOpening(), STEPS, series)] == (["opening"] if told else [])


def test_gradients_that_became_zero_are_dead_units() -> None:
    found = played(**{tags.GRAD_ZERO: eased(0.12, 0.97, 30.0)}).first("dead_units")
    assert found is not None
    assert found.raised_at_step <= 150


@pytest.mark.parametrize(
    "zeros",
    [eased(0.12, 0.85), np.full(STEPS, 0.95), eased(0.55, 0.97)],
    ids=["most_of_a_relu_net", "sparse_from_the_start", "half_from_the_start"],
)
def test_zeros_that_are_usual_are_no_dead_units(zeros: Curve) -> None:
    assert "dead_units" not in played(**{tags.GRAD_ZERO: zeros}).kinds(info=True)


def test_a_solved_task_leaves_no_gradient_and_no_dead_units() -> None:
    rng = np.random.default_rng(5)
    solved = {tags.LOSS_TOTAL: noisy(eased(2.4, 0.01), rng, 0.1), tags.GRAD_ZERO: eased(0.12, 0.97, 30.0)}
    assert "dead_units" not in played(**solved).kinds(info=True)


@pytest.mark.parametrize(("ends_at", "told"), [(1.3, True), (0.7, False)])
def test_units_that_die_are_not_missed_where_the_loss_falls_by_more_than_half(ends_at: float, told: bool) -> None:
    """A head made anew on trained layers grows, and kills units, and learns."""
    learning = noisy(eased(2.4, ends_at), np.random.default_rng(5), 0.05)
    found = played(**{tags.LOSS_TOTAL: learning}).first("update_too_large")
    assert (found is not None) is told


@pytest.mark.parametrize(
    ("gain", "first", "severity"),
    [
        (4.6, 3.3, "warning"),
        (4.6, 2.3, "info"),  # norms undo it: the first answers cost what none would
        (2.8, 3.3, None),  # Inception v3
    ],
)
def test_weights_that_were_drawn_too_large_are_told_where_the_first_answers_are_worse_than_none(
    gain: float, first: float, severity: str | None
) -> None:
    rng = np.random.default_rng(5)
    series: dict[str, Values] = {
        tags.LOSS_TOTAL: noisy(eased(first, 1.5, 60.0), rng, 0.05),
        tags.WEIGHT_GAIN: {1: gain},
    }
    found = judge(LargeWeights(), STEPS, series, **CLASSIFIER)
    assert [(s.key, s.severity) for s in found] == ([("large_weights", severity)] if severity else [])
