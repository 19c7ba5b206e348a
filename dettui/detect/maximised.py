"""A loss that is maximised, as its course tells: for a loss of the user's own, whose graph names no loss function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui.numerics.robust import usable_of
from dettui_probe import tags


@dataclass(frozen=True)
class MaximisedPolicy:
    """A cost has a floor; only a score falls, or rises, for ever."""

    newest: int = 20  # points
    first: int = 5
    grown: float = 3.0  # every term over its first level
    endless: float = 100.0  # total below zero over its first level, or over its very first value
    far: float = 20.0  # over its first level in any case: the first value alone may lie near zero by chance
    gradients: float = 10.0  # their norm over the very first one, as that of an objective without end grows
    gradients_since: float = 5.0  # over that of the first steps
    grown_share: float = 0.1  # of the steps: once an answer is as sure as can be, they are small again


def terms_climb(context: Context, policy: MaximisedPolicy) -> float | None:
    """How many times its first level the least risen term is, where no term is negative and their total is; None where
    that is not so."""
    names = [tag for tag in context.tags_under(tags.LOSS) if tag != tags.LOSS_TOTAL]
    total = context.window(tags.LOSS_TOTAL, policy.newest)
    terms = [context.window(tag, policy.newest) for tag in names]
    if not names or min(map(len, (total, *terms))) < policy.newest or context.is_resumed:
        return None
    if total.max() >= 0 or min(float(term.min()) for term in terms) < 0:
        return None
    ratios = [context.ratio_to_first(tag, policy.newest, policy.first) for tag in names]
    return min((ratio for ratio in ratios if ratio is not None), default=None)


def falls_without_end(context: Context, policy: MaximisedPolicy) -> float | None:
    """How many times as far below zero as it began, in size, the total is; None where it is not below zero, or where
    gradients did not grow with it."""
    curve = context.loss
    if curve is None or context.is_resumed or curve.now >= 0 or not curve.start:
        return None
    if not _gradients_grew(context, policy):
        return None
    fall, first = abs(curve.now / curve.start), abs(float(curve.values[0]))
    return max(fall, abs(curve.now) / first) if first and fall >= policy.far else fall


def _gradients_grew(context: Context, policy: MaximisedPolicy) -> bool:
    norms = context.series(tags.GRAD_NORM)
    first, early = context.early_median(tags.GRAD_NORM, 1), context.early_median(tags.GRAD_NORM, policy.first)
    if norms is None or not first or not early or len(norms) < policy.newest:
        return False
    grown = float(np.quantile(usable_of(norms.values), 1 - policy.grown_share))
    return grown >= max(policy.gradients * first, policy.gradients_since * early)


@dataclass(frozen=True)
class Maximised:
    """The optimizer climbs."""

    policy: MaximisedPolicy = MaximisedPolicy()
    name: str = "maximised"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        curve, policy = context.loss, self.policy
        if curve is None:
            return Abstention(self.name, (tags.LOSS_TOTAL,))
        window = (int(curve.steps[0]), int(curve.steps[-1]))
        climb = terms_climb(context, policy)
        if climb is not None and climb >= policy.grown:
            text = f"each term is above zero and has grown {climb:.1f}-fold or more; their total is {curve.now:.3g}"
            proof = Evidence(curve.tag, window, climb, policy.grown, ">", text)
            title = "The terms of the loss rise, and their total is below zero"
            return (told_by([proof], "config_smell", "critical", title, exact=True, key="maximised"),)
        fall = falls_without_end(context, policy)
        if fall is None or fall < policy.endless:
            return ()
        text = f"from {curve.start:.3g} to {curve.now:.3g}, and gradients grow with it"
        proof = Evidence(curve.tag, window, fall, policy.endless, ">", text)
        return (told_by([proof], "config_smell", "warning", "The loss falls without end", key="maximised"),)
