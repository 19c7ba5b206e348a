"""Losses of detectors that came down at first and have stood since."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scenarios.build import Values
from scenarios.shapes import noisy
from unit.detect.judging import context_of, judge

from dettui.detect.standstill import Standstill
from dettui.domain.finding import Abstention
from dettui_probe import tags

STEPS = 300
MEASURED = range(4, STEPS + 1, 4)
RUN: dict[str, Any] = {"total_steps": STEPS, "family": "unknown"}


def detector(gained: float = 0.02, start: float = 10.0, early: float = 4.0, own: float = 0.5) -> dict[str, Values]:
    """A loss that fell from *start* to *early* within a tenth of the run, and by *gained* of that since; *own*: share
    of the pairs of objects whose answers fit their own classes."""
    draw = np.random.default_rng(3)
    steps = np.arange(STEPS)
    levels = early * (1 - gained * steps / STEPS) + (start - early) * np.exp(-steps / 8.0)
    return {
        tags.LOSS_TOTAL: noisy(levels, draw, 0.05),
        tags.LR + "0": 0.01,
        tags.TARGET_BOXES: dict.fromkeys(MEASURED, 8.0),
        tags.FIT_PAIRS: dict.fromkeys(MEASURED, 2.0),
        tags.FIT_PAIRS_OWN: {step: float(draw.binomial(2, own)) for step in MEASURED},
    }


def is_told(series: dict[str, Values], **setting: Any) -> bool:
    found = judge(Standstill(), STEPS, series, **{**RUN, **setting})
    assert [(s.kind, s.severity, s.key) for s in found] in ([], [("not_learning", "warning", "standstill")])
    return bool(found)


def test_a_loss_that_came_down_at_first_and_stood_since_is_told_where_answers_fit_no_object() -> None:
    assert is_told(detector())


@pytest.mark.parametrize(
    "changes",
    [
        {"gained": 0.3},  # it still learns
        {"early": 9.0},  # a fine-tune, which begins at its floor, or what has its own rule
        {"early": 0.5},  # nothing is left to learn
        {"own": 0.95},  # objects are told apart
    ],
)
def test_a_detector_that_learns_is_left_alone(changes: dict[str, float]) -> None:
    assert not is_told(detector(**changes))


def test_heads_that_are_known_have_rules_of_their_own() -> None:
    assert not is_told(detector(), family="torchvision.FCOS")


def test_a_score_tells_better() -> None:
    assert not is_told(detector() | {"eval/mAP50": dict.fromkeys(range(40, STEPS + 1, 40), 0.3)})


def test_most_of_a_run_has_to_be_over() -> None:
    assert not is_told(detector(), total_steps=2 * STEPS)
    assert not is_told(detector(), total_steps=None)


def test_a_resumed_run_came_down_before() -> None:
    assert not is_told(detector(), start_step=500)


def test_without_boxes_nothing_is_said() -> None:
    series = detector()
    del series[tags.TARGET_BOXES]
    assert isinstance(Standstill().evaluate(context_of(STEPS, series, **RUN)), Abstention)
