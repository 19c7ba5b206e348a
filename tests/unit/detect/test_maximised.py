"""A loss that is maximised, as its terms and its size tell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scenarios.build import Values
from unit.detect.judging import context_of

from dettui.detect.base import Symptom
from dettui.detect.maximised import Maximised
from dettui.detect.signals import signals_of
from dettui.diagnose.weigh import diagnose
from dettui.domain.finding import Abstention, Finding
from dettui_probe import tags

STEPS = 120
RISING = 1.03 ** np.arange(STEPS)
FALLING = 0.97 ** np.arange(STEPS)


def terms(total: Values, **named: Values) -> dict[str, Values]:
    return {tags.LOSS_TOTAL: total, **{tags.LOSS + name: values for name, values in named.items()}}


def told(series: dict[str, Values]) -> Sequence[Symptom]:
    found = Maximised().evaluate(context_of(STEPS, series))
    assert not isinstance(found, Abstention)
    return found


def causes(series: dict[str, Values]) -> list[str]:
    context = context_of(STEPS, series)
    findings = [Finding(s.kind, s.severity, "active", s.first_step, s.last_step, STEPS, s.title, s.evidence)
                for s in told(series)]  # fmt: skip
    return [cause.id for cause in diagnose(findings, signals_of(context), context.model, (), STEPS).causes]


def test_terms_that_rise_below_a_total_that_is_negative_are_told_at_once() -> None:
    (symptom,) = told(terms(-3 * RISING, heat=2 * RISING, size=RISING))
    assert (symptom.kind, symptom.severity, symptom.exact) == ("config_smell", "critical", True)
    assert causes(terms(-3 * RISING, heat=2 * RISING, size=RISING))[0] == "loss_sign_flipped"


@pytest.mark.parametrize(
    "series",
    [
        terms(3 * RISING, heat=2 * RISING, size=RISING),  # it diverges, and that is another matter
        terms(-3 * FALLING, heat=2 * FALLING, size=FALLING),
        terms(-0.5 * RISING, policy=-RISING, value=0.5 * RISING),  # a policy gradient, whose own term is negative
        terms(-0.5 * RISING, entropy=RISING, value=0.5 * FALLING),  # a bonus that is maximised beside a cost
    ],
)
def test_terms_that_fall_or_are_rewards_are_silent(series: dict[str, Values]) -> None:
    assert not told(series)


ENDLESS = 1.08 ** np.arange(STEPS)


def test_a_total_that_falls_without_end_is_told_where_gradients_grow_with_it() -> None:
    series = {tags.LOSS_TOTAL: -2.0 * ENDLESS, tags.GRAD_NORM: ENDLESS}
    assert [(s.kind, s.severity, s.exact) for s in told(series)] == [("config_smell", "warning", False)]
    assert causes(series)[0] == "loss_sign_flipped"


def test_it_may_begin_near_zero_and_its_gradients_may_end_small() -> None:
    fall = -0.4 * np.minimum(np.arange(STEPS), 60.0) ** 2
    grads = np.where(np.arange(STEPS) < 80, 10.0 + 10.0 * np.minimum(np.arange(STEPS), 60), 2.0)
    series = {tags.LOSS_TOTAL: fall - 0.2, tags.GRAD_NORM: grads}
    assert [s.title for s in told(series)] == ["The loss falls without end"]
    assert not told({**series, tags.GRAD_NORM: 2.0})


@pytest.mark.parametrize(
    ("total", "grads"),
    [
        (-2.0 * ENDLESS, np.ones(STEPS)),  # the density of a flow, or a critic whose gradients are held at 1
        (-2.0 * RISING, RISING),  # a likelihood that is above 1
        (2.0 * ENDLESS, ENDLESS),
    ],
)
def test_other_totals_are_silent(total: Values, grads: Values) -> None:
    assert not told({tags.LOSS_TOTAL: total, tags.GRAD_NORM: grads})
