"""Inputs that are no images of a known head: blank ones, numbers of 0-255, and what is no number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scenarios.build import Values
from unit.detect.judging import CLASSIFIER, context_of, judge

from dettui.detect.inputs import BadInputs
from dettui.detect.signals import signals_of
from dettui_probe import tags

STEPS = 40
OTHER = {"family": "unknown", "num_classes": None, "background": None}


def given(prefix: str = tags.BATCH, mean: float = 0.1, std: float = 1.0, most: float = 3.0) -> dict[str, Values]:
    return {prefix + "mean": mean, prefix + "std": std, prefix + "min": -most, prefix + "max": most}


def raw(prefix: str = tags.BATCH) -> dict[str, Values]:
    return {prefix + "mean": 110.0, prefix + "std": 60.0, prefix + "min": 0.0, prefix + "max": 255.0}


def told(series: dict[str, Values], **setting: Any) -> list[tuple[str, str]]:
    """Key and severity of each symptom."""
    return [(s.key, s.severity) for s in judge(BadInputs(), STEPS, series, **{**OTHER, **setting})]


# --- blank rows -------------------------------------------------------------------------------------------------


def blank(training: float, evaluation: float | None, **changes: Values) -> dict[str, Values]:
    """Shares of inputs that hold one and the same number each."""
    series = {**given(), tags.BATCH_CONSTANT: training}
    if evaluation is not None:
        series[tags.EVAL_BATCH_CONSTANT] = dict.fromkeys((10, 20, 30), evaluation)
    return {**series, **changes}


def test_blank_inputs_that_evaluations_do_not_have_are_critical() -> None:
    assert told(blank(0.5, 0.0)) == [("constant", "critical")]


@pytest.mark.parametrize(
    ("training", "evaluation"),
    [
        (0.2, 0.0),  # mostly padding, or empty patches of a scan
        (0.5, 0.5),  # as the data are
        (0.5, None),  # nothing to compare with
    ],
)
def test_a_few_blank_inputs_and_those_that_evaluations_have_as_well_are_silent(
    training: float, evaluation: float | None
) -> None:
    assert told(blank(training, evaluation)) == []


def test_one_blank_evaluation_batch_is_enough_to_be_silent() -> None:
    assert told(blank(0.5, None, **{tags.EVAL_BATCH_CONSTANT: {10: 0.0, 20: 0.2, 30: 0.0}})) == []


def test_images_are_counted_as_such_and_not_twice() -> None:
    images: dict[str, Values] = {tags.IMAGE_CONSTANT: 0.0}
    assert told({**blank(0.5, 0.0), **images}) == []


def test_blank_rows_are_known_to_the_diagnosis() -> None:
    def share(series: dict[str, Values]) -> float | None:
        return signals_of(context_of(STEPS, series, **OTHER)).images_constant_share

    assert share(blank(0.5, 0.0)) == pytest.approx(0.5)
    assert share(blank(0.2, 0.0)) is None


# --- numbers of 0-255 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "norms", "family", "severity"),
    [
        (tags.BATCH, 0.0, "unknown", "warning"),  # plain numbers
        (tags.IMAGE, 0.0, "unknown", "info"),  # images, which many models divide by themselves
        (tags.BATCH, 4.0, "unknown", "info"),  # the first BatchNorm divides
        (tags.IMAGE, 0.0, "classification", "warning"),
        (tags.BATCH, 4.0, "classification", "warning"),
    ],
)
def test_0_255_is_unexpected_for_plain_numbers_and_for_classifiers(
    prefix: str, norms: float, family: str, severity: str
) -> None:
    assert told({**raw(prefix), tags.NORM_TRAINING: norms}, family=family) == [("range_255", severity)]


def test_usual_numbers_are_silent() -> None:
    assert told(given()) == []


# --- no numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", [tags.BATCH_NONFINITE, tags.IMAGE_NONFINITE])
def test_an_input_that_is_no_number_is_critical_at_once(tag: str) -> None:
    (found,) = judge(BadInputs(), STEPS, {**given(), tag: {7: 1.0, 8: 0.0}}, **CLASSIFIER)
    assert (found.key, found.severity, found.exact, found.evidence[0].tag) == ("nonfinite", "critical", True, tag)


def test_inputs_and_images_of_one_step_are_not_added_up() -> None:
    series = {**given(), tags.BATCH_NONFINITE: {7: 2.0}, tags.IMAGE_NONFINITE: {7: 1.0}}
    (found,) = judge(BadInputs(), STEPS, series, **CLASSIFIER)
    assert found.title == "NaN or infinity in 2 inputs"
    assert signals_of(context_of(STEPS, series, **CLASSIFIER)).images_nonfinite == 2.0


def test_inputs_of_which_none_has_a_statistic_are_still_told() -> None:
    """A column that was divided by a deviation of 0 is NaN in every batch, and leaves none of them a mean."""
    series: dict[str, Values] = {tags.BATCH_NONFINITE: np.where(np.arange(STEPS) == 7, 1.0, 0.0)}
    assert told(series) == [("nonfinite", "critical")]


@pytest.mark.parametrize(("series", "known"), [({tags.BATCH_NONFINITE: 0.0}, 0.0), ({}, None)])
def test_absence_of_the_check_is_no_zero(series: dict[str, Values], known: float | None) -> None:
    assert signals_of(context_of(STEPS, {**given(), **series}, **CLASSIFIER)).images_nonfinite == known


# --- next to nothing --------------------------------------------------------------------------------------------


def faint(loss: float, score: float | None, std: float = 0.001) -> list[tuple[str, str]]:
    """Inputs of a size of *std* to a detector whose loss falls from 2 to *loss*, with an evaluation every 20 steps."""
    steps = 200
    series: dict[str, Values] = {
        **given(tags.IMAGE, mean=std, std=std, most=3 * std),
        tags.LOSS_TOTAL: loss + (2.0 - loss) * 0.98 ** np.arange(steps),
    }
    if score is not None:
        series["eval/mAP50"] = dict.fromkeys(range(20, steps + 1, 20), score)
    found = judge(BadInputs(), steps, series, **{**OTHER, "total_steps": steps})
    return [(s.key, s.severity) for s in found]


def test_faint_inputs_of_which_nothing_is_learnt_are_told() -> None:
    assert faint(loss=1.99, score=None) == [("tiny", "warning")]


def test_a_loss_that_fell_as_far_as_it_can_be_guessed_is_no_excuse_where_nothing_is_found() -> None:
    assert faint(loss=1.0, score=0.005) == [("tiny", "warning")]


def test_faint_inputs_of_which_much_is_learnt_are_no_news() -> None:
    assert faint(loss=0.3, score=0.6) == []
    assert faint(loss=1.99, score=None, std=0.3) == []


def normalised(prefix: str, deviation: float) -> list[str]:
    """Keys of what is told of pixels around -1.6 with that *deviation*, of which nothing is learnt."""
    steps = 200
    ends: dict[str, Values] = {prefix + "min": -1.6 - 2 * deviation, prefix + "max": -1.6 + 2 * deviation}
    series = {**given(prefix, mean=-1.6, std=deviation), **ends, tags.LOSS_TOTAL: 2.0}
    found = judge(BadInputs(), steps, series, **{**OTHER, "total_steps": steps})
    return [s.key for s in found]


def test_images_that_were_normalised_after_a_second_division_are_nearly_of_one_colour() -> None:
    assert normalised(tags.IMAGE, 0.003) == ["tiny"]
    assert normalised(tags.IMAGE, 0.5) == []
    assert normalised(tags.BATCH, 0.003) == []  # a quantity that hardly varies may be meant so
