"""A momentum of two nines, and where it does harm."""

from __future__ import annotations

import numpy as np
import pytest
from scenarios.build import Values
from scenarios.shapes import decay
from unit.detect.judging import context_of, judge

from dettui.detect.heavy_momentum import HeavyMomentum
from dettui.domain.finding import Abstention
from dettui_probe import tags

STEPS = 200


def run(momentum: float, carried: float, loss: float = 1.2) -> dict[str, Values]:
    """Weights that grow to *carried* times their norm, under a loss that falls from 2.3 to *loss*."""
    return {
        tags.LOSS_TOTAL: decay(STEPS, 2.3, loss, 20.0),
        tags.MOMENTUM + "0": momentum,
        tags.WEIGHT_NORM: np.linspace(10.0, 10.0 * carried, STEPS),
    }


@pytest.mark.parametrize(
    ("momentum", "carried", "told"),
    [
        (0.999, 2.0, True),
        (0.995, 2.0, True),
        (0.995, 1.2, False),  # it carries nothing away
        (0.99, 2.0, False),  # the recipe of nnU-Net, whose weights grow as any
        (0.98, 9.0, True),
        (0.9, 9.0, False),  # not by its momentum
    ],
)
def test_heavy_momentum_is_told_where_it_carried_the_weights_away(momentum: float, carried: float, told: bool) -> None:
    found = judge(HeavyMomentum(), STEPS, run(momentum, carried))
    assert [(s.kind, s.severity, s.key) for s in found] == ([("config_smell", "warning", "momentum")] if told else [])


def test_what_is_learnt_all_the_same_is_silent() -> None:
    assert judge(HeavyMomentum(), STEPS, run(0.995, 3.0, loss=0.05)) == ()


def test_weights_of_a_resumed_run_did_not_begin_with_it() -> None:
    assert judge(HeavyMomentum(), STEPS, run(0.995, 3.0), start_step=5000) == ()


def test_without_momentum_the_rule_abstains() -> None:
    series = run(0.995, 3.0)
    del series[tags.MOMENTUM + "0"]
    assert isinstance(HeavyMomentum().evaluate(context_of(STEPS, series)), Abstention)
