"""Weights of terms that nobody tells, as the graph of the loss shows them."""

from __future__ import annotations

import pytest
from scenarios.build import Values
from unit.detect.judging import context_of, judge

from dettui.detect.signals import signals_of
from dettui.detect.term_weights import UntoldWeights
from dettui.domain.finding import Abstention
from dettui_probe import tags

STEPS = 300
DETECTOR = {"family": "unknown", "num_classes": None, "background": None, "class_names": (), "total_steps": STEPS}


def run(apart: float, *scores: float, **more: Values) -> dict[str, Values]:
    """A detector with evaluations over its whole run."""
    evaluations = {STEPS * i // len(scores): score for i, score in enumerate(scores, start=1)}
    return {tags.TARGET_BOXES: 10.0, tags.GRAPH_APART: {2: apart, 66: apart}, "eval/mAP50": evaluations, **more}


def is_told(series: dict[str, Values], steps: int = STEPS) -> bool:
    found = judge(UntoldWeights(), steps, series, **DETECTOR)
    assert [(s.kind, s.severity, s.key) for s in found] in ([], [("config_smell", "warning", "untold")])
    return bool(found)


@pytest.mark.parametrize("apart", [75.0, 250.0, 5000.0])
def test_a_detector_whose_terms_lie_far_apart_and_that_finds_little_is_told(apart: float) -> None:
    assert is_told(run(apart, 0.01, 0.1, 0.14))


def test_weights_that_recipes_use_are_silent() -> None:
    """Of twelve detectors the furthest apart are those of an EfficientDet, which weighs its boxes by 50."""
    assert not is_told(run(50.0, 0.01, 0.1, 0.14))


def test_a_detector_that_finds_its_objects_all_the_same_is_left_alone() -> None:
    assert not is_told(run(1000.0, 0.1, 0.6, 0.4))


def test_the_first_half_of_a_run_is_too_early() -> None:
    early = run(250.0, 0.01)
    early["eval/mAP50"] = {50: 0.01, 100: 0.02}
    assert not is_told(early, steps=140)


@pytest.mark.parametrize(
    "series",
    [
        run(250.0, 0.1) | {"loss/box": 1.0, "loss/class": 1.0},  # then the terms themselves tell
        run(250.0, 0.1) | {tags.GRAPH_PENALTY: 1.0},
        {tags.GRAPH_APART: 250.0, "eval/mAP50": {STEPS: 0.1}},  # no detector
        {tags.TARGET_BOXES: 10.0, tags.GRAPH_APART: 250.0},  # nothing tells what it finds
        run(250.0, 0.1) | {tags.GRAPH_APART: {}},
    ],
)
def test_it_abstains_where_it_cannot_know(series: dict[str, Values]) -> None:
    series = {tag: values for tag, values in series.items() if values != {}}
    assert isinstance(UntoldWeights().evaluate(context_of(STEPS, series, **DETECTOR)), Abstention)


def test_the_diagnosis_knows_how_far_they_are_apart() -> None:
    assert signals_of(context_of(STEPS, run(250.0, 0.1), **DETECTOR)).untold_weights_apart == 250.0
