"""Steps that do nothing but shrink the weights (diagnosis.md S10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui_probe import tags


@dataclass(frozen=True)
class DecayPolicy:
    """In a healthy run a step is nearly at right angles to the weights: its cosine with them lies below 0.2."""

    newest: int = 100
    at_least: int = 12
    share: float = 0.5  # cosine of the step with the weights pointing to zero, at three in four steps
    shrunk: float = 0.7  # of the first norm of the weights


@dataclass(frozen=True)
class DecayRules:
    """Weight decay rules the step, and the weights have shrunk."""

    policy: DecayPolicy = DecayPolicy()
    name: str = "decay_rules"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom."""
        missing = context.missing(tags.UPDATE_DECAY, tags.WEIGHT_NORM)
        if missing:
            return Abstention(self.name, missing)
        low = context.lower_quartile(tags.UPDATE_DECAY, self.policy.newest, self.policy.at_least)
        left = context.ratio_to_first(tags.WEIGHT_NORM, 5)
        if low is None or left is None or low <= self.policy.share or left >= self.policy.shrunk:
            return ()
        window = context.span(tags.UPDATE_DECAY, self.policy.newest)
        evidence = [
            Evidence(tags.UPDATE_DECAY, window, low, self.policy.share, ">",
                     f"three in four steps point to zero more than anywhere else (cosine over {low:.2f})"),
            Evidence(tags.WEIGHT_NORM, context.span(tags.WEIGHT_NORM, 5), left, self.policy.shrunk, "<",
                     f"the weights have shrunk to {left:.0%} of their first norm"),
        ]  # fmt: skip
        return (told_by(evidence, "config_smell", "warning", "Weight decay rules the steps", key="decay"),)
