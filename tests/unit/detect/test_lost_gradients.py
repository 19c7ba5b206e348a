"""Gradients of exactly zero behind answers that vary: lost in half precision."""

from __future__ import annotations

import pytest
from scenarios.build import Values
from unit.detect.judging import context_of, judge

from dettui.detect.precision import LostGradients
from dettui.domain.finding import Abstention
from dettui_probe import tags

STEPS, LAYERS = 120, 6


def run(zeros: Values = 0.97, spread: float = 0.6, norm: float = 2.0) -> dict[str, Values]:
    """Layers whose gradients are exactly zero to a share of *zeros*, under an output that varies by *spread*."""
    layers = [f"{i}.weight" for i in range(LAYERS)]
    return {
        tags.LOSS_TOTAL: 2.0,
        tags.FIT_SPREAD: spread,
        **{tags.LAYER_GRAD_ZERO + layer: zeros for layer in layers},
        **{tags.LAYER_WEIGHT_NORM + layer: norm for layer in layers},
    }


def test_zeros_in_most_layers_from_the_first_step_on_are_told_where_the_answers_vary() -> None:
    (found,) = judge(LostGradients(), STEPS, run())
    assert (found.kind, found.severity, found.key) == ("gradient_vanishing", "warning", "lost")
    assert any("97%" in proof.text for proof in found.evidence)
    assert any("60%" in proof.text for proof in found.evidence)


def test_one_layer_of_zeros_is_a_sparse_embedding() -> None:
    assert judge(LostGradients(), STEPS, {**run(zeros=0.5), f"{tags.LAYER_GRAD_ZERO}0.weight": 0.999}) == ()


def test_zeros_that_came_later_were_not_there_by_the_format() -> None:
    later = {step: 0.1 if step < 60 else 1.0 for step in range(1, STEPS + 1)}
    assert judge(LostGradients(), STEPS, run(zeros=later)) == ()


@pytest.mark.parametrize(
    "series",
    [run(zeros=0.65), run(spread=1e-4), run(norm=1e-5), {**run(), tags.SATURATED + "act": 0.9}],
    ids=["behind_relu", "dead_units", "weights_of_nothing", "pinned_units"],
)
def test_zeros_that_have_another_reason_are_not_lost(series: dict[str, Values]) -> None:
    assert judge(LostGradients(), STEPS, series) == ()


def test_without_answers_nothing_is_said() -> None:
    series = run()
    del series[tags.FIT_SPREAD]
    assert isinstance(LostGradients().evaluate(context_of(STEPS, series)), Abstention)


def test_what_half_precision_rounded_is_told_by_its_values_however_few_the_layers() -> None:
    series = {tags.LOSS_TOTAL: 2.0, tags.GRAD_ZERO: 0.8, tags.GRAD_QUANTA: 1.0}
    (found,) = judge(LostGradients(), STEPS, series)
    assert (found.kind, found.key) == ("gradient_vanishing", "lost")
    assert tags.GRAD_QUANTA in [proof.tag for proof in found.evidence]


def test_a_few_lost_elements_are_no_harm() -> None:
    assert judge(LostGradients(), STEPS, {**run(zeros=0.1), tags.GRAD_ZERO: 0.1, tags.GRAD_QUANTA: 1.0}) == ()


@pytest.mark.parametrize("tag", [tags.GRAD_QUANTA, tags.GRAD_HALF])
def test_zeros_beside_numbers_of_single_precision_are_not_lost(tag: str) -> None:
    assert judge(LostGradients(), STEPS, {**run(), tag: 0.004}) == ()


def test_numbers_of_half_precision_beside_zeros_do_not_acquit_it() -> None:
    assert len(judge(LostGradients(), STEPS, {**run(), tags.GRAD_HALF: 0.9})) == 1
