"""A network smaller than its training set, a batch of one or two, an epoch of a few steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scenarios.build import Values
from scenarios.shapes import decay, grid, noisy, step_lr
from unit.detect.judging import CLASSIFIER, context_of, judge

from dettui.detect.amounts import examples_at_least, targets_of_input, weights_per_example
from dettui.detect.base import Rule
from dettui.detect.progress.slow_descent import ShortSteps
from dettui.detect.signals import signals_of
from dettui.detect.sizes import SmallNetwork, TinyBatch
from dettui.diagnose.weigh import diagnose
from dettui.domain.finding import Abstention, Finding
from dettui_probe import tags

STEPS = 400
SMALL: dict[str, Any] = {**CLASSIFIER, "parameters": 500, "steps_per_epoch": 100, "total_steps": STEPS}
"""500 weights for the 1,600 examples of 100 steps of 16."""
TINY: dict[str, Any] = {**CLASSIFIER, "targets": [0.2] * 10}
"""Ten classes, two targets a step."""


def stuck(**changes: Values) -> dict[str, Values]:
    """Answers that are right in half of the cases, and a loss that stays at 1.2 of 2.3."""
    return {
        tags.LOSS_TOTAL: noisy(decay(STEPS, 2.3, 1.2, 10.0, 2.0), np.random.default_rng(1), 0.05),
        tags.FIT_ACCURACY: 0.5,
        tags.ROWS: 16.0,
        tags.ROWS_NEW: 4.0,
        tags.MICRO_STEPS: 1.0,
        **changes,
    }


def is_small(series: dict[str, Values], steps: int = STEPS, **setting: Any) -> bool:
    found = judge(SmallNetwork(), steps, series, **{**SMALL, **setting})
    assert [(s.kind, s.severity, s.key) for s in found] in ([], [("plateau", "warning", "small")])
    return bool(found)


def test_fewer_weights_than_examples_and_bad_answers_to_them_are_told() -> None:
    assert is_small(stuck())


def test_a_network_that_could_learn_them_by_heart_is_silent() -> None:
    assert not is_small(stuck(), parameters=1_700)


def test_a_small_network_that_answers_well_is_large_enough() -> None:
    assert not is_small(stuck(**{tags.FIT_ACCURACY: 0.85}))


def test_without_answers_the_level_of_the_loss_is_asked() -> None:
    untold = stuck()
    del untold[tags.FIT_ACCURACY]
    assert is_small(untold, family="unknown", num_classes=None)
    solved = noisy(decay(STEPS, 2.3, 0.1, 10.0, 2.0), np.random.default_rng(1), 0.05)
    assert not is_small({**untold, tags.LOSS_TOTAL: solved}, family="unknown", num_classes=None)


@pytest.mark.parametrize(("common", "told"), [(64.0, False), (600.0, True)])
def test_answers_for_tokens_are_held_against_the_commonest_class(common: float, told: bool) -> None:
    """Half of them are right: of ten classes alike, that is a model of language, and of one that half are of, none."""
    assert is_small(stuck(), targets=[common] + [64.0] * 9) is told


def test_a_run_that_has_not_met_its_examples_twice_is_not_judged() -> None:
    assert not is_small(stuck(), steps_per_epoch=250, total_steps=None)


def test_a_loss_that_still_falls_is_waited_for_until_the_end() -> None:
    falling = stuck(**{tags.LOSS_TOTAL: noisy(np.linspace(2.3, 1.2, STEPS), np.random.default_rng(1), 0.02)})
    assert not is_small(falling, total_steps=4 * STEPS)
    assert is_small(falling, total_steps=STEPS)


def test_a_small_network_is_named_before_the_schedule_and_the_noise() -> None:
    series = stuck(**{tags.LR + "0": 0.01, tags.GRAD_AGREEMENT: 0.0, tags.UPDATE_RATIO: 1e-3})
    context = context_of(STEPS, series, **SMALL)
    (symptom,) = SmallNetwork().evaluate(context)  # type: ignore[misc]
    finding = Finding("plateau", "warning", "active", 1, STEPS, STEPS, symptom.title, symptom.evidence)
    (found,) = diagnose([finding], signals_of(context), context.model, (), STEPS).findings
    assert found.causes[0].id == "capacity_too_small"
    assert "0.31 weights for each training example" in found.causes[0].supports[0]


def test_examples_are_counted_by_the_epoch_and_by_what_was_new() -> None:
    declared = context_of(STEPS, stuck(), **SMALL)
    assert examples_at_least(declared) == 1_600
    assert weights_per_example(declared) == pytest.approx(500 / 1_600)
    counted = context_of(STEPS, stuck(), **{**SMALL, "steps_per_epoch": None})
    assert examples_at_least(counted) == 4 * STEPS
    accumulated = context_of(STEPS, stuck(**{tags.MICRO_STEPS: 2.0}), **SMALL)
    assert examples_at_least(accumulated) == 3_200


def test_inputs_of_which_none_comes_again_may_be_few_that_are_augmented() -> None:
    augmented = stuck(**{tags.ROWS_NEW: 16.0})
    untold = context_of(STEPS, augmented, **{**SMALL, "steps_per_epoch": None})
    assert examples_at_least(untold) is None
    assert isinstance(SmallNetwork().evaluate(untold), Abstention)
    assert is_small(augmented)  # where the epoch is known, its length is


def test_targets_are_counted_for_each_input() -> None:
    context = context_of(STEPS, stuck(), **{**SMALL, "targets": [1.6] * 10})
    assert targets_of_input(context) == pytest.approx(1.0, abs=0.2)


# --- a batch of one or two --------------------------------------------------------------------------------------


def noise(rows: float = 2.0, level: float = 1.5, agreement: float = 0.02, **changes: Values) -> dict[str, Values]:
    loss = noisy(decay(STEPS, 2.3, level, 30.0, 2.0), np.random.default_rng(1), 0.3)
    agreements = agreement + 0.3 * np.random.default_rng(2).standard_normal(STEPS)
    series: dict[str, Values] = {tags.LOSS_TOTAL: loss, tags.ROWS: rows, tags.MICRO_STEPS: 1.0}
    return {**series, tags.GRAD_AGREEMENT: agreements, **changes}


def is_tiny(series: dict[str, Values], steps: int = STEPS, **setting: Any) -> bool:
    found = judge(TinyBatch(), steps, series, **{**TINY, **setting})
    assert [(s.kind, s.severity, s.key) for s in found] in ([], [("config_smell", "warning", "tiny_batch")])
    return bool(found)


@pytest.mark.parametrize("rows", [1.0, 2.0])
def test_steps_after_one_or_two_examples_are_told(rows: float) -> None:
    assert is_tiny(noise(rows), targets=[rows / 10] * 10)


@pytest.mark.parametrize(
    "series",
    [
        noise(4.0),  # a batch that averages
        noise(level=0.3),  # that learns all the same
        noise(agreement=0.3),  # whose gradients agree
        noise(**{tags.MICRO_STEPS: 8.0}),  # that is accumulated
    ],
)
def test_small_batches_that_are_no_fault_are_silent(series: dict[str, Values]) -> None:
    assert not is_tiny(series)


def test_two_sequences_of_a_model_of_language_are_thousands_of_targets() -> None:
    assert not is_tiny(noise(), targets=[100.0] * 10)


@pytest.mark.parametrize(("tokens", "told"), [(30.0, True), (80.0, False)])
def test_one_sentence_is_few_targets(tokens: float, told: bool) -> None:
    assert is_tiny(noise(1.0), targets=[tokens / 10] * 10) is told


def test_two_images_of_a_detector_are_hundreds_of_places() -> None:
    detector = {"family": "torchvision.RetinaNet", "num_classes": 10}
    assert not is_tiny(noise(), **detector)


def test_two_hundred_steps_are_waited_for() -> None:
    short = {tag: values[:190] if isinstance(values, np.ndarray) else values for tag, values in noise().items()}
    assert not is_tiny(short, steps=190)


@pytest.mark.parametrize("rule", [SmallNetwork(), TinyBatch()])
def test_without_the_inputs_of_a_step_the_rules_abstain(rule: Rule) -> None:
    blind = {tags.LOSS_TOTAL: stuck()[tags.LOSS_TOTAL]}
    assert isinstance(rule.evaluate(context_of(STEPS, blind, **CLASSIFIER)), Abstention)


# --- an epoch of a few steps ------------------------------------------------------------------------------------


def careful(agreement: float = 0.4, overshoot: float = -0.35, **changes: Values) -> dict[str, Values]:
    """A loss that falls from 2.4 to 1.9, with gradients that ask for more of the step before."""
    return {
        tags.LOSS_TOTAL: noisy(1.9 + 0.5 * np.exp(-grid(STEPS) / 60), np.random.default_rng(1), 0.02),
        tags.GRAD_AGREEMENT: agreement,
        tags.UPDATE_OVERSHOOT: overshoot,
        tags.ROWS: 32.0,
        tags.MICRO_STEPS: 1.0,
        tags.LR + "0": 0.001,
        **changes,
    }


def is_short(series: dict[str, Values], epoch: int | None = 6) -> bool:
    found = judge(ShortSteps(), STEPS, series, steps_per_epoch=epoch)
    assert [(s.kind, s.severity, s.key) for s in found] in ([], [("slow_descent", "warning", "short")])
    return bool(found)


def test_an_epoch_of_a_few_careful_steps_is_told() -> None:
    assert is_short(careful())


def test_the_same_steps_are_usual_where_an_epoch_has_many() -> None:
    assert not is_short(careful(), epoch=100)
    assert not is_short(careful(), epoch=None)


@pytest.mark.parametrize(
    "series",
    [
        careful(0.1, -0.55),  # hardly agree
        careful(0.5, -0.05),  # ask for nothing more
        careful(0.3, -0.26),  # a little of both
        careful(**{tags.ROWS: 8.0}),  # few examples, and no large batch
        careful(**{tags.LR + "0": step_lr(STEPS, 0.001, (250,), 0.01)}),  # short by design
    ],
)
def test_usual_steps_of_a_small_training_set_are_silent(series: dict[str, Values]) -> None:
    assert not is_short(series)
