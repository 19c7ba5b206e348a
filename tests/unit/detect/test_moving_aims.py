"""Losses that say nothing of progress: of adversaries, and of what an agent did."""

from __future__ import annotations

import pytest
from scenarios.build import Values
from unit.detect.judging import context_of, judge

from dettui.detect.base import Symptom
from dettui.detect.evaluation_inputs import EvaluationInputs
from dettui.detect.moving_aims import aims_move, tempered
from dettui_probe import tags

STEPS = 300
EACH: dict[str, Values] = {tags.PROBE_OVERHEAD: 0.01, tags.ROWS: 32.0}


def every(steps: int, value: float = 1.0) -> dict[int, float]:
    return dict.fromkeys(range(steps, STEPS + 1, steps), value)


@pytest.mark.parametrize(("turns", "move"), [(1, True), (5, True), (50, False)])
def test_a_rival_that_steps_in_turn_moves_the_aim(turns: int, move: bool) -> None:
    assert aims_move(context_of(STEPS, {**EACH, tags.RIVAL_STEPS: every(turns)})) is move


@pytest.mark.parametrize(
    ("between", "asked", "move"), [(1, 1.0, True), (2, 8.0, True), (1, 32.0, False), (20, 1.0, False)]
)
def test_a_network_that_is_asked_about_a_few_inputs_between_its_steps_acts(
    between: int, asked: float, move: bool
) -> None:
    series = {**EACH, tags.EVAL_PASSES: every(between), tags.EVAL_ROWS: every(between, asked)}
    assert aims_move(context_of(STEPS, series)) is move


@pytest.mark.parametrize(("new", "asked", "move"), [(32.0, 32.0, True), (30.0, 32.0, False), (32.0, 64.0, False)])
def test_an_actor_whose_every_input_is_new_may_be_asked_about_as_many(new: float, asked: float, move: bool) -> None:
    series = {**EACH, tags.ROWS_NEW: new, tags.EVAL_PASSES: every(1), tags.EVAL_ROWS: every(1, asked)}
    assert aims_move(context_of(STEPS, series)) is move


def test_a_detector_that_is_shown_two_pictures_every_few_steps_does_not_act() -> None:
    series = {**EACH, tags.EVAL_PASSES: every(2), tags.EVAL_ROWS: every(2, 2.0), tags.TARGET_BOXES: 8.0}
    assert not aims_move(context_of(STEPS, series))


@pytest.mark.parametrize(("turns", "severity"), [(1, "info"), (50, "critical")])
def test_a_loss_that_climbs_is_news_where_the_aim_moves(turns: int, severity: str) -> None:
    context = context_of(STEPS, {**EACH, tags.RIVAL_STEPS: every(turns)})
    found = [Symptom(kind, "critical", 1, STEPS, "") for kind in ("divergence", "non_finite")]
    assert [one.severity for one in tempered(context, found)] == [severity, "critical"]


@pytest.mark.parametrize(("between", "told"), [(1, False), (20, True)])
def test_what_an_agent_is_asked_about_is_no_evaluation(between: int, told: bool) -> None:
    series: dict[str, Values] = {**EACH, tags.BATCH_MEAN: 0.0, tags.BATCH_STD: 1.0}
    for tag, value in (
        (tags.EVAL_PASSES, 1.0),
        (tags.EVAL_ROWS, 1.0),
        (tags.EVAL_BATCH_MEAN, 3.0),
        (tags.EVAL_BATCH_STD, 1.0),
    ):
        series[tag] = every(between, value)
    assert [s.key for s in judge(EvaluationInputs(), STEPS, series)] == (["shift"] if told else [])


@pytest.mark.parametrize(("passes", "boxes", "move"), [(256.0, None, True), (16.0, None, False), (256.0, 3.0, False)])
def test_rollouts_between_every_sixteen_steps_are_no_evaluation(passes: float, boxes: float | None, move: bool) -> None:
    series = {**EACH, tags.EVAL_PASSES: every(16, passes), tags.EVAL_ROWS: every(16, 28.0)}
    boxed: dict[str, Values] = {} if boxes is None else {tags.TARGET_BOXES: boxes}
    assert aims_move(context_of(STEPS, {**series, **boxed})) is move
