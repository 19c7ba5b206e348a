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
    assert judge(NoScore(), STEPS, run("eval/iou", 0.0, 0.0, 0.0, 0.0), total_steps=2 * STEPS) == ()


@pytest.mark.parametrize(
    ("scores", "told"), [((0.0, 0.0, 0.0, 0.0), True), ((0.0, 0.0, 0.0), False), ((0.0, 0.0, 0.01, 0.03), False)]
)
def test_four_evaluations_are_enough_at_the_end_of_a_run(scores: tuple[float, ...], told: bool) -> None:
    assert bool(judge(NoScore(), STEPS, run("eval/iou", *scores), total_steps=STEPS)) is told


@pytest.mark.parametrize(
    ("tag", "scores", "total_steps", "told"),
    [
        ("eval/mAP50", (0.02, 0.05, 0.08, 0.03, 0.06, 0.05, 0.04), STEPS, True),
        ("eval/mAP", (0.02, 0.05, 0.08, 0.03, 0.06, 0.05, 0.04), STEPS, False),  # over all overlaps that is something
        ("eval/mAP", (0.02, 0.03, 0.04, 0.03, 0.02, 0.03, 0.02), STEPS, True),
        ("eval/mAP50", (0.0, 0.0, 0.01, 0.02, 0.04, 0.06, 0.08), STEPS, False),  # it rises
        ("eval/mAP50", (0.02, 0.05, 0.08, 0.03, 0.06, 0.05, 0.04), 2 * STEPS, False),
    ],
)
def test_late_in_a_run_a_score_near_nothing_is_told(
    tag: str, scores: tuple[float, ...], total_steps: int, told: bool
) -> None:
    assert bool(judge(NoScore(), STEPS, run(tag, *scores), total_steps=total_steps)) is told


FALLING = np.concatenate([np.linspace(10.0, 2.0, STEPS // 2), np.linspace(2.0, 0.5, STEPS // 2)])
STANDING = np.full(STEPS, 5.0)


@pytest.mark.parametrize(
    ("scores", "loss", "told"),
    [
        ((0.02, 0.15, 0.17, 0.16, 0.03, 0.01, 0.02), FALLING, True),
        ((0.02, 0.15, 0.17, 0.16, 0.12, 0.09, 0.08), FALLING, False),  # worn down, as by overfitting
        ((0.02, 0.17, 0.02, 0.01, 0.03, 0.01, 0.02), FALLING, False),  # it was there once only
        ((0.12, 0.15, 0.02, 0.09, 0.02, 0.03, 0.01), FALLING, False),  # it never held for long
        ((0.02, 0.06, 0.07, 0.06, 0.01, 0.004, 0.004), FALLING, False),  # nothing much is lost
        ((0.02, 0.15, 0.17, 0.16, 0.03, 0.01, 0.02), STANDING, False),  # training has lost it as well
        ((0.02, 0.15, 0.17, 0.16, 0.0, 0.0, 0.0), FALLING, False),  # a collapse, which another rule tells
    ],
)
def test_a_score_that_falls_to_next_to_nothing_while_training_learns_on_is_told(
    scores: tuple[float, ...], loss: np.ndarray, told: bool
) -> None:
    series = {**run("eval/mAP", *scores), tags.LOSS_TOTAL: loss}
    found = judge(NoScore(), STEPS, series, total_steps=STEPS)
    assert [symptom.kind for symptom in found] == (["bad_evaluation"] if told else [])


def test_a_loss_that_falls_by_its_penalty_teaches_nothing() -> None:
    series = {**run("eval/mAP", 0.02, 0.15, 0.17, 0.16, 0.03, 0.01, 0.02), tags.LOSS_TOTAL: FALLING}
    assert judge(NoScore(), STEPS, {**series, tags.WEIGHT_NORM: np.linspace(10, 9, STEPS)}, total_steps=STEPS) != ()
    assert judge(NoScore(), STEPS, {**series, tags.WEIGHT_NORM: np.linspace(10, 2, STEPS)}, total_steps=STEPS) == ()


# --- beside what a detector is surest of ------------------------------------------------------------------------


def detector(score: float, left: float = 0.2, unexplained: float = 0.0, overlap: float = 0.8) -> dict[str, Values]:
    """A detector whose loss falls to the share *left* of its start; of four surest answers in a step *unexplained* meet
    no object."""
    return {
        **run("eval/mAP50", *[score] * 8),
        tags.LOSS_TOTAL: np.linspace(10.0, 10.0 * left, STEPS),
        tags.SUREST: 4.0,
        tags.SUREST_UNEXPLAINED: unexplained,
        tags.SUREST_OVERLAP: overlap * (4.0 - unexplained),
    }


@pytest.mark.parametrize(
    ("series", "kind"),
    [
        (detector(0.0), "bad_evaluation"),
        (detector(0.1), "bad_evaluation"),
        (detector(0.1, left=0.001), "overfit"),
        (detector(0.0, left=0.9), "bad_evaluation"),
        (detector(0.0, unexplained=2.0), "not_learning"),  # sure of what is no object: it learnt little
        (detector(0.0, overlap=0.5), "not_learning"),
        (detector(0.1, unexplained=2.0), None),
        (detector(0.1, left=0.5), None),  # hard data
        (detector(0.4), None),
    ],
)
def test_a_low_score_is_held_against_what_training_finds(series: dict[str, Values], kind: str | None) -> None:
    found = judge(NoScore(), STEPS, series, total_steps=STEPS)
    assert [s.kind for s in found] == ([] if kind is None else [kind])


def test_a_low_score_on_other_inputs_is_one_of_the_evaluation() -> None:
    def series(eval_mean: float) -> dict[str, Values]:
        inputs = {tags.BATCH_MEAN: 0.0, tags.BATCH_STD: 1.0}
        theirs = {tags.EVAL_BATCH_MEAN: eval_mean, tags.EVAL_BATCH_STD: 1.0}
        return run("eval/mAP", *[0.0] * 6) | inputs | theirs

    assert [s.kind for s in judge(NoScore(), STEPS, series(4.0), total_steps=STEPS)] == ["bad_evaluation"]
    assert [s.kind for s in judge(NoScore(), STEPS, series(0.1), total_steps=STEPS)] == ["not_learning"]
