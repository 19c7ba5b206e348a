"""Scores that never moved, and those that rise slowly, are high, or are one of several."""

from __future__ import annotations

import numpy as np
import pytest
from scenarios.build import Values
from scenarios.shapes import decay, noisy
from unit.detect.judging import context_of, judge

from dettui.detect.progress.flat_score import FlatScore
from dettui.domain.finding import Abstention
from dettui_probe import tags

STEPS = 400
EVALUATED = range(30, STEPS + 1, 30)


def scored(*scores: np.ndarray, loss: float = 1.0) -> dict[str, Values]:
    """A loss that falls from 2.4 to *loss*, and *scores* of the evaluations."""
    names = ("accuracy", "exact_match")
    series: dict[str, Values] = {
        tags.LOSS_TOTAL: noisy(decay(STEPS, 2.4, loss, 20.0, 4.0), np.random.default_rng(1), 0.03)
    }
    for name, score in zip(names, scores, strict=False):
        series["eval/" + name] = dict(zip(EVALUATED, score.tolist(), strict=True))
    return series


CHANCE = 0.1 + 0.02 * np.random.default_rng(2).standard_normal(len(EVALUATED))
RISING = np.linspace(0.02, 0.15, len(EVALUATED))


@pytest.mark.parametrize(
    ("series", "told"),
    [
        (scored(CHANCE), True),
        (scored(np.zeros(len(EVALUATED))), True),
        (scored(RISING), False),
        (scored(CHANCE + 0.2), False),
        (scored(CHANCE, RISING), False),
        (scored(CHANCE, loss=0.05), False),  # learnt by heart
    ],
)
def test_a_low_score_that_never_moved_is_told(series: dict[str, Values], told: bool) -> None:
    found = judge(FlatScore(), STEPS, series, total_steps=STEPS)
    assert [(s.kind, s.key) for s in found] == ([("not_learning", "flat_score")] if told else [])


def test_early_in_the_run_nothing_is_said() -> None:
    assert judge(FlatScore(), STEPS, scored(CHANCE), total_steps=2 * STEPS) == ()


def test_a_detector_may_end_where_its_hard_data_let_it() -> None:
    series = scored(CHANCE) | {tags.TARGET_BOXES: 4.0}
    assert isinstance(FlatScore().evaluate(context_of(STEPS, series, total_steps=STEPS)), Abstention)
