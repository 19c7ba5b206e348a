"""Shares that fell at one step: boxes that fitted their images, answers that fitted their own targets."""

from __future__ import annotations

import numpy as np
import pytest
from scenarios.build import Values
from unit.detect.judging import context_of, judge

from dettui.detect.base import Rule
from dettui.detect.unlearnt import ANSWERS, BoxesCameOff, Unlearnt, read_fall
from dettui.numerics.changepoint import share_fall
from dettui_probe import tags

STEPS = 400
BROKE = 200
MEASURED = range(4, STEPS + 1, 4)


def compared(won: str, of: str, before: float, after: float, *, each: int = 4, at: int = BROKE) -> dict[str, Values]:
    """Comparisons of which a share of *before* is won up to step *at* and one of *after* behind it."""
    draw = np.random.default_rng(3)
    wins = {step: float(draw.binomial(each, before if step <= at else after)) for step in MEASURED}
    return {won: wins, of: dict.fromkeys(MEASURED, float(each))}


def boxes(before: float, after: float, **changes: int) -> dict[str, Values]:
    return compared(tags.PAIRING_BEATS_OTHER, tags.PAIRING_BOXES, before, after, **changes)


def answers(before: float, after: float, **changes: int) -> dict[str, Values]:
    return compared(tags.FIT_PAIRS_OWN, tags.FIT_PAIRS, before, after, **changes)


@pytest.mark.parametrize(
    ("rule", "series", "kind", "told"),
    [
        (BoxesCameOff(), boxes(0.98, 0.6), "distribution_shift", True),
        (BoxesCameOff(), boxes(0.98, 0.96), "distribution_shift", False),  # a little harder to see, for whatever reason
        (BoxesCameOff(), boxes(0.6, 0.98), "distribution_shift", False),  # as augmentation is switched off
        (BoxesCameOff(), boxes(0.98, 0.5, at=390), "distribution_shift", False),  # a few odd batches only
        (Unlearnt(), answers(0.85, 0.5), "divergence", True),
        (Unlearnt(), answers(0.85, 0.8), "divergence", False),
        (Unlearnt(), answers(0.6, 0.9), "divergence", False),  # as everything that is learnt
        (Unlearnt(), answers(0.5, 0.5), "divergence", False),
    ],
)
def test_a_share_that_falls_at_one_step_is_told(rule: Rule, series: dict[str, Values], kind: str, told: bool) -> None:
    found = judge(rule, STEPS, series)
    assert [(symptom.kind, symptom.severity) for symptom in found] == ([(kind, "warning")] if told else [])


def test_the_step_at_which_it_fell_is_told() -> None:
    fallen = read_fall(context_of(STEPS, answers(0.9, 0.5)), tags.FIT_PAIRS_OWN, tags.FIT_PAIRS, ANSWERS)
    assert fallen is not None and abs(fallen.step - BROKE) <= 12
    assert fallen.window == (fallen.step, STEPS)
    assert fallen.before == pytest.approx(0.9, abs=0.05) and fallen.after == pytest.approx(0.5, abs=0.08)


def test_boxes_of_one_step_that_share_a_fate_are_not_counted_one_by_one() -> None:
    """Whole images win or lose: with thirty boxes each, a hundred of them fall by accident."""
    draw = np.random.default_rng(5)
    wins = {step: 30.0 * draw.binomial(1, 0.7 if step <= BROKE else 0.6) for step in MEASURED}
    series: dict[str, Values] = {
        tags.PAIRING_BEATS_OTHER: wins,
        tags.PAIRING_BOXES: dict.fromkeys(MEASURED, 30.0),
    }
    assert judge(BoxesCameOff(), STEPS, series) == ()


def test_a_share_of_equal_clusters_falls_nowhere() -> None:
    assert share_fall(np.full(50, 3.0), np.full(50, 4.0), least=40) is None


def test_the_cut_leaves_enough_on_both_sides() -> None:
    hits = np.r_[np.full(40, 4.0), np.full(6, 0.0)]
    found = share_fall(hits, np.full(46, 4.0), least=8)
    assert found is not None and found.index == 38
