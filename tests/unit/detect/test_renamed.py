"""Evaluations that call classes by other names than training does."""

from __future__ import annotations

import pytest
from scenarios.build import Values
from unit.detect.judging import CLASSIFIER, context_of, judge

from dettui.detect.evaluation_inputs import EvaluationInputs
from dettui.detect.signals import signals_of
from dettui_probe import tags

STEPS, EVERY = 200, 20


def evaluations(renamed: list[float], judged: float = 6.0) -> dict[str, Values]:
    """One every EVERY steps, the newest last."""
    first = STEPS - EVERY * (len(renamed) - 1)
    steps = range(first, STEPS + 1, EVERY)
    return {
        tags.EVAL_PASSES: dict.fromkeys(steps, 1.0),
        tags.EVAL_RENAMED: dict(zip(steps, renamed, strict=True)),
        tags.EVAL_CLASSES: dict.fromkeys(steps, judged),
    }


def is_told(series: dict[str, Values]) -> bool:
    found = [s for s in judge(EvaluationInputs(), STEPS, series, **CLASSIFIER) if s.key == "names"]
    assert [(s.kind, s.severity) for s in found] in ([], [("bad_evaluation", "warning")])
    return bool(found)


@pytest.mark.parametrize("renamed", [[0.0, 1.0, 3.0, 3.0, 3.0], [2.0, 2.0, 2.0], [0.0, 6.0, 5.0, 6.0]])
def test_classes_that_evaluations_exchange_are_told(renamed: list[float]) -> None:
    assert is_told(evaluations(renamed))


@pytest.mark.parametrize(
    "renamed",
    [
        [0.0, 0.0, 0.0, 0.0],
        [1.0, 1.0, 1.0, 1.0],  # of two exchanged classes both are renamed
        [3.0, 3.0, 0.0],
        [0.0, 3.0, 3.0],
        [3.0, 3.0],
    ],
)
def test_single_classes_and_single_evaluations_are_silent(renamed: list[float]) -> None:
    assert not is_told(evaluations(renamed))


def test_a_few_of_very_many_classes_are_silent() -> None:
    assert not is_told(evaluations([3.0, 3.0, 3.0], judged=100.0))


def test_how_many_are_renamed_is_known_to_the_diagnosis() -> None:
    known = signals_of(context_of(STEPS, evaluations([5.0, 3.0, 4.0]), **CLASSIFIER))
    assert (known.classes_renamed, known.classes_evaluated) == (3.0, 6.0)
