"""The evaluation of the training loss, by the names in use."""

from __future__ import annotations

import numpy as np

from dettui.detect.context import Context
from dettui.domain.series import Series

EVAL_LOSS = ("eval/loss", "eval/val_loss", "eval/cross_entropy", "eval/ce", "eval/nll")


def eval_loss(context: Context) -> Series | None:
    """The user's evaluation of the training loss, None where there is none by that name."""
    found = (context.series(tag) for tag in EVAL_LOSS)
    return next((series for series in found if series is not None and np.isfinite(series.values).all()), None)
