"""Gradients that pile up: each nearly the vector of the step before, and longer (diagnosis.md E5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.detect.left_over import LeftOverPolicy, share_left_over
from dettui.domain.finding import Abstention, Evidence
from dettui_probe import tags


@dataclass(frozen=True)
class GrowthPolicy:
    """A running sum of n gradients turns by 1/n a step and grows by 1/n: both together are nothing else."""

    newest: int = 24  # measured steps
    at_least: int = 10
    agreement: float = 0.9  # cosine of successive gradients, at three in four steps
    growth: float = 3.0  # of the norm since the first steps


@dataclass(frozen=True)
class GradientGrowth:
    """Gradients grow although they hardly turn."""

    policy: GrowthPolicy = GrowthPolicy()
    name: str = "gradient_growth"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        missing = context.missing(tags.GRAD_AGREEMENT, tags.GRAD_NORM)
        if missing:
            return Abstention(self.name, missing)
        if share_left_over(context, LeftOverPolicy()) == 0:  # looked at, and all were cleared: they grow by themselves
            return ()
        low = context.lower_quartile(tags.GRAD_AGREEMENT, self.policy.newest, self.policy.at_least)
        growth = context.ratio_to_first(tags.GRAD_NORM, 10)
        if low is None or growth is None or low <= self.policy.agreement or growth <= self.policy.growth:
            return ()
        window = context.span(tags.GRAD_AGREEMENT, self.policy.newest)
        evidence = [
            Evidence(tags.GRAD_AGREEMENT, window, low, self.policy.agreement, ">",
                     f"three in four successive gradients are nearly the same vector (cosine over {low:.2f})"),
            Evidence(tags.GRAD_NORM, context.span(tags.GRAD_NORM, 10), growth, self.policy.growth, ">",
                     f"the gradient norm is {growth:.0f} times that of the first steps"),
        ]  # fmt: skip
        title = "Gradients grow step by step and hardly turn"
        return (told_by(evidence, "gradient_exploding", "warning", title, key="growth"),)
