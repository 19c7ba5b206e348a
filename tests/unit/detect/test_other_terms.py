"""A cross-entropy that is one of several terms, as of a detector with a loss of its own: what a guesser loses is no
level of the total then."""

from __future__ import annotations

import numpy as np
import pytest
from scenarios.build import Values
from scenarios.shapes import noisy
from unit.detect.judging import CLASSIFIER, context_of, judge

from dettui.detect.base import Rule
from dettui.detect.chance import guess_of, has_other_terms
from dettui.detect.floors import LossFloor
from dettui.detect.progress.not_learning import NotLearning
from dettui_probe import tags

STEPS = 600
GUESS = float(np.log(10))


def run(total: float, classes: float, **more: Values) -> dict[str, Values]:
    """A loss that stays at *total*, of which *classes* is the cross-entropy."""
    return {
        tags.LOSS_TOTAL: noisy(np.full(STEPS, total), np.random.default_rng(0), 0.02),
        tags.FIT_LOSS_MEAN: classes,
        **more,
    }


def is_whole(series: dict[str, Values]) -> bool:
    context = context_of(STEPS, series, **CLASSIFIER)
    assert (guess_of(context) is None) is has_other_terms(context)
    return not has_other_terms(context)


@pytest.mark.parametrize(
    ("series", "whole"),
    [
        (run(3.2, 1.5), False),
        (run(2.3, 2.3), True),
        (run(2.3, 1.9), True),  # weights of classes
        (run(36.8, 2.3), True),  # a sum over sixteen
        (run(3.2, 1.5, **{tags.GRAPH_SUMMED: 1.0}), True),
        (run(3.2, 1.5, **{tags.GRAPH_PENALTY: 1.0}), True),
        ({tags.LOSS_TOTAL: 3.2}, True),
    ],
)
def test_a_total_well_above_its_cross_entropy_has_other_terms(series: dict[str, Values], whole: bool) -> None:
    assert is_whole(series) is whole


@pytest.mark.parametrize(("rule", "noise"), [(LossFloor(), 0.02), (NotLearning(), 0.12)])
def test_where_there_are_others_the_total_is_not_held_against_a_guess(rule: Rule, noise: float) -> None:
    """A set loss that is fine-tuned: flat at what happens to be ln K, and right about its classes."""
    setting = {**CLASSIFIER, "total_steps": STEPS}
    flat = {tags.LOSS_TOTAL: noisy(np.full(STEPS, GUESS), np.random.default_rng(0), noise)}
    assert [s.severity for s in judge(rule, STEPS, run(GUESS, GUESS) | flat, **setting)] == ["warning"]
    assert [s.severity for s in judge(rule, STEPS, run(GUESS, 0.4) | flat, **setting)] in ([], ["info"])


def test_a_loss_of_cosines_has_no_level_of_a_guesser() -> None:
    """With a margin it begins far above ln K, and may end there though every class is known."""
    series = {tags.LOSS_TOTAL: noisy(np.full(STEPS, 4.0), np.random.default_rng(1), 0.02)}
    assert guess_of(context_of(STEPS, series, **CLASSIFIER)) is not None
    assert guess_of(context_of(STEPS, {**series, tags.GRAPH_COSINES: 1.0}, **CLASSIFIER)) is None
