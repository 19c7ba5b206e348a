"""What a settled detector is surest of, on either side of each limit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scenarios.build import Setting, Values, run_messages
from scenarios.play import store_of
from scenarios.shapes import detector

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.detect.signals import signals_of
from dettui.detect.targets.rules import BadTargets
from dettui.domain.finding import Abstention
from dettui_probe import tags

STEPS = 200
PLACES = 4.0


def answers(unexplained: Any, overlap: float = 0.8) -> dict[str, Values]:
    """So many of four places in each step meet nothing, the others an object with that *overlap*."""
    lost = np.broadcast_to(np.asarray(unexplained, dtype=float), (STEPS,))
    return {tags.SUREST: PLACES, tags.SUREST_UNEXPLAINED: lost, tags.SUREST_OVERLAP: overlap * (PLACES - lost)}


def context_of(series: dict[str, Values], **setting: Any) -> Context:
    known = detector(STEPS, np.random.default_rng(0))
    opened = Setting(**{"total_steps": STEPS, **setting})
    return Context(store_of(run_messages(STEPS, setting=opened, **{**known, **series})), STEPS)


def judge(series: dict[str, Values], **setting: Any) -> dict[str, Symptom]:
    """Symptoms by key."""
    found = BadTargets().evaluate(context_of(series, **setting))
    assert not isinstance(found, Abstention)
    return {symptom.key: symptom for symptom in found}


@pytest.mark.parametrize(("unexplained", "told"), [(0.0, False), (0.7, False), (0.9, True), (2.0, True), (3.9, False)])
def test_answers_that_nothing_explains_are_told(unexplained: float, told: bool) -> None:
    """0.7 of four: as of a detector that is merely weak; 3.9: the boxes that it answers are nowhere at all."""
    found = judge(answers(unexplained))
    assert list(found) == (["surest"] if told else [])
    if told:
        assert found["surest"].evidence[0].tag == tags.SUREST_UNEXPLAINED
        assert (found["surest"].severity, found["surest"].exact) == ("warning", False)


def test_what_was_unexplained_in_the_first_half_only_is_over() -> None:
    assert judge(answers(np.where(np.arange(STEPS) < STEPS // 2, 2.0, 0.0))) == {}


def test_a_few_steps_in_which_much_is_unexplained_prove_nothing() -> None:
    lost = np.zeros(STEPS)
    lost[-20::2] = 4.0  # a tenth of the newest half, all of it at once
    assert judge(answers(lost)) == {}


@pytest.mark.parametrize(("overlap", "told"), [(0.62, False), (0.54, True)])
def test_boxes_that_overlap_their_targets_by_half_are_told(overlap: float, told: bool) -> None:
    found = judge(answers(0.0, overlap))
    assert [symptom.evidence[0].tag for symptom in found.values()] == ([tags.SUREST_OVERLAP] if told else [])


def test_loose_boxes_come_before_what_they_leave_unexplained() -> None:
    assert judge(answers(1.0, 0.5))["surest"].evidence[0].tag == tags.SUREST_OVERLAP


def test_where_hardly_an_image_has_a_box_none_of_them_is_blamed() -> None:
    found = judge({**answers(1.0, 0.5), tags.BATCH_SIZE: 4.0, tags.TARGET_EMPTY: 3.0})
    assert found["surest"].evidence[0].tag == tags.SUREST_UNEXPLAINED


@pytest.mark.parametrize(
    "setting",
    [
        {"total_steps": 2 * STEPS + 2},
        {"total_steps": None},
        {"total_steps": None, "steps_per_epoch": STEPS // 3},
        {"start_step": 5},
    ],
)
def test_nothing_is_said_of_a_detector_that_may_be_untrained_still(setting: dict[str, Any]) -> None:
    context = context_of(answers(2.0), **setting)
    assert signals_of(context).surest_unexplained is None
    assert judge(answers(2.0), **setting) == {}


@pytest.mark.parametrize(
    ("setting", "series"),
    [
        ({"steps_per_epoch": STEPS // 5}, {}),
        ({}, {tags.LR + "0": np.where(np.arange(STEPS) < 150, 0.01, 0.001)}),
    ],
)
def test_many_epochs_or_a_fallen_lr_settle_it_too(setting: dict[str, Any], series: dict[str, Values]) -> None:
    assert "surest" in judge({**answers(2.0), **series}, total_steps=None, **setting)


def test_boxes_that_lie_elsewhere_are_another_check_of_its_own() -> None:
    outside: dict[str, Values] = {tags.TARGET_BOXES: 10.0, tags.TARGET_OUTSIDE: 4.0}
    assert list(judge({**answers(2.0), **outside})) == ["outside"]


@pytest.mark.parametrize(("score", "told"), [(0.05, False), (0.3, True)])
def test_answers_of_a_detector_that_finds_little_tell_nothing_of_its_targets(score: float, told: bool) -> None:
    series: dict[str, Values] = {**answers(2.0), "eval/mAP": {50: 0.01, 100: score, 150: score / 2}}
    assert ("surest" in judge(series)) is told
    few_boxes: dict[str, Values] = {tags.BATCH_SIZE: 4.0, tags.TARGET_EMPTY: 3.0}  # then it cannot but find little
    assert "surest" in judge({**series, **few_boxes})


def test_the_diagnosis_is_given_both_numbers() -> None:
    known = signals_of(context_of(answers(1.0, 0.7)))
    assert known.surest_unexplained == pytest.approx(0.25)
    assert known.surest_overlap == pytest.approx(0.7)


@pytest.mark.parametrize(("ends_at", "told"), [(0.5, True), (0.9, False)])
def test_without_a_score_a_detector_that_learnt_little_proves_nothing(ends_at: float, told: bool) -> None:
    loss = np.linspace(2.0, 2.0 * ends_at, STEPS)
    unscored = {**answers(2.0), tags.LOSS_TOTAL: loss}
    assert list(judge(unscored)) == (["surest"] if told else [])
