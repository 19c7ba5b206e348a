"""A later start of a run: one that goes on must bring its optimizer's state along, one from scratch has none."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from scenarios.build import Setting, Values, resumed, run_messages
from scenarios.play import store_of
from scenarios.shapes import decay, noisy

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.detect.resume import LostState
from dettui.domain.finding import Abstention
from dettui_probe import tags

FIRST, SECOND = 400, 60
Curve = NDArray[np.float64]


def fresh(steps: int, *at: int) -> Curve:
    """1 where the optimizer began a step without state, by index of the step."""
    values = np.zeros(steps)
    values[list(at)] = 1.0
    return values


def loss(steps: int, start: float, floor: float, seed: int = 0) -> Curve:
    return noisy(decay(steps, start, floor, 40.0), np.random.default_rng(seed), 0.08)


def grown(steps: int, start: float, end: float) -> Curve:
    return np.linspace(start, end, steps)


def judge(first: Mapping[str, Values], second: Mapping[str, Values], second_from: int = 1) -> list[Symptom]:
    """What the rule says at the end of the second start."""
    once = run_messages(FIRST, setting=Setting(), **{tags.FRESH_STATE: fresh(FIRST, 0), **first})
    again = Setting(first_step=second_from)
    messages = resumed(once, again, SECOND, **{tags.FRESH_STATE: fresh(SECOND, 0), **second})
    found = LostState().evaluate(Context(store_of(messages), second_from + SECOND - 1))
    assert not isinstance(found, Abstention)
    return list(found)


def test_a_restart_from_scratch_has_lost_nothing() -> None:
    first = {tags.LOSS_TOTAL: loss(FIRST, 2.3, 0.2), tags.WEIGHT_NORM: grown(FIRST, 20.0, 27.0)}
    second = {tags.LOSS_TOTAL: loss(SECOND, 2.3, 0.2, 1), tags.WEIGHT_NORM: grown(SECOND, 20.1, 21.0)}
    assert judge(first, second) == []


@pytest.mark.parametrize("tag", [tags.LOSS_TOTAL, tags.WEIGHT_NORM])
def test_one_of_loss_and_weights_is_enough_to_tell_a_restart_from_a_resume(tag: str) -> None:
    first = {tags.LOSS_TOTAL: loss(FIRST, 2.3, 0.2), tags.WEIGHT_NORM: grown(FIRST, 20.0, 27.0)}
    scratch = {tags.LOSS_TOTAL: loss(SECOND, 2.3, 0.2, 1), tags.WEIGHT_NORM: grown(SECOND, 20.1, 21.0)}
    goes_on = {tags.LOSS_TOTAL: loss(SECOND, 0.4, 0.2, 1), tags.WEIGHT_NORM: grown(SECOND, 27.1, 27.3)}
    assert judge({tag: first[tag]}, {tag: scratch[tag]}) == []
    (told,) = judge({tag: first[tag]}, {tag: goes_on[tag]})
    assert "where it had ended" in told.evidence[0].text


def test_weights_tell_more_than_a_loss_that_leapt() -> None:
    first = {tags.LOSS_TOTAL: loss(FIRST, 2.3, 0.2), tags.WEIGHT_NORM: grown(FIRST, 20.0, 27.0)}
    leapt = {tags.LOSS_TOTAL: loss(SECOND, 9.0, 2.0, 1), tags.WEIGHT_NORM: grown(SECOND, 27.1, 27.3)}
    assert [s.severity for s in judge(first, leapt)] == ["warning"]


def test_steps_that_go_on_are_a_resume() -> None:
    (told,) = judge({}, {}, second_from=FIRST + 1)
    assert f"its steps go on at {FIRST + 1}" in told.evidence[0].text


@pytest.mark.parametrize("start_step", [0, 1000])
def test_a_script_that_says_where_it_goes_on_from_must_bring_its_state_along(start_step: int) -> None:
    setting = Setting(first_step=start_step + 1, start_step=start_step)
    told = [
        LostState().evaluate(
            Context(store_of(run_messages(SECOND, setting=setting, **{tags.FRESH_STATE: begun})), start_step + SECOND)
        )
        for begun in (fresh(SECOND), fresh(SECOND, 0))
    ]
    assert [len(found) for found in told if not isinstance(found, Abstention)] == [0, 1 if start_step else 0]


def test_a_first_level_after_a_checkpoint_is_no_starting_level() -> None:
    messages = run_messages(SECOND, setting=Setting(first_step=1001, start_step=1000), **{tags.LOSS_TOTAL: 1.0})
    assert Context(store_of(messages), 1000 + SECOND).is_resumed


def test_a_resume_that_brought_its_state_along_is_quiet() -> None:
    assert judge({}, {tags.FRESH_STATE: fresh(SECOND)}, second_from=FIRST + 1) == []


def test_nothing_is_said_where_nothing_tells_a_restart_from_a_resume() -> None:
    level = {tags.LOSS_TOTAL: loss(FIRST, 0.2, 0.2), tags.WEIGHT_NORM: grown(FIRST, 20.0, 20.1)}
    again = {tags.LOSS_TOTAL: loss(SECOND, 0.2, 0.2, 1), tags.WEIGHT_NORM: grown(SECOND, 20.1, 20.1)}
    assert judge(level, again) == []


def test_first_steps_that_a_gradscaler_skips_are_one_beginning() -> None:
    messages = run_messages(FIRST, setting=Setting(), **{tags.FRESH_STATE: fresh(FIRST, 0, 1, 2)})
    assert LostState().evaluate(Context(store_of(messages), FIRST)) == ()
