"""Mixed precision: is the loss scale collapsing?  (detection.md P2, P3)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Floats
from dettui_probe import tags


@dataclass(frozen=True)
class PrecisionPolicy:
    """The first steps, in which a GradScaler finds its scale, are left out."""

    settle_points: int = 200
    window: int = 200
    halvings: int = 5  # in the window [P2]
    least_scale: float = 1.0  # [P2]
    skipped_share: float = 0.05  # [P3]
    wild_settle: int = 50  # a scale of 2^40 is halved to a usual one within 25 steps
    wild_window: int = 100
    wild_halvings: int = 20
    wild_share: float = 0.25


@dataclass(frozen=True)
class AmpOverflow:
    """The scale keeps halving, or steps keep being skipped."""

    policy: PrecisionPolicy = PrecisionPolicy()
    name: str = "amp_overflow"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom, exact."""
        scale = context.series(tags.AMP_SCALE)
        if scale is None:
            return Abstention(self.name, (tags.AMP_SCALE,))
        policy = self.policy
        settled = scale.values[policy.settle_points :][-policy.window :]
        proof: Evidence | None = None
        if len(settled) >= policy.window:
            window = context.span(tags.AMP_SCALE, policy.window)
            proof = self._collapse(settled, window) or self._skips(context, window)
        elif len(scale) >= policy.wild_settle + policy.wild_window:
            window = context.span(tags.AMP_SCALE, policy.wild_window)
            proof = self._wild(context, scale.values[-policy.wild_window :], window)
        return () if proof is None else (_overflow(proof.window, proof),)

    def _wild(self, context: Context, scale: Floats, window: tuple[int, int]) -> Evidence | None:
        """What no search for the scale looks like, however short the run is so far."""
        limits = replace(
            self.policy,
            window=self.policy.wild_window,
            halvings=self.policy.wild_halvings,
            skipped_share=self.policy.wild_share,
        )
        short = AmpOverflow(limits)
        return short._collapse(scale, window) or short._skips(context, window)

    def _collapse(self, scale: Floats, window: tuple[int, int]) -> Evidence | None:
        halvings = int(np.count_nonzero(np.diff(scale) < 0))
        if halvings > self.policy.halvings:
            text = f"the loss scale was lowered {halvings} times in {len(scale)} steps, to {scale[-1]:.3g}"
            return Evidence(tags.AMP_SCALE, window, float(halvings), float(self.policy.halvings), ">", text)
        if scale[-1] < self.policy.least_scale:
            text = f"the loss scale has fallen to {scale[-1]:.3g}"
            return Evidence(tags.AMP_SCALE, window, float(scale[-1]), self.policy.least_scale, "<", text)
        return None

    def _skips(self, context: Context, window: tuple[int, int]) -> Evidence | None:
        skipped = context.window(tags.AMP_SKIPPED, self.policy.window)
        share = float(skipped.mean()) if len(skipped) else 0.0
        if share <= self.policy.skipped_share:
            return None
        text = f"{share:.0%} of the newest {len(skipped)} steps were skipped"
        return Evidence(tags.AMP_SKIPPED, window, share, self.policy.skipped_share, ">", text)


def _overflow(window: tuple[int, int], proof: Evidence) -> Symptom:
    return Symptom(
        kind="amp_overflow",
        severity="warning",
        first_step=window[0],
        last_step=window[1],
        title="Half precision overflows again and again",
        evidence=(proof,),
        exact=True,
    )
