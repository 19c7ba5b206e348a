"""Terms that join the loss in the course of a run: they lift the total, and nothing went wrong.

YOLOX adds an L1 loss when its strong augmentation ends, others a second head after a warm-up of the first.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from dettui.detect.context import Context
from dettui.domain.series import Floats, Series
from dettui.numerics.robust import median, usable_of
from dettui_probe import tags

NEWEST: Final = 8  # measured values of a term that tell what it costs, and before which it must have been zero
SHARE: Final = 0.5  # of a rise that joined terms account for


def explain_rise(context: Context, since: int, height: float) -> bool:
    """Whether terms that joined after the step *since* cost most of the *height* by which the loss has risen."""
    return joined_since(context, since) >= SHARE * height


def joined_since(context: Context, step: int) -> float:
    """What the terms cost now that were exactly zero, or not told beside others, up to *step*."""
    found = (context.series(tag) for tag in context.tags_under(tags.LOSS) if tag != tags.LOSS_TOTAL)
    terms = [term for term in found if term is not None and len(term) >= NEWEST]
    if not any(np.any(_until(term, step)) for term in terms):
        return 0.0
    joined = (usable_of(term.values[-NEWEST:]) for term in terms if _was_nothing(term, step))
    return sum(max(median(newest), 0.0) for newest in joined if len(newest))


def _was_nothing(term: Series, step: int) -> bool:
    before = _until(term, step)
    return len(before) == 0 or (len(before) >= NEWEST and not np.any(before))


def _until(term: Series, step: int) -> Floats:
    return term.between(int(term.steps[0]), step).values if int(term.steps[0]) <= step else np.empty(0)
