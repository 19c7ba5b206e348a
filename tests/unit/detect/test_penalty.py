"""A penalty on the weights, against what the data cost."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from numpy.typing import NDArray
from scenarios.build import Values
from scenarios.shapes import decay, grid, noisy
from unit.detect.judging import CLASSIFIER, context_of, judge

from dettui.detect.contradiction import HeavyDropout, HeavyPenalty
from dettui.detect.signals import signals_of
from dettui.domain.finding import Abstention
from dettui_probe import tags

STEPS, GUESS = 240, log(10)
Curve = NDArray[np.float64]


def level(value: float) -> Curve:
    return noisy(np.full(STEPS, value), np.random.default_rng(2), 0.02)


def run(data: Curve, penalty: Curve | float, **changes: Values) -> dict[str, Values]:
    """A cross-entropy that costs *data*, sampled at every fourth step, under a loss that adds *penalty*."""
    sampled = {step: float(data[step - 1]) for step in range(1, STEPS + 1, 4)}
    return {tags.LOSS_TOTAL: data + penalty, tags.FIT_LOSS_MEAN: sampled, tags.GRAPH_PENALTY: 1.0, **changes}


def keys(series: dict[str, Values], steps: int = STEPS, **setting: object) -> list[str]:
    found = judge(HeavyPenalty(), steps, series, **{**CLASSIFIER, **setting})
    assert all((symptom.kind, symptom.severity) == ("config_smell", "warning") for symptom in found)
    return [symptom.key for symptom in found]


def test_a_penalty_that_outweighs_data_that_are_not_learnt_is_told() -> None:
    assert keys(run(level(GUESS), 5.0)) == ["penalty"]


def test_a_penalty_that_has_won_is_small_again_and_still_told() -> None:
    """It began at nine tenths of the loss, has pushed the weights to nothing, and the answers with them."""
    penalty = 20.0 * np.exp(-grid(STEPS) / 10)
    assert penalty[-1] < 1e-6
    assert keys(run(level(GUESS), penalty)) == ["penalty"]


def test_a_small_penalty_on_data_that_are_not_learnt_yet_is_silent() -> None:
    assert keys(run(level(GUESS), 0.2)) == []


def test_a_small_penalty_on_a_learnt_task_is_silent_although_it_outweighs_what_is_left() -> None:
    learnt = decay(STEPS, GUESS, 0.0, 4.0, 2.0)
    assert learnt[-1] < 0.01
    assert keys(run(learnt, 0.1)) == []


def test_a_large_penalty_beside_data_that_have_their_say_is_silent() -> None:
    assert keys(run(decay(STEPS, GUESS, 1.0, 5.0, 2.0), 5.0)) == []


def test_a_loss_without_a_measure_of_the_weights_holds_no_penalty() -> None:
    """An auxiliary head, or a weight on the classes, makes the total larger as well."""
    assert keys(run(level(GUESS), 5.0, **{tags.GRAPH_PENALTY: 0.0})) == []


def test_a_hundred_steps_are_waited_for() -> None:
    series = {tags.LOSS_TOTAL: 7.3, tags.FIT_LOSS_MEAN: GUESS, tags.GRAPH_PENALTY: 1.0}
    assert keys(series, 99) == []
    assert keys(series, 100) == ["penalty"]


def test_without_a_graph_of_the_loss_the_rule_abstains() -> None:
    series: dict[str, Values] = {tags.LOSS_TOTAL: 7.3, tags.FIT_LOSS_MEAN: GUESS}
    assert isinstance(HeavyPenalty().evaluate(context_of(STEPS, series, **CLASSIFIER)), Abstention)


@pytest.mark.parametrize(("graph", "share"), [(1.0, 0.8), (0.0, None)])
def test_the_signal_is_the_greater_share_of_start_and_now(graph: float, share: float | None) -> None:
    penalty = np.where(grid(STEPS) < 50, 8.0, 0.5)
    series = run(np.full(STEPS, 2.0), penalty, **{tags.GRAPH_PENALTY: graph})
    assert signals_of(context_of(STEPS, series, **CLASSIFIER)).penalty_share == (share and pytest.approx(share))


# --- dropout ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "loss", "evaluated", "told"),
    [
        (0.85, 1.6, 1.6, True),  # hardly anything was learnt
        (0.85, 0.6, 0.36, True),  # it was learnt, and what is dropped costs training nearly twice as much
        (0.85, 0.9, 0.95, True),  # less than half of it
        (0.85, 0.1, 0.24, False),
        (0.5, 0.6, 0.36, False),  # a usual rate
    ],
)
def test_dropping_nearly_everything_is_told_where_it_costs(
    rate: float, loss: float, evaluated: float, told: bool
) -> None:
    series: dict[str, Values] = {
        tags.LOSS_TOTAL: noisy(decay(300, 2.3, loss, 20.0), np.random.default_rng(1), 0.02),
        tags.DROPOUT: {1: rate},
        "eval/loss": dict.fromkeys(range(50, 301, 50), evaluated),
    }
    found = judge(HeavyDropout(), 300, series)
    assert [(s.kind, s.key) for s in found] == ([("config_smell", "dropout")] if told else [])
