"""The loss leaves its best level upwards, for good: divergence, or a change of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt

import numpy as np

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.detect.loss_curve import NOW_POINTS, LossCurve
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Floats
from dettui.numerics.changepoint import level_shift_split
from dettui.numerics.ranks import mann_whitney_z
from dettui.numerics.robust import block_medians, difference_sigma, is_usable, median, thin
from dettui_probe import tags


@dataclass(frozen=True)
class DivergencePolicy:
    """diagnosis.md 3.3."""

    wait_points: int = 40
    ratio: float = 1.3  # newest level over the best one
    of_gain: float = 0.15  # excess as a share of the whole gain
    of_start: float = 0.05  # excess as a share of the first level
    rank_z: float = 4.0
    noise_z: float = 4.0  # excess over what the best of many noisy blocks explains
    levels: int = 256  # medians of NOW_POINTS that tell how the level swings
    newest_levels: int = 5  # left out: a climb is no noise
    least_levels: int = 8
    shift_window: int = 128
    shift_edge: int = 5  # points within which a step change happens
    shift_gain: float = 0.5  # share of the squares that one cut explains
    shift_wait: int = 60  # points after a step change before it is more than news
    recovering: float = 0.3  # fall since the step change as a share of its height
    lr_share: float = 0.5  # the best level counts only where the LR was at least this share of today's
    grad_growth: float = 3.0  # gradient norm since the best level: the optimiser is part of it
    violent_update: float = 0.03  # ||dw||/||w|| [S1: log10 u > -1.5]


@dataclass(frozen=True)
class Rise:
    """How far the newest points stand above the best ones."""

    best: float
    best_step: int
    now: float
    rank_z: float


@dataclass(frozen=True)
class Divergence:
    """Tells a rising loss from one that was lifted in one step."""

    policy: DivergencePolicy = DivergencePolicy()
    name: str = "divergence"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom: divergence, or distribution_shift where one step lifted the loss and LR and updates
        had no part in it."""
        curve = context.loss
        if curve is None:
            return Abstention(self.name, (tags.LOSS_TOTAL,))
        if len(curve) < self.policy.wait_points:
            return ()
        rise = self._rise(context, curve)
        if rise is None:
            return ()
        shift = self._step_change(curve, rise.best_step)
        if shift is None or rise.now > 1.3 * curve.start or self._optimizer_took_part(context, rise):
            return (self._diverged(curve, rise),)
        return self._shifted(context, curve, shift)

    def _rise(self, context: Context, curve: LossCurve) -> Rise | None:
        policy = self.policy
        usable = self._comparable(context, curve)
        blocks = min(256, len(usable) // NOW_POINTS)
        if blocks < 2 or not curve.is_positive:
            return None
        levels = block_medians(thin(usable, 256 * NOW_POINTS), blocks)
        at = int(np.argmin(levels[:-1]))
        best, now = float(levels[at]), curve.now
        excess = now - best
        if now <= policy.ratio * best or excess <= policy.of_start * curve.start:
            return None
        if excess <= policy.of_gain * max(curve.start - best, 0.0) or not self._beyond_noise(curve, best, now, blocks):
            return None
        size = len(usable) // blocks
        low = len(curve) - len(usable) + at * size
        z = mann_whitney_z(curve.values[low : low + NOW_POINTS], curve.values[-NOW_POINTS:])
        return Rise(best, int(curve.steps[low]), now, z) if z > policy.rank_z else None

    def _comparable(self, context: Context, curve: LossCurve) -> Floats:
        """The newest stretch with an LR of at least half of today's: after a restart the loss may return to where
        it stood at that LR.  Above its first level the whole run counts."""
        lr = context.series(tags.LR + "0")
        if lr is None or curve.now > self.policy.ratio * curve.start or len(lr) != len(curve):
            return curve.values
        schedule = context.schedule
        if schedule is None or schedule.constant:
            return curve.values
        smaller = np.flatnonzero(lr.values < self.policy.lr_share * schedule.now)
        return curve.values[int(smaller[-1]) + 1 :] if len(smaller) else curve.values

    def _beyond_noise(self, curve: LossCurve, best: float, now: float, blocks: int) -> bool:
        """The lowest of many noisy medians lies sqrt(2 ln blocks) of their errors too low on average.

        Their error is what single points tell, or what the levels before showed: noise that varies slowly hides in the
        differences of points.
        """
        error = max(1.25 * curve.sigma * sqrt(curve.tau / NOW_POINTS), self._swing_of_levels(curve))
        return log(now / best) > error * (sqrt(2 * log(blocks)) + self.policy.noise_z * sqrt(2.0))

    def _swing_of_levels(self, curve: LossCurve) -> float:
        """Noise from one median of NOW_POINTS to the next before the newest ones; 0 where too few came."""
        policy = self.policy
        before = curve.values[-NOW_POINTS * (policy.levels + policy.newest_levels) : -NOW_POINTS * policy.newest_levels]
        blocks = len(before) // NOW_POINTS
        if blocks < policy.least_levels:
            return 0.0
        return difference_sigma(curve.even(block_medians(before[-blocks * NOW_POINTS :], blocks)))

    def _optimizer_took_part(self, context: Context, rise: Rise) -> bool:
        policy = self.policy
        grad = context.series(tags.GRAD_NORM)
        update = context.median(tags.UPDATE_RATIO, NOW_POINTS)
        if update is not None and update > policy.violent_update:
            return True
        schedule = context.schedule
        if schedule is not None and any(step >= rise.best_step for step in schedule.restarts):
            return True
        return grad is not None and _growth(
            grad.between(rise.best_step, rise.best_step + NOW_POINTS).values, grad.values
        ) > (policy.grad_growth)

    def _step_change(self, curve: LossCurve, since: int) -> int | None:
        """Index of the first point after one clean upward step since step *since*, None for a gradual rise."""
        low = int(np.searchsorted(curve.steps, since))
        coarse = thin(curve.values[low:], 512)
        if len(coarse) < 4 * self.policy.shift_edge:
            return None
        stride = (len(curve) - low) // len(coarse)
        near = len(curve) - (len(coarse) - level_shift_split(curve.even(coarse)).index) * stride
        half = max(self.policy.shift_window // 2, 2 * stride)
        first = max(0, near - half)
        at = self._clean_step(curve.even(curve.values[first : near + half]))
        return None if at is None else first + at

    def _clean_step(self, around: Floats) -> int | None:
        edge = self.policy.shift_edge
        if len(around) < 4 * edge:
            return None
        split = level_shift_split(around, smallest=edge)
        if split.after <= split.before or split.gain < self.policy.shift_gain:
            return None
        sides = around[split.index - edge : split.index], around[split.index : split.index + edge]
        climbed = median(sides[1]) - median(sides[0])
        return split.index if climbed > 0.7 * (split.after - split.before) else None

    def _diverged(self, curve: LossCurve, rise: Rise) -> Symptom:
        last = int(curve.steps[-1])
        ratio = rise.now / rise.best
        return Symptom(
            kind="divergence",
            severity="critical",
            first_step=rise.best_step,
            last_step=last,
            title=f"Loss has climbed from {rise.best:.3g} to {rise.now:.3g} since step {rise.best_step}",
            evidence=(
                Evidence(curve.tag, (rise.best_step, last), ratio, self.policy.ratio, ">",
                         f"{ratio:.2f} times its best level"),
                Evidence(curve.tag, (int(curve.steps[-NOW_POINTS]), last), rise.rank_z, self.policy.rank_z, ">",
                         f"the newest {NOW_POINTS} steps lie above the best {NOW_POINTS} (rank z = {rise.rank_z:.1f})"),
            ),
            facts={"ratio": ratio, "over_start": rise.now / curve.start if curve.start > 0 else 0.0},
        )  # fmt: skip

    def _shifted(self, context: Context, curve: LossCurve, at: int) -> Sequence[Symptom]:
        since = len(curve) - at
        before = median(curve.values[max(0, at - 50) : at])
        first, newest = (median(part) for part in (curve.values[at : at + 20], curve.values[-20:]))
        height = first - before
        settled = since >= self.policy.shift_wait and newest > first - self.policy.recovering * height
        step, last = int(curve.steps[at]), int(curve.steps[-1])
        return (
            Symptom(
                kind="distribution_shift",
                severity="warning" if settled else "info",
                first_step=step,
                last_step=last,
                title=f"Loss stepped up from {before:.3g} to {first:.3g} at step {step}; the updates did not change",
                evidence=(
                    Evidence(curve.tag, (step, last), first / before if before > 0 else None, self.policy.ratio, ">",
                             f"{before:.3g} before, {first:.3g} after, {newest:.3g} now"),
                ),
                facts={"height": height, "since": float(since)},
            ),
        )  # fmt: skip


def _growth(then: Floats, now: Floats) -> float:
    """Median of the newest *now* over the median of *then*; 1 where either is missing."""
    then, newest = then[is_usable(then)], now[-NOW_POINTS:]
    newest = newest[is_usable(newest)]
    if len(then) == 0 or len(newest) == 0 or np.median(then) <= 0:
        return 1.0
    return float(np.median(newest) / np.median(then))
