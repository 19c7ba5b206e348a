"""Mode, BatchNorm, LR against batch and warnings: on either side of each limit."""

from __future__ import annotations

from typing import Any

import pytest
from scenarios.build import Setting, run_messages
from scenarios.play import store_of

from dettui.detect.context import Context
from dettui.detect.setup import Setup
from dettui.domain.finding import Abstention
from dettui_probe import tags, wire

STEPS = 10
SOUND = {tags.EVAL_MODE: 0.0, tags.NORM_POISONED: 0.0, tags.NORM_TRAINING: 0.0}


def judge(setting: Setting | None = None, **series: Any) -> dict[str, tuple[str, str, bool]]:
    """Kind, severity and exactness by key."""
    store = store_of(run_messages(STEPS, setting=setting or Setting(), **{**SOUND, **series}))
    found = Setup().evaluate(Context(store, STEPS))
    assert not isinstance(found, Abstention)
    return {symptom.key: (symptom.kind, symptom.severity, symptom.exact) for symptom in found}


def warned(text: str) -> Setting:
    return Setting(events=(wire.Event(0, 1.5e9, "warning", text),))


def test_a_sound_set_up_raises_nothing() -> None:
    assert judge() == {}


def test_a_stream_without_these_series_abstains() -> None:
    store = store_of(run_messages(STEPS, **{tags.LOSS_TOTAL: 1.0}))
    assert isinstance(Setup().evaluate(Context(store, STEPS)), Abstention)


def test_statistics_that_are_no_numbers_are_critical_at_once() -> None:
    store = store_of(run_messages(1, **{tags.NORM_POISONED: 3.0}))
    found = Setup().evaluate(Context(store, 1))
    assert not isinstance(found, Abstention)
    assert [(one.kind, one.severity, one.exact) for one in found] == [("non_finite", "critical", True)]


def test_three_steps_in_evaluation_mode_are_a_warning_and_two_are_not() -> None:
    mode = [0.0] * 7 + [1.0] * 3
    assert judge(**{tags.EVAL_MODE: mode})[tags.EVAL_MODE] == ("config_smell", "warning", True)
    assert judge(**{tags.EVAL_MODE: [0.0] * 8 + [1.0] * 2}) == {}


def test_batchnorm_over_two_images_is_news_and_over_four_is_not() -> None:
    small = {tags.NORM_TRAINING: 5.0, tags.BATCH_SIZE: 4.0, tags.MICRO_STEPS: 2.0}
    assert judge(**small)[tags.NORM_TRAINING] == ("config_smell", "info", True)
    assert judge(**{**small, tags.MICRO_STEPS: 1.0}) == {}


@pytest.mark.parametrize(("now", "severity"), [(2.0, "warning"), (1.0, "info")])
def test_batchnorm_over_two_rows_is_a_warning_once_the_loss_has_not_moved(now: float, severity: str) -> None:
    steps = 240
    loss = [2.0] * 20 + [now] * (steps - 20)
    series = {**SOUND, tags.NORM_TRAINING: 3.0, tags.ROWS: 2.0, tags.LOSS_TOTAL: loss}
    found = Setup().evaluate(Context(store_of(run_messages(steps, **series)), steps))
    assert not isinstance(found, Abstention)
    assert [(one.kind, one.severity) for one in found] == [("config_smell", severity)]


@pytest.mark.parametrize(
    ("images", "kept", "severity"),
    [
        (2.0, 0.75, "warning"),
        (2.0, 0.65, "info"),
        (1.0, 0.75, "warning"),
        (3.0, 0.75, "info"),  # three images average out more, and the loss has moved
        (3.0, 0.95, "warning"),
    ],
)
def test_on_two_images_more_of_the_loss_must_have_gone(images: float, kept: float, severity: str) -> None:
    assert severity_on(images, first=2.0, now=2.0 * kept) == severity


@pytest.mark.parametrize(("now", "severity"), [(1.8, "warning"), (1.5, "info")])
def test_a_loss_that_began_far_above_a_guess_must_fall_below_it(now: float, severity: str) -> None:
    """From 4.6, twice ln 10, a network comes down to a guess by learning nothing: 1.61 is 0.7 of that guess."""
    assert severity_on(2.0, first=4.6, now=now, family="classification", num_classes=10) == severity


def test_the_loss_of_a_detector_is_not_held_against_a_guesser_of_classes() -> None:
    """Its terms of boxes stay above the entropy of the classes, however well it learns."""
    steps, setting = 240, Setting(family="torchvision.FCOS", background=None, targets=(0.0, 2.0, 2.0, 2.0))
    loss = [2.8] * 20 + [1.1] * (steps - 20)  # ln 3 is 1.1
    series = {**SOUND, tags.NORM_TRAINING: 3.0, tags.BATCH_SIZE: 2.0, tags.TARGET_BOXES: 6.0, tags.LOSS_TOTAL: loss}
    found = Setup().evaluate(Context(store_of(run_messages(steps, setting=setting, **series)), steps))
    assert not isinstance(found, Abstention)
    assert [one.severity for one in found] == ["info"]


@pytest.mark.parametrize(
    ("images", "passes", "boxes", "severity"),
    [
        (2.0, 1.0, True, "warning"),
        (4.0, 2.0, True, "info"),  # accumulated: the small pass is a choice
        (3.0, 1.0, True, "info"),
        (2.0, 1.0, False, "info"),
    ],
)
def test_a_detector_whose_batchnorm_sees_two_images_is_warned_of(
    images: float, passes: float, boxes: bool, severity: str
) -> None:
    steps = 240
    loss = [2.8] * 20 + [0.6] * (steps - 20)
    series = {**SOUND, tags.NORM_TRAINING: 3.0, tags.BATCH_SIZE: images, tags.MICRO_STEPS: passes}
    series |= {tags.LOSS_TOTAL: loss, **({tags.TARGET_BOXES: 6.0} if boxes else {})}
    found = Setup().evaluate(Context(store_of(run_messages(steps, **series)), steps))
    assert not isinstance(found, Abstention)
    assert [one.severity for one in found] == [severity]


def severity_on(images: float, first: float, now: float, **setting: Any) -> str:
    """Of the symptom of a BatchNorm over *images*, where the loss went from *first* to *now*."""
    steps = 240
    loss = [first] * 20 + [now] * (steps - 20)
    series = {**SOUND, tags.NORM_TRAINING: 3.0, tags.ROWS: images, tags.LOSS_TOTAL: loss}
    found = Setup().evaluate(Context(store_of(run_messages(steps, setting=Setting(**setting), **series)), steps))
    assert not isinstance(found, Abstention)
    (symptom,) = found
    return symptom.severity


@pytest.mark.parametrize(("lr", "told"), [(0.04, True), (0.01, False), (0.0002, False)])
def test_an_lr_far_above_the_recipe_for_the_batch_is_information(lr: float, told: bool) -> None:
    found = judge(**{tags.LR + "0": lr, tags.BATCH_SIZE: 4.0})
    assert found == ({tags.LR + "0": ("config_smell", "info", True)} if told else {})


def test_no_recipe_is_known_for_adam() -> None:
    assert judge(Setting(optimizer="AdamW"), **{tags.LR + "0": 1.0, tags.BATCH_SIZE: 4.0}) == {}


def test_an_argument_that_the_library_left_out_is_told() -> None:
    setting = warned("Argument(s) 'var_limit' are not valid for transform GaussNoise")
    assert judge(setting)["event/warning"] == ("bad_augmentation", "warning", True)
    assert judge(warned("torch.meshgrid: in an upcoming release")) == {}
