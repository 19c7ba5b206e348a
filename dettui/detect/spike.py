"""Spikes that last: a single hard batch is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.detect.joined_terms import explain_rise
from dettui.detect.loss_curve import LossCurve
from dettui.detect.outliers import wild_batch
from dettui.domain.finding import Abstention, Evidence, Severity
from dettui.domain.series import Floats
from dettui.numerics.robust import mad_sigma, median
from dettui.numerics.spending import spent_z
from dettui.numerics.trend import half_median_line
from dettui_probe import tags


@dataclass(frozen=True)
class SpikePolicy:
    """diagnosis.md 3.3: the confirmed rule had 0 false alarms on 54 healthy runs, the raw one 4."""

    baseline: int = 64  # points before the spike, without it
    horizon: int = 200  # newest points that are searched
    z: float = 8.0
    jump: float = 0.1  # share of the first level
    confirm: int = 4  # of the spike and the four points after it
    confirm_points: int = 5
    factor: float = 1.25  # times the median of the 20 points before
    margin: float = 0.03  # plus this share of the first level
    grad_growth: float = 2.0  # of the gradient norm, where it is known
    candidates: int = 12  # the highest points that are tested
    back: int = 16  # points before a spike is judged by where it has got to: healthy runs are catapulted now and then
    back_points: int = 8  # over which that is judged
    regained: float = 0.5  # share of the jump, from which on the loss is on its way back
    patience: int = 60  # points within which that is enough; later on it must also
    relearnt: float = 0.2  # have won back this share of what had been learnt before
    one: int = 10  # points apart from which on two spikes are two
    few: int = 2  # of them within the horizon may come and go
    lag: float = 3.0  # second-moment lag beyond which a step was too large for Adam [S38]


@dataclass(frozen=True)
class Spike:
    """Rule of confirmed spikes."""

    policy: SpikePolicy = SpikePolicy()
    name: str = "spike"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom, about the newest confirmed spike within the horizon."""
        curve = context.loss
        if curve is None:
            return Abstention(self.name, (tags.LOSS_TOTAL,))
        found = [
            i
            for i in self._candidates(curve)
            if self._is_confirmed(curve, i) and not _restarted(context, curve, i) and not _joined(context, curve, i)
        ]
        return (self._symptom(context, curve, found),) if found else ()

    def _candidates(self, curve: LossCurve) -> Sequence[int]:
        """Indices that stand out from the whole horizon: cheap, and all that can pass."""
        first = max(self.policy.baseline, len(curve) - self.policy.horizon)
        values = curve.values[first : len(curve) - self.policy.confirm_points + 1]
        if len(values) == 0:
            return ()
        high = np.flatnonzero(values > np.min(values) + self.policy.jump * abs(curve.start))
        highest = high[np.argsort(values[high])[-self.policy.candidates :]]
        starts = {int(first + i) - back for i in highest for back in (0, 1, 2)}
        return sorted(i for i in starts if i >= self.policy.baseline)

    def _is_confirmed(self, curve: LossCurve, at: int) -> bool:
        before = curve.values[at - self.policy.baseline : at]
        if curve.values[at] - median(before[-20:]) <= self.policy.jump * abs(curve.start):
            return False
        after = curve.values[at : at + self.policy.confirm_points]
        height = self.policy.factor * median(before[-20:]) + self.policy.margin * abs(curve.start)
        if int(np.count_nonzero(after > height)) < self.policy.confirm:
            return False
        return self._z(curve, before, at) > spent_z(self.policy.z, looks=at / self.policy.horizon)

    def _z(self, curve: LossCurve, before: Floats, at: int) -> float:
        even = curve.even(before)
        slope, expected = half_median_line(even)
        residual = even - (expected - slope * np.arange(len(even), 0, -1))
        return (float(curve.even(curve.values[at : at + 1])[0]) - expected) / mad_sigma(residual)

    def _is_over(self, context: Context, curve: LossCurve, found: Sequence[int]) -> bool:
        """Few spikes, which left no trace in Adam's second moments, and from which the loss comes back; or too young
        for more than news."""
        first = [at for before, at in pairwise([-self.policy.horizon, *found]) if at - before >= self.policy.one]
        lag = context.series(tags.UPDATE_LAG)  # at the spikes: at the first steps of a run it is large for any
        since = int(curve.steps[first[0]]) - self.policy.one
        lags = np.empty(0) if lag is None else lag.between(since, context.step).values
        if len(first) > self.policy.few or (len(lags) > 0 and lags.max() > self.policy.lag):
            return False
        return all(len(curve) - at < self.policy.back or self._comes_back(curve, at) for at in first)

    def _comes_back(self, curve: LossCurve, at: int) -> bool:
        """True where the loss is back where it was before the point *at*, or on its way there: most of the jump is
        regained, and before long also some of what it had learnt."""
        policy, usual = self.policy, median(curve.values[at - 20 : at])
        since = curve.values[at + policy.back - policy.back_points :]
        now, peak = median(since[-policy.back_points :]), float(curve.values[at : at + policy.confirm_points].max())
        first = median(since[: policy.back_points])
        if min(first, now) <= policy.factor * usual + policy.margin * abs(curve.start):
            return True
        if peak - now < policy.regained * (peak - usual):
            return False
        is_young = len(curve) - at < policy.patience
        return is_young or curve.start - now >= policy.relearnt * (curve.start - usual) > 0

    def _severity(self, context: Context, curve: LossCurve, found: Sequence[int]) -> Severity:
        """News only where it is over, and where the gradient is known and hardly grew: harder data, not a step that
        went wrong."""
        grad, step = context.series(tags.GRAD_NORM), int(curve.steps[min(found)])
        if _lr_rose(context, step) or _wild_batch(context, curve, found) is not None:
            return "warning"
        if self._is_over(context, curve, found):
            return "info"
        if grad is None:
            return "warning"
        before = grad.between(step - 20, step - 1).values
        after = grad.between(step, step + self.policy.confirm_points).values
        if len(before) == 0 or len(after) == 0:
            return "warning"
        return "info" if np.median(after) < self.policy.grad_growth * np.median(before) else "warning"

    def _symptom(self, context: Context, curve: LossCurve, found: Sequence[int]) -> Symptom:
        at = min(found)
        usual = median(curve.values[at - 20 : at])
        peak = float(curve.values[at : at + self.policy.confirm_points].max())
        step = int(curve.steps[at])
        window = (step, int(curve.steps[at + self.policy.confirm_points - 1]))
        z = self._z(curve, curve.values[at - self.policy.baseline : at], at)
        batch = _wild_batch(context, curve, found)
        return Symptom(
            kind="spike",
            severity=self._severity(context, curve, found),
            first_step=step,
            last_step=window[1],
            title=f"Loss jumped from {usual:.3g} to {peak:.3g} at step {step}",
            evidence=(
                Evidence(curve.tag, window, z, self.policy.z, ">", f"{min(z, 999):.0f} sigma above its own trend"),
                Evidence(curve.tag, window, peak, self.policy.factor * usual, ">",
                         f"it stayed up: {peak:.3g} against {usual:.3g} over the 20 steps before"),
                *(() if batch is None else (batch,)),
            ),
            facts={"z": z, "ratio": peak / usual if usual > 0 else float("inf")},
        )  # fmt: skip


