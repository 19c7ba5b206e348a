"""Answers that are right less often in training than in evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scenarios.build import Values
from unit.detect.judging import CLASSIFIER, judge

from dettui.detect.contradiction import BetterInEvaluation
from dettui.detect.evaluations import Overfit
from dettui_probe import tags

STEPS, EVERY = 400, 40
Curve = NDArray[np.float64]


def level(share: float) -> Curve:
    return np.full(STEPS, share)


def run(answers: Curve, scores: Curve, **changes: Values) -> dict[str, Values]:
    """Answers of every fourth step and scores of every fortieth, out of the curves over all steps."""
    return {
        tags.LOSS_TOTAL: np.linspace(2.3, 1.2, STEPS),
        tags.FIT_ACCURACY: {step: float(answers[step - 1]) for step in range(4, STEPS + 1, 4)},
        "eval/accuracy": {step: float(scores[step - 1]) for step in range(EVERY, STEPS + 1, EVERY)},
        tags.ROWS: 16.0,
        tags.EVAL_ROWS: 150.0,
        **changes,
    }


def is_told(series: dict[str, Values]) -> bool:
    found = judge(BetterInEvaluation(), STEPS, series, **CLASSIFIER)
    assert [(s.kind, s.severity, s.key) for s in found] in ([], [("bad_targets", "warning", "contradiction")])
    return bool(found)


def test_answers_that_evaluations_contradict_are_told() -> None:
    assert is_told(run(level(0.5), level(0.7)))


def test_equal_answers_and_better_ones_in_training_are_silent() -> None:
    assert not is_told(run(level(0.7), level(0.7)))
    assert not is_told(run(level(0.9), level(0.7)))


def test_a_network_that_learns_fast_is_better_at_its_newest_evaluation_only() -> None:
    learning = np.clip(np.linspace(-0.6, 0.95, STEPS), 0.1, 1.0)
    assert not is_told(run(learning, learning))


def test_a_score_that_swings_with_the_weights_of_the_moment_needs_a_wider_gap() -> None:
    scores = level(0.75)
    scores[EVERY - 1 :: 2 * EVERY] = 0.9
    assert not is_told(run(level(0.65), scores))
    assert is_told(run(level(0.65), level(0.82)))


# --- an evaluation loss next to nothing ------------------------------------------------------------------------------


def losses(then: float, now: float) -> dict[str, Values]:
    """An evaluation loss that falls from 1 to *then* by half of the run and rises to *now*, beside a training loss that
    goes to 0."""
    middle = STEPS // 2
    curve = np.concatenate([np.linspace(1.0, then, middle), np.linspace(then, now, STEPS - middle)])
    points = {step: float(curve[step - 1]) for step in range(EVERY, STEPS + 1, EVERY)}
    return {tags.LOSS_TOTAL: np.geomspace(2.3, 1e-3, STEPS), "eval/loss": points}


@pytest.mark.parametrize(("then", "now", "told"), [(0.02, 0.18, False), (0.2, 0.4, True)])
def test_a_loss_that_doubles_and_is_still_next_to_nothing_is_no_overfit(then: float, now: float, told: bool) -> None:
    assert bool(judge(Overfit(), STEPS, losses(then, now), **CLASSIFIER)) is told
