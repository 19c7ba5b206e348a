"""Steps that do nothing but shrink the weights (diagnosis.md S10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui.numerics.robust import median, usable_of
from dettui_probe import tags


@dataclass(frozen=True)
class DecayPolicy:
    """In a healthy run a step is nearly at right angles to the weights: its cosine with them lies below 0.2."""

    newest: int = 100
    at_least: int = 12
    share: float = 0.5  # cosine of the step with the weights pointing to zero, at three in four steps
    shrunk: float = 0.7  # of the first norm of the weights
    soon: int = 400  # steps; by the usual lr * weight_decay, 1e-4 at most, weights lose 4 % in so many
    shrunk_soon: float = 0.75
    share_soon: float = 0.22  # median cosine meanwhile; healthy runs show 0.13 at most


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
        evidence = self._now(context) or self._soon(context)
        if not evidence:
            return ()
        return (told_by(evidence, "config_smell", "warning", "Weight decay rules the steps", key="decay"),)

    def _now(self, context: Context) -> Sequence[Evidence]:
        """Steps that shrink the weights and do little else."""
        low = context.lower_quartile(tags.UPDATE_DECAY, self.policy.newest, self.policy.at_least)
        left = context.ratio_to_first(tags.WEIGHT_NORM, 5)
        if low is None or left is None or low <= self.policy.share or left >= self.policy.shrunk:
            return ()
        window = context.span(tags.UPDATE_DECAY, self.policy.newest)
        return [
            Evidence(tags.UPDATE_DECAY, window, low, self.policy.share, ">",
                     f"three in four steps point to zero more than anywhere else (cosine over {low:.2f})"),
            Evidence(tags.WEIGHT_NORM, context.span(tags.WEIGHT_NORM, 5), left, self.policy.shrunk, "<",
                     f"the weights have shrunk to {left:.0%} of their first norm"),
        ]  # fmt: skip

    def _soon(self, context: Context) -> Sequence[Evidence]:
        """Weights that lost a quarter of their norm in a few hundred steps, with a steady pull towards zero."""
        policy, norms, shares = self.policy, context.series(tags.WEIGHT_NORM), context.series(tags.UPDATE_DECAY)
        if norms is None or shares is None or context.is_resumed:
            return ()
        first = int(norms.steps[0])
        early = norms.between(first, first + policy.soon)
        if not early.values[0] > 0:  # nothing to shrink, or no number
            return ()
        at = int(np.argmin(early.values))
        left, until = float(early.values[at] / early.values[0]), int(early.steps[at])
        pull = usable_of(shares.between(first, until).values)
        if not left < policy.shrunk_soon or len(pull) < policy.at_least or median(pull) < policy.share_soon:
            return ()
        return [
            Evidence(tags.WEIGHT_NORM, (first, until), left, policy.shrunk_soon, "<",
                     f"by step {until} the weights have shrunk to {left:.0%} of their first norm"),
            Evidence(tags.UPDATE_DECAY, (first, until), median(pull), policy.share_soon, ">",
                     f"on the way steps pointed to zero (median cosine {median(pull):.2f})"),
        ]  # fmt: skip
