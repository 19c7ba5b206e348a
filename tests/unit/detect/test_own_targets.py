"""Answers that fit the targets of other inputs as well as their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scenarios.build import Values
from scenarios.shapes import decay, noisy
from unit.detect.judging import context_of, judge

from dettui.detect.answers import SameAnswer
from dettui.detect.own_targets import NothingOfInputs, OwnTargetsPolicy, read_own_targets
from dettui.detect.signals import signals_of
from dettui.diagnose.weigh import diagnose
from dettui.domain.finding import Abstention, Finding
from dettui_probe import tags

STEPS = 400
EPOCH = 120
MEASURED = range(4, STEPS + 1, 4)
RUN: dict[str, Any] = {"total_steps": STEPS, "steps_per_epoch": EPOCH}


def compared(first: float, later: float, pairs: int = 4, **changes: Values) -> dict[str, Values]:
    """Pairs of which a share of *first* wins in the first epoch, and of *later* once inputs are met again."""
    draw = np.random.default_rng(3)
    won = {step: float(draw.binomial(pairs, first if step <= EPOCH else later)) for step in MEASURED}
    return {
        tags.LOSS_TOTAL: noisy(decay(STEPS, 2.0, 1.2, 10.0, 2.0), draw, 0.05),
        tags.LR + "0": 0.01,
        tags.FIT_PAIRS: dict.fromkeys(MEASURED, float(pairs)),
        tags.FIT_PAIRS_OWN: won,
        tags.ROWS: dict.fromkeys(MEASURED, 8.0),
        tags.ROWS_NEW: {step: 8.0 * (step <= EPOCH) for step in MEASURED},
        tags.FIT_SPREAD: 0.3,
        tags.UPDATE_RATIO: 1e-3,
        **changes,
    }


def is_told(series: dict[str, Values], **setting: Any) -> bool:
    found = judge(NothingOfInputs(), STEPS, series, **{**RUN, **setting})
    assert [(s.kind, s.severity, s.key) for s in found] in ([], [("not_learning", "warning", "pairs")])
    return bool(found)


def test_targets_that_might_as_well_be_swapped_are_told_although_the_loss_fell() -> None:
    assert is_told(compared(0.5, 0.5))


@pytest.mark.parametrize(("first", "later"), [(0.75, 0.9), (0.5, 0.85), (0.9, 1.0)])
def test_a_network_that_tells_inputs_apart_is_silent(first: float, later: float) -> None:
    assert not is_told(compared(first, later))


def by_heart(newest: float) -> dict[str, Values]:
    """Chance for half of the run, then more and more, up to *newest* in its last eighth."""
    draw = np.random.default_rng(4)
    series = compared(0.5, 0.5, pairs=32)
    share = np.interp(np.arange(STEPS + 1), [STEPS / 2, 7 * STEPS / 8], [0.5, newest])
    return {**series, tags.FIT_PAIRS_OWN: {step: float(draw.binomial(32, share[step])) for step in MEASURED}}


@pytest.mark.parametrize(("newest", "told"), [(0.65, True), (0.95, False)])
def test_what_is_learnt_late_and_by_heart_is_nothing_of_the_inputs(newest: float, told: bool) -> None:
    assert is_told(by_heart(newest)) is told


def test_a_weak_signal_in_much_noise_is_more_than_nothing() -> None:
    assert not is_told(compared(0.59, 0.59, pairs=32))
    assert is_told(compared(0.5, 0.5, pairs=32))


def test_half_of_the_run_may_pass_before_anything_is_learnt() -> None:
    assert not is_told(compared(0.5, 0.5), total_steps=3 * STEPS)


def test_a_few_pairs_tell_nothing() -> None:
    assert not is_told(compared(0.5, 0.5, pairs=1))


@pytest.mark.parametrize(("tag", "told"), [("eval/mAP50", False), ("eval/dice", True)])
def test_a_detector_that_finds_objects_has_learnt_something_whatever_its_classes_say(tag: str, told: bool) -> None:
    """Of a YOLO, the classes of its objects are compared, which it learns last; a guess has its share of any region."""
    scores: dict[str, Values] = {tag: dict.fromkeys(range(40, STEPS + 1, 40), 0.35)}
    assert is_told(compared(0.5, 0.55) | scores) is told
    assert is_told(compared(0.5, 0.55) | {tag: dict.fromkeys(range(40, STEPS + 1, 40), 0.04)})


def test_a_resumed_run_has_learnt_before() -> None:
    assert read_own_targets(context_of(STEPS, compared(0.9, 0.9), **RUN), OwnTargetsPolicy()) is not None
    assert read_own_targets(context_of(STEPS, compared(0.9, 0.9), **RUN, start_step=50), OwnTargetsPolicy()) is None


def test_what_was_learnt_by_heart_says_nothing_about_first_sight() -> None:
    seen = read_own_targets(context_of(STEPS, compared(0.5, 1.0), **RUN), OwnTargetsPolicy())
    assert seen is not None
    assert seen.at_least_at_first_sight < 0.5
    assert seen.share > 0.8


def test_without_pairs_the_rule_abstains() -> None:
    assert isinstance(NothingOfInputs().evaluate(context_of(STEPS, {tags.LOSS_TOTAL: 1.0}, **RUN)), Abstention)


def causes(series: dict[str, Values]) -> list[str]:
    """Of a loss that is found not to fall."""
    context = context_of(STEPS, series, **RUN)
    finding = Finding("not_learning", "warning", "active", 1, STEPS, STEPS, "Nothing is learnt", ())
    return [cause.id for cause in diagnose([finding], signals_of(context), context.model, (), STEPS).causes]


def test_answers_that_vary_and_fit_anybody_speak_for_shuffled_labels() -> None:
    assert causes(compared(0.5, 0.5))[0] == "labels_shuffled"


@pytest.mark.parametrize("change", [{tags.FIT_SPREAD: 1e-4}, {tags.UPDATE_RATIO: 1e-6}])
def test_a_network_that_answers_alike_or_hardly_moves_says_nothing_about_labels(change: dict[str, Values]) -> None:
    assert "labels_shuffled" not in causes(compared(0.5, 0.5, **change))


def test_what_is_learnt_at_first_sight_speaks_against_them() -> None:
    assert causes({**compared(0.5, 0.5), tags.FIT_PAIRS: 0.0})[0] == "labels_shuffled"  # by the other clues alone
    assert "labels_shuffled" not in causes(compared(0.85, 0.9))[:1]


@pytest.mark.parametrize(("last", "told"), [(1.8, True), (0.3, False)])
def test_a_detector_without_a_score_may_have_learnt_another_term(last: float, told: bool) -> None:
    """Pairs are of its classes; places are learnt long before."""
    changes = {tags.TARGET_BOXES: 6.0, tags.LOSS_TOTAL: decay(STEPS, 2.0, last, 10.0, 2.0)}
    assert is_told(compared(0.5, 0.5, **changes)) == told


@pytest.mark.parametrize(("share", "told"), [(0.5, True), (0.9, False)])
def test_a_loss_that_came_down_from_a_height_is_no_proof_of_learning(share: float, told: bool) -> None:
    """Flung far off by its first steps, a network answers one thing whatever its input."""
    changes = {tags.FIT_SPREAD: dict.fromkeys(MEASURED, 1e-6), tags.LOSS_TOTAL: decay(STEPS, 9.0, 1.0, 10.0, 2.0)}
    assert bool(judge(SameAnswer(), STEPS, compared(share, share, **changes), **RUN)) == told
