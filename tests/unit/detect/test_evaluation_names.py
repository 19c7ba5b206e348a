"""Detections whose categories the ground truth numbers in another way."""

from __future__ import annotations

import pytest
from unit.detect.judging import judge

from dettui.detect.evaluation_names import ForeignCategories
from dettui_probe import tags

STEPS = 300
EVALUATED = range(100, STEPS + 1, 100)


@pytest.mark.parametrize(
    ("foreign", "never", "precision", "told"),
    [
        (0.3, 1.0, 0.01, True),
        (0.9, 0.0, 0.01, False),  # evaluated on persons alone
        (0.0, 2.0, 0.01, False),  # it names few categories yet
        (0.3, 1.0, 0.7, False),  # and does well
    ],
)
def test_ids_that_are_not_there_and_ids_that_are_left_out_are_asked_for(
    foreign: float, never: float, precision: float, told: bool
) -> None:
    series = {
        tag: dict.fromkeys(EVALUATED, value)
        for tag, value in ((tags.EVAL_FOREIGN, foreign), (tags.EVAL_NEVER_NAMED, never), ("eval/mAP", precision))
    }
    assert [(s.kind, s.severity, s.key) for s in judge(ForeignCategories(), STEPS, series)] == (
        [("bad_evaluation", "warning", "categories")] if told else []
    )
