"""A term that joins the loss late lifts it, and is no trouble."""

from __future__ import annotations

import numpy as np
import pytest
from scenarios.build import Values, run_messages
from scenarios.play import play
from scenarios.shapes import decay, detector, noisy

from dettui_probe import tags

STEPS, JOINS = 900, 700


def kinds(before: float | None, height: float = 1.1) -> list[str]:
    """Of the warnings where the loss rises by *height* at one step, and a term that cost *before* costs 1.1 from then
    on; None: where no terms are told."""
    rng = np.random.default_rng(3)
    learnt, joins = noisy(decay(STEPS, 8.0, 2.0, 60.0, 5.0), rng, 0.08), np.arange(STEPS) >= JOINS
    term = np.where(joins, noisy(np.full(STEPS, 1.1), rng, 0.1), before or 0.0)
    total = learnt + np.where(joins, height, before or 0.0)
    series: dict[str, Values] = dict(detector(STEPS, rng, total))
    series[tags.LOSS_TOTAL] = total
    if before is not None:
        series |= {tags.LOSS + "l1": term, tags.LOSS + "iou": 0.5 * learnt, tags.LOSS + "cls": 0.5 * learnt}
    return [f.kind for f in play(run_messages(STEPS, **series)).findings if f.severity != "info"]


@pytest.mark.parametrize(
    ("before", "height", "told"),
    [
        (0.0, 1.1, False),
        (0.02, 1.1, True),  # it was there: what it was given changed
        (None, 1.1, True),
        (0.0, 3.0, True),  # it accounts for a third of that
    ],
)
def test_a_term_that_was_nothing_may_lift_the_loss(before: float | None, height: float, told: bool) -> None:
    assert ("distribution_shift" in kinds(before, height)) is told
