"""Inputs whose statistics change at one step, and a loss that rises with them (diagnosis.md S36)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, first_told, told_by
from dettui.detect.context import Context
from dettui.domain.finding import Abstention, Evidence, Severity
from dettui.domain.series import Floats
from dettui.numerics.changepoint import huber_cusum, level_shift_split
from dettui.numerics.robust import mad_sigma, median
from dettui_probe import tags

_WATCHED = (tags.BATCH_MEAN, tags.BATCH_STD)


@dataclass(frozen=True)
class InputShiftPolicy:
    """A step of the mean or the deviation of the inputs that is far beyond what batches differ by.  A Huberised CUSUM
    raises the alarm (diagnosis.md 3.3), least squares only date it."""

    horizon: int = 200  # newest measured steps
    least: int = 48
    baseline: float = 0.3  # share of them that tells what is usual
    edge: int = 5  # measured steps on either side of the change
    z: float = 8.0  # [S36]
    of_std: float = 0.1  # and at least so much of the deviation of the inputs
    loss_rise: float = 1.15  # of the loss across the change


@dataclass(frozen=True)
class InputShift:
    """The data changed their nature midway."""

    policy: InputShiftPolicy = InputShiftPolicy()
    name: str = "input_shift"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; information where the loss did not rise, as when an augmentation is switched off."""
        return first_told(self.name, context, _WATCHED, self._judge)

    def _judge(self, context: Context, tag: str) -> Symptom | None:
        series, policy = context.series(tag), self.policy
        scale = context.early_median(tags.BATCH_STD, 50)
        if series is None or len(series) < policy.least or not scale:
            return None
        values, steps = series.values[-policy.horizon :].astype(np.float64), series.steps[-policy.horizon :]
        if not np.isfinite(values).all() or not self._alarms(values):
            return None
        split = level_shift_split(values, smallest=policy.edge)
        before, after = values[: split.index], values[split.index :]
        change = median(after) - median(before)
        sigma = max(mad_sigma(before), mad_sigma(after) if len(after) >= 20 else 0.0)
        if abs(change) <= policy.z * sigma or abs(change) <= policy.of_std * scale:
            return None
        at = int(steps[split.index])
        text = f"from {median(before):.3g} to {median(after):.3g}, where batches differ by {sigma:.2g}"
        evidence = [Evidence(tag, (at, int(steps[-1])), abs(change) / sigma, policy.z, ">", text)]
        severity, told = self._loss_rose(context, at)
        if _sizes_changed(context, at):  # a curriculum, or larger pictures: whoever changes sizes means it
            severity = "info"
        title = f"Inputs changed their nature at step {at}"
        return told_by([*evidence, *told], "distribution_shift", severity, title, key="inputs")

    def _alarms(self, values: Floats) -> bool:
        """Whether the sum of what exceeds the usual ever grows beyond chance, upwards or downwards; the split that
        dates the change would find one in any noise."""
        usual = values[: max(2, int(self.policy.baseline * len(values)))]
        sigma = mad_sigma(usual)
        if sigma <= 0:
            return bool(np.any(values != usual[0]))
        z = (values - median(usual)) / sigma
        return huber_cusum(z) is not None or huber_cusum(-z) is not None

    def _loss_rose(self, context: Context, at: int) -> tuple[Severity, Sequence[Evidence]]:
        curve = context.loss
        if curve is None:
            return "info", ()
        split = int(np.searchsorted(curve.steps, at))
        before, after = curve.values[max(0, split - 40) : split], curve.values[split : split + 40]
        if min(len(before), len(after)) < 10 or median(before) <= 0:
            return "info", ()
        ratio = median(after) / median(before)
        window = (at, int(curve.steps[min(split + 39, len(curve) - 1)]))
        proof = Evidence(
            curve.tag, window, ratio, self.policy.loss_rise, ">", f"the loss is {ratio:.2f} times what it was"
        )
        return ("warning", (proof,)) if ratio > self.policy.loss_rise else ("info", ())


def _sizes_changed(context: Context, at: int) -> bool:
    """Whether inputs have another number of elements since step *at* than they had right before it."""
    sizes = context.series(tags.ROW_ELEMENTS)
    if sizes is None:
        return False
    before, after = sizes.values[sizes.steps < at][-5:], sizes.values[sizes.steps >= at][:5]
    return bool(len(before) and len(after)) and median(before) != median(after)
