"""How much there is: inputs of a step, examples, weights; as bounds where it is not told."""

from __future__ import annotations

from typing import Final

from dettui.detect.context import Context
from dettui_probe import tags

NEWEST: Final = 32  # measured steps
AGAIN: Final = 0.1  # between none of augmented inputs and the 0.3 that thinned measurements leave of all in an epoch


def inputs_of_update(context: Context) -> float | None:
    """Inputs that one step of the optimizer follows; None where they are not told.  At most 32 of a pass are counted:
    a lower bound."""
    rows = context.median(tags.ROWS, 200)
    return None if rows is None else rows * max(context.median(tags.MICRO_STEPS, 200) or 1.0, 1.0)


def examples_at_least(context: Context) -> float | None:
    """A lower bound of the size of the training set: from the length of an epoch, where that was declared, and from the
    inputs that were new when they came, where some come again: of augmented ones every one is new for ever."""
    inputs, epoch = inputs_of_update(context), context.steps_per_epoch
    new = context.series(tags.ROWS_NEW)
    counted = [] if new is None or not _come_again(context) else [float(new.values.sum())]
    declared = [] if inputs is None or not epoch else [inputs * epoch]
    return max((*counted, *declared), default=None)


def _come_again(context: Context) -> bool:
    """Whether at least AGAIN of the newest inputs had been met before."""
    new, rows = context.window(tags.ROWS_NEW, NEWEST), context.window(tags.ROWS, NEWEST)
    return bool(len(rows)) and float(new.sum()) <= (1.0 - AGAIN) * float(rows.sum())


def weights_per_example(context: Context) -> float | None:
    """Weights of the network for each example of the training set, at most; None where either is not known."""
    examples, model = examples_at_least(context), context.model
    if not examples or model is None or not model.parameters:
        return None
    return model.parameters / examples


def targets_of_input(context: Context) -> float | None:
    """Class targets for each input; None where none were counted.  Counting is thinned on short steps, and the
    first counts may be of earlier ones: good to a factor of two."""
    counts, rows = context.counts("targets"), context.median(tags.ROWS, 200)
    if counts is None or not rows:
        return None
    return float(counts.seen.sum()) / max(counts.last_step - counts.first_step + 1, 1) / rows
