"""Scores that are 0 until something is found where it is."""

from __future__ import annotations

import numpy as np
import pytest
from scenarios.build import Values
from unit.detect.judging import context_of, judge

from dettui.detect.no_score import NoScore
from dettui.domain.finding import Abstention
from dettui_probe import tags

STEPS = 600


def run(tag: str, *scores: float) -> dict[str, Values]:
    """The newest of *scores* at the last step, the others evenly before it."""
    every = STEPS // len(scores)
    return {tags.LOSS_TOTAL: np.ones(STEPS), tag: {i * every: score for i, score in enumerate(scores, start=1)}}


@pytest.mark.parametrize(
    "tag",
    [
        "eval/iou",
        "eval/mean_IoU",
        "eval/dice",
        "eval/Dice",
        "eval/mAP",
        "eval/AP50",
        "eval/mIoU",
        "eval/mDice",
    ],
)
def test_a_score_of_places_that_stays_at_nothing_is_told(tag: str) -> None:
    (found,) = judge(NoScore(), STEPS, run(tag, 0.0, 0.001, 0.0, 0.002, 0.0), total_steps=STEPS)
    assert (found.kind, found.severity, found.evidence[0].tag) == ("not_learning", "warning", tag)


@pytest.mark.parametrize("tag", ["eval/iou", "eval/dice"])
def test_a_score_that_has_been_above_nothing_once_is_silent(tag: str) -> None:
    assert judge(NoScore(), STEPS, run(tag, 0.0, 0.05, 0.0, 0.0, 0.0), total_steps=STEPS) == ()


@pytest.mark.parametrize("tag", ["eval/accuracy", "eval/f1", "eval/dice_loss", "eval/iou_loss"])
def test_a_score_that_guessing_lifts_and_a_loss_are_none_of_places(tag: str) -> None:
    series = run(tag, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert isinstance(NoScore().evaluate(context_of(STEPS, series, total_steps=STEPS)), Abstention)


def test_two_fifths_of_the_run_and_five_evaluations_are_waited_for() -> None:
    assert judge(NoScore(), STEPS, run("eval/iou", 0.0, 0.0, 0.0, 0.0, 0.0), total_steps=3 * STEPS) == ()
    assert judge(NoScore(), STEPS, run("eval/iou", 0.0, 0.0, 0.0, 0.0), total_steps=STEPS) == ()
