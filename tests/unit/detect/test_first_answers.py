"""Networks that begin wrong: sure answers, weights of nothing, units pinned to their ends."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from numpy.typing import NDArray
from scenarios.build import Values
from scenarios.shapes import grid, noisy
from unit.detect.judging import CLASSIFIER, context_of, judge

from dettui.detect.opening import ConfidentOpening, NothingPasses
from dettui.detect.saturation import Saturated
from dettui.detect.signals import signals_of
from dettui.domain.finding import Abstention
from dettui_probe import tags

STEPS, GUESS = 160, log(10)
Curve = NDArray[np.float64]


# --- sure and wrong -----------------------------------------------------------------------------------------------


def answers(first: float, last: float, over: float = 40.0, wrong: float = 0.5) -> dict[str, Values]:
    """What the answers cost, in units of ln K: *first*, then *last*, most of the way within *over* steps; at first
    *wrong* of them are sure of a wrong class."""
    cost = GUESS * (last + (first - last) * np.exp(-grid(STEPS) / over))
    looked_at = [*range(1, 17), *range(20, STEPS + 1, 4)]
    return {
        tags.FIT_LOSS_MEAN: {step: float(cost[step - 1]) for step in looked_at},
        tags.FIT_WRONG: {step: wrong * 0.8 ** (step - 1) for step in looked_at},
    }


def keys_of_answers(series: dict[str, Values], steps: int = STEPS, **setting: object) -> list[str]:
    found = judge(ConfidentOpening(), steps, series, **{**CLASSIFIER, **setting})
    return [symptom.key for symptom in found]


def test_untrained_answers_that_are_sure_and_wrong_are_told_whatever_becomes_of_them() -> None:
    (found,) = judge(ConfidentOpening(), STEPS, answers(8.0, 0.2), **CLASSIFIER)
    assert (found.kind, found.severity, found.key) == ("config_smell", "warning", "confident")


@pytest.mark.parametrize(("first", "last"), [(1.9, 1.5), (1.0, 1.5)])
def test_an_opening_near_ln_k_is_no_confident_one(first: float, last: float) -> None:
    """Default heads begin within a few tenths of it; a loss that rises later has other causes."""
    assert keys_of_answers(answers(first, last)) == []


def test_a_margin_that_makes_first_answers_dear_makes_none_of_them_sure() -> None:
    assert keys_of_answers(answers(4.0, 1.5, wrong=0.06)) == []


def test_an_opening_that_one_update_mends_is_silent() -> None:
    assert keys_of_answers(answers(8.0, 0.7, over=0.4)) == []


def test_answers_that_were_first_heard_after_a_step_are_not_those_of_an_untrained_network() -> None:
    later = {tag: {step: value for step, value in values.items() if step > 1}
             for tag, values in answers(8.0, 1.5).items()}  # fmt: skip
    assert keys_of_answers(answers(8.0, 1.5)) == ["confident"]
    assert keys_of_answers(later) == []


@pytest.mark.parametrize("setting", [{"start_step": 5000}, {"num_classes": None}, {"num_classes": 1}])
def test_a_resumed_run_and_an_unknown_head_have_no_untrained_answers(setting: dict[str, int | None]) -> None:
    assert keys_of_answers(answers(8.0, 1.5), **setting) == []


@pytest.mark.parametrize(("untrained", "told"), [(0.0, False), (3.0, True)])
def test_a_new_head_on_frozen_layers_that_were_trained_is_no_untrained_network(untrained: float, told: bool) -> None:
    frozen = {tags.FROZEN_SHARE: 0.5, tags.FROZEN_UNTRAINED: untrained}
    assert bool(keys_of_answers({**answers(8.0, 0.2), **frozen})) is told


# --- nothing passes -----------------------------------------------------------------------------------------------


def weights(small: int, of: int = 10, norm: float = 1e-4) -> dict[str, Values]:
    """*small* of *of* weights begin with *norm*, the others with 3; all of them grow."""
    layers: dict[str, Values] = {
        f"{tags.LAYER_WEIGHT_NORM}{i}.weight": np.linspace(norm if i < small else 3.0, 4.0, STEPS) for i in range(of)
    }
    return {**layers, tags.WEIGHT_NORM: 10.0}


@pytest.mark.parametrize(("small", "told"), [(10, True), (6, True), (5, False), (0, False)])
def test_most_of_the_weights_at_next_to_nothing_are_told(small: int, told: bool) -> None:
    """Zeros on purpose are those of a few last layers, or the second of the two matrices of an adapter."""
    found = judge(NothingPasses(), STEPS, weights(small, norm=1e-12), **CLASSIFIER)
    assert [(s.kind, s.key, s.exact) for s in found] == ([("config_smell", "near_zero", True)] if told else [])


@pytest.mark.parametrize(("small", "told"), [(4, True), (3, True), (2, False)])
def test_a_third_of_the_weights_next_to_nothing_and_not_zero_is_told(small: int, told: bool) -> None:
    """Those of the layers that a script initialised itself, beside an LSTM, attention or embedding that it did not."""
    assert bool(judge(NothingPasses(), STEPS, weights(small), **CLASSIFIER)) is told


def test_a_first_step_that_makes_something_of_nothing_does_not_hide_it() -> None:
    """Adam moves each weight by the learning rate, however small it is, and norms are measured after the step."""
    grown = {f"{tags.LAYER_UPDATE_RATIO}{i}.weight": np.geomspace(1e4, 1e-3, STEPS) for i in range(10)}
    assert judge(NothingPasses(), STEPS, weights(10, norm=0.05), **CLASSIFIER) == ()
    assert len(judge(NothingPasses(), STEPS, {**weights(10, norm=0.05), **grown}, **CLASSIFIER)) == 1


def test_small_weights_of_a_usual_draw_are_no_nothing() -> None:
    assert judge(NothingPasses(), STEPS, weights(10, norm=0.05), **CLASSIFIER) == ()


def test_biases_begin_at_zero_and_do_not_count() -> None:
    biases: dict[str, Values] = {f"{tags.LAYER_WEIGHT_NORM}{i}.bias": 0.0 for i in range(30)}
    assert judge(NothingPasses(), STEPS, {**biases, **weights(0)}, **CLASSIFIER) == ()


def test_weights_of_a_resumed_run_did_not_begin_with_it() -> None:
    assert judge(NothingPasses(), STEPS, weights(10), **CLASSIFIER, start_step=5000) == ()


@pytest.mark.parametrize(("start_step", "share"), [(0, 0.4), (5000, None)])
def test_the_signal_is_the_share_of_weights_near_zero(start_step: int, share: float | None) -> None:
    context = context_of(STEPS, weights(4), **CLASSIFIER, start_step=start_step)
    assert signals_of(context).weights_near_zero == share


# --- pinned -------------------------------------------------------------------------------------------------------


def pinned(*layers: tuple[float, float], loss: float = 0.8) -> dict[str, Values]:
    """Layers by their shares of pinned outputs, at first and at last; *loss* is the newest over the first one."""
    ramp = np.clip((grid(STEPS) - 20) / 60, 0, 1)
    shares: dict[str, Values] = {
        f"{tags.SATURATED}{i}": first + (last - first) * ramp for i, (first, last) in enumerate(layers)
    }
    level = 2.3 + 2.3 * (loss - 1) * ramp
    return {**shares, tags.LOSS_TOTAL: noisy(level, np.random.default_rng(1), 0.02)}


def test_squashing_layers_that_began_pinned_and_stay_so_are_told() -> None:
    (found,) = judge(Saturated(), STEPS, pinned((0.9, 0.8), (0.9, 0.8), (0.1, 0.2)))
    assert (found.kind, found.severity, found.key) == ("gradient_vanishing", "warning", "saturated")
    assert found.title.startswith("2 ")


@pytest.mark.parametrize(
    "layers",
    [
        [(0.1, 0.95), (0.2, 0.95)],  # gates and outputs that have become sure
        [(0.9, 0.3), (0.9, 0.3)],  # came off their ends
        [(0.9, 0.9), (0.1, 0.1), (0.1, 0.1)],  # one of three
    ],
    ids=["became sure", "came off", "one of three"],
)
def test_layers_that_are_sure_later_or_only_at_first_or_few_are_silent(layers: list[tuple[float, float]]) -> None:
    assert judge(Saturated(), STEPS, pinned(*layers)) == ()


def test_pinned_layers_do_no_harm_where_the_loss_is_mostly_gone() -> None:
    assert judge(Saturated(), STEPS, pinned((0.9, 0.9), loss=0.2)) == ()


def test_layers_of_a_resumed_run_may_well_be_sure() -> None:
    assert judge(Saturated(), STEPS, pinned((0.9, 0.9)), start_step=5000) == ()


def test_a_network_without_squashing_layers_abstains() -> None:
    assert isinstance(Saturated().evaluate(context_of(STEPS, pinned())), Abstention)
