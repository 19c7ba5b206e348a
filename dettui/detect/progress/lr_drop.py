"""An LR drop that did not help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.detect.loss_curve import LossCurve
from dettui.detect.progress.policy import DEFAULT_POLICY, ProgressPolicy
from dettui.domain.finding import Abstention, Evidence
from dettui_probe import tags


@dataclass(frozen=True)
class PlateauAfterLrDrop:
    """An LR drop that did not help: the fault lies in the data or the model (the seed rule, detection.md L7)."""

    policy: ProgressPolicy = DEFAULT_POLICY
    name: str = "plateau_after_lr_drop"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom, about the newest drop."""
        curve, schedule = context.loss, context.schedule
        missing = context.missing(tags.LOSS_TOTAL, tags.LR + "0")
        if missing or curve is None or schedule is None:
            return Abstention(self.name, missing or (tags.LOSS_TOTAL,))
        if not schedule.drops or curve.now <= self.policy.stalled_level * curve.start or curve.now > 1.05 * curve.start:
            return ()
        return self._judge(curve, schedule.drops)

    def _judge(self, curve: LossCurve, drops: tuple[int, ...]) -> Sequence[Symptom]:
        at = int(np.searchsorted(curve.steps, drops[-1]))
        before = curve.values[max(0, at - (len(curve) - at)) : at]
        after = curve.values[at:]
        if min(len(before), len(after)) < self.policy.drop_window:
            return ()
        late = after[len(after) // 2 :]
        gain = curve.level(before) - curve.level(late)
        error = 1.25 * curve.sigma * sqrt(curve.tau * (1 / len(before) + 1 / len(late)))
        if gain >= self.policy.drop_gain or gain + self.policy.z * error >= self.policy.drop_reach:
            return ()
        return (self._symptom(curve, drops, gain),)

    def _symptom(self, curve: LossCurve, drops: tuple[int, ...], gain: float) -> Symptom:
        window = (drops[-1], int(curve.steps[-1]))
        return Symptom(
            kind="plateau_after_lr_drop",
            severity="warning",
            first_step=window[0],
            last_step=window[1],
            title=f"Lowering the learning rate at step {drops[-1]} did not help",
            evidence=(
                Evidence(
                    curve.tag, window, gain, self.policy.drop_gain, "<",
                    f"{gain:.1%} gained since the drop, level {curve.now:.4g} against {curve.start:.4g} at the start",
                ),
                Evidence(tags.LR + "0", window, float(len(drops)), 1.0, ">", f"{len(drops)} LR drops so far"),
            ),
            facts={"gain": gain, "drops": float(len(drops))},
        )  # fmt: skip
