"""Pixels that were normalised for training or for evaluation alone."""

from __future__ import annotations

import pytest
from unit.detect.judging import context_of

from dettui.detect.signals import signals_of
from dettui_probe import tags

BYTES, SHARES, AROUND_ZERO, STRETCHED = (3.0, 251.0), (0.0, 1.0), (-2.0, 2.4), (-0.1, 1.1)


@pytest.mark.parametrize(
    ("training", "evaluation", "apart"),
    [
        (AROUND_ZERO, SHARES, True),
        (SHARES, AROUND_ZERO, True),
        (BYTES, AROUND_ZERO, True),
        (SHARES, SHARES, False),
        (AROUND_ZERO, AROUND_ZERO, False),
        (STRETCHED, SHARES, False),  # brightened here and there
        (BYTES, SHARES, False),  # another fault, of scale
    ],
)
def test_pixels_as_loaded_are_told_from_those_around_zero(
    training: tuple[float, float], evaluation: tuple[float, float], apart: bool
) -> None:
    evaluated = dict.fromkeys(range(50, 301, 50), 1.0)
    series = {
        tags.LOSS_TOTAL: 1.0,
        tags.BATCH_MIN: training[0],
        tags.BATCH_MAX: training[1],
        tags.EVAL_BATCH_MIN: dict.fromkeys(evaluated, evaluation[0]),
        tags.EVAL_BATCH_MAX: dict.fromkeys(evaluated, evaluation[1]),
    }
    assert bool(signals_of(context_of(300, series)).normalised_apart) is apart
