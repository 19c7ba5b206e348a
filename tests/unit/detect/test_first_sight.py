"""Evaluations against a training that meets each input for the first time, and against a guesser's loss."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from numpy.typing import NDArray
from scenarios.build import Sparse, Values
from scenarios.shapes import decay, noisy
from unit.detect.judging import CLASSIFIER, context_of, judge

from dettui.detect.base import Rule
from dettui.detect.context import Context
from dettui.detect.generalisation import Memorised, NoGeneralisation, WorseAtFirstSight
from dettui.detect.signals import signals_of
from dettui.domain.finding import Abstention
from dettui_probe import tags

STEPS, EVERY = 400, 100
Curve = NDArray[np.float64]
APART = (1.0, 2.0, 2.0, 2.0)
"""Evaluations over training, one every EVERY steps: level with it at first, then twice as much."""


def falling(last: float = 0.5) -> Curve:
    return noisy(decay(STEPS, 2.3, last, 30.0, 2.0), np.random.default_rng(1), 0.02)


def run(
    ratios: tuple[float, ...] = APART, *, met_again_from: int = STEPS, every: int = EVERY, **changes: Values
) -> dict[str, Values]:
    """Rows are looked at every fourth step; all of them are new up to step *met_again_from*."""
    loss = falling()
    looked_at = range(4, STEPS + 1, 4)
    evaluations: Sparse = {i * every: ratio * float(loss[i * every - 1]) for i, ratio in enumerate(ratios, start=1)}
    return {
        tags.LOSS_TOTAL: loss,
        "eval/loss": evaluations,
        tags.ROWS: dict.fromkeys(looked_at, 32.0),
        tags.ROWS_NEW: {step: 32.0 if step < met_again_from else 2.0 for step in looked_at},
        **changes,
    }


def is_told(series: dict[str, Values], **setting: object) -> bool:
    found = judge(WorseAtFirstSight(), STEPS, series, **{**CLASSIFIER, **setting})
    assert [(s.kind, s.severity, s.key) for s in found] in ([], [("bad_evaluation", "warning", "first_sight")])
    return bool(found)


def test_evaluations_that_do_not_follow_a_training_on_new_inputs_are_told() -> None:
    assert is_told(run())


@pytest.mark.parametrize("ratios", [(1.0, 1.1, 1.2, 1.3), (1.0, 2.0, 2.0, 1.1), (1.0, 1.0, 1.1, 2.0)])
def test_a_usual_gap_and_a_single_bad_evaluation_are_silent(ratios: tuple[float, ...]) -> None:
    assert not is_told(run(ratios))


@pytest.mark.parametrize(("met_again_from", "told"), [(390, True), (290, False), (40, False)])
def test_inputs_met_again_end_it(met_again_from: int, told: bool) -> None:
    """What comes after may be learnt by heart; by step 290 only two evaluations were before it."""
    assert is_told(run(met_again_from=met_again_from)) is told


def test_a_gap_that_opens_only_behind_inputs_met_again_is_overfitting_and_no_news_here() -> None:
    assert not is_told(run((1.0, 1.0, 1.0, 3.0), met_again_from=310))


def test_a_handful_of_equal_inputs_ends_nothing() -> None:
    nearly = dict.fromkeys(range(4, STEPS + 1, 4), 30.0)
    assert is_told(run(**{tags.ROWS_NEW: nearly}), steps_per_epoch=STEPS)


@pytest.mark.parametrize(("epoch", "told"), [(STEPS, True), (150, False), (None, False)])
def test_augmented_inputs_never_come_again_so_that_only_an_epoch_tells(epoch: int | None, told: bool) -> None:
    always = dict.fromkeys(range(4, STEPS + 1, 4), 32.0)
    assert is_told(run(**{tags.ROWS_NEW: always}), steps_per_epoch=epoch) is told


@pytest.mark.parametrize(
    ("ratios", "again", "told"),
    [
        ((1.0, *[2.0] * 5), STEPS, True),
        ((1.0, 1.0, *[2.0] * 4), STEPS, False),
        ((1.0, 1.1, 2.6, 1.6, 4.2, 0.8), 300, False),  # a healthy DenseNet, whose statistics came after
        ((1.0, 2.6, 1.6, 4.2, 7.4, 1.9), 250, False),  # another one, whose statistics took longer
        ((1.0, 2.6, 2.6, 2.6), 250, False),  # too early to say
        ((1.0, 2.6, 2.6, 2.6, 3.0, 3.0), 250, True),
    ],
)
def test_running_statistics_that_may_lag_need_five_evaluations_that_agree(
    ratios: tuple[float, ...], again: int, told: bool
) -> None:
    series = run(ratios, every=60, met_again_from=again, **{tags.NORM_TRAINING: 4.0})
    assert is_told(series) is told


@pytest.mark.parametrize(("momentum", "told"), [(0.99, True), (0.9, False)])
def test_three_are_enough_where_a_heavy_momentum_tells_why_they_lag(momentum: float, told: bool) -> None:
    lagging = {tags.NORM_TRAINING: 4.0, tags.MOMENTUM + "0": momentum}
    assert is_told(run((1.0, 10.0, 2.5, 1.9), every=60, met_again_from=250, **lagging)) is told


@pytest.mark.parametrize(("ratios", "told"), [((2.0, 2.2, 2.2, 2.2), False), ((2.0, 3.4, 3.4, 3.4), True)])
def test_a_first_evaluation_that_is_already_above_counts_as_the_unit(ratios: tuple[float, ...], told: bool) -> None:
    """Dropout, or another reduction, puts a constant factor between the two."""
    assert is_told(run(ratios)) is told


def test_a_first_evaluation_below_training_counts_as_one() -> None:
    assert not is_told(run((0.5, 1.0, 1.0, 1.0)))


@pytest.mark.parametrize("setting", [{"start_step": 5000}, {"start_step": 5000, "first_step": 5001}])
def test_a_resumed_run_is_silent(setting: dict[str, int]) -> None:
    """Its inputs are new to this start only."""
    series = run()
    shift = setting.get("first_step", 1) - 1
    moved = {
        tag: {step + shift: value for step, value in values.items()} if isinstance(values, dict) else values
        for tag, values in series.items()
    }
    assert not is_told(moved, **setting)


def test_a_loss_that_has_not_moved_says_nothing_of_evaluations() -> None:
    still = noisy(np.full(STEPS, 2.3), np.random.default_rng(1), 0.02)
    evaluations = {100: 2.3, 200: 4.6, 300: 4.6, 400: 4.6}
    assert not is_told(run(**{tags.LOSS_TOTAL: still, "eval/loss": evaluations}))


def test_without_a_view_of_the_inputs_the_rule_abstains() -> None:
    series = run()
    del series[tags.ROWS_NEW]
    assert isinstance(WorseAtFirstSight().evaluate(context_of(STEPS, series, **CLASSIFIER)), Abstention)


def test_the_signal_is_the_gap_beyond_the_first_one() -> None:
    known = signals_of(context_of(STEPS, run((2.0, 3.4, 3.6, 3.5)), **CLASSIFIER))
    assert known.eval_over_fresh == pytest.approx(1.75, rel=0.05)


# --- against a guesser ------------------------------------------------------------------------------------------


def learnt_by_heart(final: float = 0.01, evaluation: float = 1.5) -> dict[str, Values]:
    loss = noisy(2.3 * np.exp(-np.arange(STEPS) / 40) + final, np.random.default_rng(1), 0.02)
    return {tags.LOSS_TOTAL: loss, "eval/loss": dict.fromkeys(range(50, STEPS + 1, 50), evaluation)}


def keys(rule: Rule, series: dict[str, Values], **setting: object) -> list[str]:
    return [symptom.key for symptom in judge(rule, STEPS, series, **{**CLASSIFIER, **setting})]


def test_what_is_learnt_by_heart_is_told_by_ln_k_before_classes_are_counted() -> None:
    assert len(keys(Memorised(), learnt_by_heart())) == 1


@pytest.mark.parametrize(
    ("final", "evaluation"),
    [
        (0.01, 0.15 * log(10)),  # evaluations are fine whatever the training loss
        (0.3, 1.5),  # and a loss that is still a tenth of its start is not by heart
    ],
)
def test_good_evaluations_and_a_loss_that_is_left_are_not_by_heart(final: float, evaluation: float) -> None:
    assert keys(Memorised(), learnt_by_heart(final, evaluation)) == []


def test_a_fifth_of_counted_classes_decides_rather_than_ln_k() -> None:
    """Nine of ten targets are of one class: guessing costs 0.33 and an evaluation of 0.13 is no good one."""
    frequent = {"num_classes": 2, "targets": (9.0, 1.0)}
    assert keys(Memorised(), learnt_by_heart(evaluation=0.13), **{**frequent, "targets": ()}) == []
    assert len(keys(Memorised(), learnt_by_heart(evaluation=0.13), **frequent)) == 1


def test_a_head_that_is_no_classifier_is_no_measure_of_guessing() -> None:
    detector = {"family": "torchvision.FasterRCNN", "num_classes": 4}
    context: Context = context_of(STEPS, learnt_by_heart(), **{**CLASSIFIER, **detector})
    assert isinstance(Memorised().evaluate(context), Abstention)


@pytest.mark.parametrize(("evaluation", "told"), [(2.4, True), (2.0, False)])
def test_evaluations_that_never_beat_ln_k_are_told_before_classes_are_counted(evaluation: float, told: bool) -> None:
    assert bool(keys(NoGeneralisation(), learnt_by_heart(0.5, evaluation))) is told
