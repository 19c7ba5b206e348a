"""What a later start of a run is: one that goes on from an earlier one, or one from scratch.

The probe counts steps from the start of its process, so that a process which was started again, as ``torchrun`` does
after a crash, begins at step 1 whether or not it loaded a checkpoint.  What it loaded shows in weights and loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dettui.detect.context import Context
from dettui.numerics.robust import difference_sigma, median, usable_of
from dettui_probe import tags


@dataclass(frozen=True)
class RestartPolicy:
    """What must lie between beginning and end of the earlier start to tell which of them a later one is near."""

    first_points: int = 3
    end_points: int = 20
    noise_points: int = 256
    norm_moved: float = 0.05  # share of the norm; those of two initialisations of 5,000 weights differ by some 0.01
    loss_moved: float = 6.0  # noise from one point to the next


class Answer(NamedTuple):
    """What one witness says of the newest start."""

    goes_on: bool
    text: str


_POLICY = RestartPolicy()


def how_it_goes_on(context: Context, policy: RestartPolicy = _POLICY) -> str | None:
    """What shows that the newest start goes on from the one before it, in words; None where it begins from scratch,
    and where nothing tells the one from the other."""
    for witness in (_by_steps, _by_weights, _by_loss):
        answer = witness(context, policy)
        if answer is not None:
            return answer.text if answer.goes_on else None
    return None


def _by_steps(context: Context, _: RestartPolicy) -> Answer | None:
    """Steps that begin beyond those of the earlier start: the script knows where it is."""
    earlier, now = context.before(tags.FRESH_STATE), context.series(tags.FRESH_STATE)
    if earlier is None or now is None or now.steps[0] <= earlier.steps[0]:
        return None
    return Answer(True, f"its steps go on at {now.steps[0]}")


def _by_weights(context: Context, policy: RestartPolicy) -> Answer | None:
    earlier, now = context.before(tags.WEIGHT_NORM), context.series(tags.WEIGHT_NORM)
    if earlier is None or now is None:
        return None
    before, after = usable_of(earlier.values), usable_of(now.values[: policy.first_points])
    if not len(before) or not len(after):
        return None
    began, ended, again = float(before[0]), float(before[-1]), float(after[0])
    if abs(ended - began) <= policy.norm_moved * began:
        return None
    text = f"its weights have norm {again:.4g}, {ended:.4g} where it had ended and {began:.4g} where it had begun"
    return Answer(abs(again - ended) < abs(again - began), text)


def _by_loss(context: Context, policy: RestartPolicy) -> Answer | None:
    earlier, now = context.before(tags.LOSS_TOTAL), context.series(tags.LOSS_TOTAL)
    if earlier is None or now is None or len(earlier) < 2 * policy.end_points:
        return None
    first, newest = usable_of(earlier.values[: policy.first_points]), usable_of(earlier.values[-policy.noise_points :])
    after = usable_of(now.values[: policy.first_points])
    if any(not len(part) or part.min() <= 0 for part in (first, newest, after)):
        return None
    # The lowest of the first points, there as here: a fresh optimizer makes the loss leap within a step or two.
    began, again, ended = float(first.min()), float(after.min()), median(newest[-policy.end_points :])
    if np.log(began / ended) <= policy.loss_moved * difference_sigma(np.log(newest)):
        return None
    text = f"its loss is {again:.3g}, {ended:.3g} where it had ended and {began:.3g} where it had begun"
    return Answer(again * again < began * ended, text)
