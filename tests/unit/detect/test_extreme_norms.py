"""BatchNorm statistics that only evaluations use, and that became extreme."""

from __future__ import annotations

import numpy as np
import pytest
from scenarios.build import Values
from scenarios.shapes import decay, noisy
from unit.detect.judging import CLASSIFIER, judge

from dettui.detect.extreme_norms import ExtremeNorms
from dettui_probe import tags

STEPS, MET_AT = 400, 193


def run(channels: tuple[float, float] = (0.0, 1.0), apart: float = 2.0, last: float = 0.3) -> dict[str, Values]:
    """Channels that are extreme up to step MET_AT and from there on; evaluations cost *apart* times the training loss
    from then on, which falls from 2.3 to *last*."""
    loss = noisy(decay(STEPS, 2.3, last, 120.0, 2.0), np.random.default_rng(1), 0.02)
    evaluated = range(40, STEPS + 1, 40)
    return {
        tags.LOSS_TOTAL: loss,
        tags.NORM_EXTREME: {step: channels[step >= MET_AT] for step in range(1, STEPS, 64)},
        "eval/loss": {step: float(loss[step - 1]) * (apart if step >= MET_AT else 1.1) for step in evaluated},
    }


def is_told(series: dict[str, Values]) -> bool:
    found = judge(ExtremeNorms(), STEPS, series, **CLASSIFIER)
    assert [(s.kind, s.severity, s.first_step) for s in found] in ([], [("bad_evaluation", "warning", MET_AT)])
    return bool(found)


def test_channels_that_become_extreme_while_only_evaluations_suffer_are_told() -> None:
    assert is_told(run())


@pytest.mark.parametrize("channels", [(0.0, 0.0), (3.0, 3.0), (3.0, 0.0)])
def test_channels_that_are_so_from_the_start_or_recover_are_silent(channels: tuple[float, float]) -> None:
    """Behind inputs of 0 to 255 the first layer's variance is that of its inputs."""
    assert not is_told(run(channels))


def test_evaluations_that_follow_the_training_loss_are_silent() -> None:
    assert not is_told(run(apart=1.15))


def test_where_training_suffers_as_well_the_statistics_are_a_consequence() -> None:
    assert not is_told(run(last=2.3))


def with_score(before: float, after: float) -> dict[str, Values]:
    """The same of a detector: no loss is evaluated, its score was *before* and is *after*."""
    series = run()
    del series["eval/loss"]
    return series | {"eval/mAP50": {step: after if step >= MET_AT else before for step in range(40, STEPS + 1, 40)}}


def test_a_score_that_is_lost_with_them_is_told_where_no_loss_is_evaluated() -> None:
    assert is_told(with_score(0.69, 0.58))
    assert not is_told(with_score(0.69, 0.7))
    assert not is_told(with_score(0.06, 0.03))  # nothing was learnt that could be lost
