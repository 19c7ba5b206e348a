"""A few inputs, met again and again, and what was learnt of them in evaluations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scenarios.build import Values
from scenarios.shapes import decay, noisy
from unit.detect.judging import context_of, judge

from dettui.detect.few_inputs import FewInputs
from dettui.detect.signals import signals_of
from dettui.diagnose.weigh import diagnose
from dettui.domain.finding import Abstention, Finding
from dettui_probe import tags

STEPS = 400
MEASURED = range(4, STEPS + 1, 4)
EVALUATED = range(40, STEPS + 1, 40)


def few(inputs: int = 40, loss: float = 0.02, evaluation: float = 0.5, **changes: Values) -> dict[str, Values]:
    """*inputs* in batches of eight, whose loss falls from 2 to *loss*; evaluations come down to *evaluation*."""
    met = {step: float(min(8, max(0, inputs - 8 * i))) for i, step in enumerate(MEASURED)}
    return {
        tags.LOSS_TOTAL: noisy(decay(STEPS, 2.0, loss, 20.0, 4.0), np.random.default_rng(1), 0.05),
        tags.ROWS: dict.fromkeys(MEASURED, 8.0),
        tags.ROWS_NEW: met,
        tags.BATCH_LAG: dict.fromkeys(MEASURED, 0.0),
        "eval/loss": {step: evaluation + 0.5 * 0.5 ** (step / 40) for step in EVALUATED},
        **changes,
    }


def scored(score: float, loss: float = 0.002, **changes: Values) -> dict[str, Values]:
    """The same of a detector, which is evaluated by its score alone."""
    series = {**few(loss=loss), "eval/mAP50": {step: score * (1 - 0.5 ** (step / 40)) for step in EVALUATED}, **changes}
    del series["eval/loss"]
    return series


def is_told(series: dict[str, Values], **setting: Any) -> bool:
    found = judge(FewInputs(), STEPS, series, **setting)
    assert [(s.kind, s.severity, s.key) for s in found] in ([], [("overfit", "warning", "few_inputs")])
    return bool(found)


def test_forty_inputs_that_are_learnt_by_heart_are_told_whatever_the_loss() -> None:
    assert is_told(few())
    assert is_told(scored(0.15))


@pytest.mark.parametrize("of_training", [1.0, 2.0])
def test_evaluations_that_cost_little_more_than_training_are_silent(of_training: float) -> None:
    assert not is_told(few(loss=0.3, evaluation=0.3 * of_training))


def test_evaluations_that_are_fine_are_silent_however_small_the_training_loss() -> None:
    assert not is_told(few(loss=1e-4, evaluation=0.03))


@pytest.mark.parametrize(("inputs", "loss", "told"), [(40, 0.005, True), (120, 0.005, False), (40, 0.05, False)])
def test_of_very_few_inputs_a_lesser_loss_of_evaluations_is_told(inputs: int, loss: float, told: bool) -> None:
    """0.07 is less than a tenth of the first loss, and many times what training costs."""
    assert is_told(few(inputs=inputs, loss=loss, evaluation=0.07)) == told


@pytest.mark.parametrize(
    ("inputs", "evaluation", "severity"), [(150, 0.3, "info"), (150, 0.9, "warning"), (40, 0.3, "warning")]
)
def test_some_inputs_are_news_only_where_much_of_what_is_learnt_holds_for_others(
    inputs: int, evaluation: float, severity: str
) -> None:
    evaluated = {step: evaluation + 1.8 * 0.5 ** (step / 40) for step in EVALUATED}
    (found,) = judge(FewInputs(), STEPS, few(inputs, 0.005, **{"eval/loss": evaluated}))
    assert found.severity == severity


def test_a_detector_that_finds_most_is_silent() -> None:
    assert not is_told(scored(0.8))


def test_a_detector_that_has_not_learnt_the_few_by_heart_is_silent() -> None:
    assert not is_told(scored(0.15, loss=0.3))


def test_inputs_that_were_met_a_few_times_are_not_few() -> None:
    assert not is_told(few(inputs=200))


def test_augmented_inputs_are_never_met_again_and_tell_nothing() -> None:
    assert not is_told(few(**{tags.ROWS_NEW: dict.fromkeys(MEASURED, 8.0)}))


def test_of_large_batches_in_one_order_not_all_inputs_were_seen() -> None:
    rows = {tags.ROWS: dict.fromkeys(MEASURED, 32.0), tags.ROWS_NEW: {step: 32.0 * (step == 4) for step in MEASURED}}
    shuffled, in_order = few(**rows), few(**rows, **{tags.BATCH_LAG: dict.fromkeys(MEASURED, 1.0)})
    assert is_told(shuffled)
    assert not is_told(in_order)


def test_without_fingerprints_the_rule_abstains() -> None:
    series = few()
    del series[tags.ROWS_NEW]
    assert isinstance(FewInputs().evaluate(context_of(STEPS, series)), Abstention)


def test_the_size_of_the_data_set_is_named_first() -> None:
    context = context_of(STEPS, few())
    (symptom,) = judge(FewInputs(), STEPS, few())
    finding = Finding("overfit", "warning", "active", 4, STEPS, STEPS, symptom.title, symptom.evidence)
    told = diagnose([finding], signals_of(context), context.model, (), STEPS)
    assert told.causes[0].id == "dataset_too_small"