def _wild_batch(context: Context, curve: LossCurve, found: Sequence[int]) -> Evidence | None:
    """The batch far outside all others at which one of the spikes began, where its inputs were measured."""
    seen = (wild_batch(context, int(curve.steps[at])) for at in found)
    return next((batch for batch in seen if batch is not None), None)


def _restarted(context: Context, curve: LossCurve, at: int) -> bool:
    """True where the schedule has just raised the LR again, to a value at which the run stood before."""
    lr, schedule, step = context.series(tags.LR + "0"), context.schedule, int(curve.steps[at])
    if lr is None or schedule is None or not any(step - 10 <= raised <= step for raised in schedule.restarts):
        return False
    earlier = lr.between(int(lr.steps[0]), step - 20).values
    now = lr.between(step - 10, step).values
    return len(earlier) > 0 and bool(now.max() <= 1.05 * earlier.max())


def _joined(context: Context, curve: LossCurve, at: int) -> bool:
    """True where a term joined the loss there."""
    usual, now = median(curve.values[at - 20 : at]), curve.now
    return now > usual and explain_rise(context, int(curve.steps[at - 1]), now - usual)


def _lr_rose(context: Context, step: int) -> bool:
    """True where the LR rose by a factor of 3 or more within the ten steps before."""
    schedule = context.schedule
    return schedule is not None and any(step - 10 <= raised <= step for raised in schedule.restarts)
