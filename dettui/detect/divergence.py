"""The loss leaves its best level upwards, for good: divergence, or a change of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt

import numpy as np

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.detect.joined_terms import explain_rise
from dettui.detect.loss_curve import NOW_POINTS, LossCurve
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Floats, Series
from dettui.numerics.autocorrelation import integrated_time
from dettui.numerics.changepoint import level_shift_split
from dettui.numerics.ranks import mann_whitney_z
from dettui.numerics.robust import block_medians, difference_sigma, is_usable, mad_sigma, median, thin, usable_of
from dettui.numerics.trend import detrend
from dettui_probe import tags


@dataclass(frozen=True)
class DivergencePolicy:
    """diagnosis.md 3.3."""

    wait_points: int = 40
    ratio: float = 1.3  # newest level over the best one
    of_gain: float = 0.15  # excess as a share of the whole gain
    of_start: float = 0.05  # excess as a share of the first level
    come_back: float = 0.5  # share of the greatest excess that is gone again: what falls is not diverging
    undone: int = 20  # points of descent before the best level that a swing may undo
    rank_z: float = 4.0
    noise_z: float = 4.0  # excess over what the best of many noisy blocks explains
    levels: int = 256  # medians of NOW_POINTS that tell how the level swings
    newest_levels: int = 5  # left out: a climb is no noise
    least_levels: int = 8
    least_levels_beside: int = 5  # on either side of a step change
    shift_windows: tuple[int, ...] = (128, 48)  # points; the shorter one for a loss that was falling fast
    shift_edge: int = 5  # points within which a step change happens
    shift_gain: float = 0.5  # share of the squares that one cut explains
    shift_wait: int = 60  # points after a step change before it is more than news
    recovering: float = 0.3  # fall since the step change as a share of its height
    lr_share: float = 0.5  # the best level counts only where the LR was at least this share of today's
    grad_growth: float = 3.0  # gradient norm since the best level: the optimiser is part of it
    violent_update: float = 0.03  # ||dw||/||w|| [S1: log10 u > -1.5]
    new_level: float = 3.0  # errors of a level above the highest one before
    beside: int = 50  # points on either side of a step change that tell its height
    calm_steps: int = 12  # before a step change, that tell whether the optimizer made it
    usual_steps: int = 60
    calm_growth: float = 2.0  # of updates and gradients before it, over the usual ones
    calm_update: float = 0.1
    at_once: float = 0.5  # share of the step change that two points bring
    other_classes: float = 4.0  # times as far from the usual shares of classes as chance makes batches
    foreground: float = 1.5  # times as many proposals that are foreground: theirs are the dear ones


@dataclass(frozen=True)
class Rise:
    """How far the newest points stand above the best ones."""

    best: float
    best_step: int
    now: float
    rank_z: float
    blocks: int  # of which the best one is the lowest


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
        return () if rise is None else self._told(context, curve, rise)

    def _told(self, context: Context, curve: LossCurve, rise: Rise) -> Sequence[Symptom]:
        if rise.now < curve.start and self._has_more_foreground(context, rise.best_step):
            return ()
        if explain_rise(context, rise.best_step, rise.now - rise.best):
            return ()
        shift = self._step_change(curve, rise.best_step)
        if shift is not None and self._came_at_once(context, curve, shift):
            return self._shifted(context, curve, shift) if self._is_beyond_noise_at(curve, rise, shift) else ()
        if not self._beyond_noise(curve, rise):
            return ()
        if shift is None or rise.now > 1.3 * curve.start or self._optimizer_took_part(context, rise):
            return (self._diverged(curve, rise),)
        return self._shifted(context, curve, shift)

    def _has_more_foreground(self, context: Context, since: int) -> bool:
        """Whether the proposals of a two-stage detector have met so many more objects since that its second stage has
        more boxes, and masks, to account for: its loss rises while it learns."""
        proposals = context.series(tags.ASSIGN_ROI)
        if proposals is None:
            return False
        before = proposals.between(since - self.policy.usual_steps, since).values
        return len(before) > 0 and median(proposals.values[-NOW_POINTS:]) > self.policy.foreground * median(before)

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
        start = self._settled_start(curve)
        if now <= policy.ratio * best or excess <= policy.of_start * start:
            return None
        if excess <= policy.of_gain * max(start - best, 0.0):
            return None
        size = len(usable) // blocks
        low = len(curve) - len(usable) + at * size
        top = _highest_level(curve.values[low:])
        if top - now > policy.come_back * (top - best) or now <= self._level_before(curve, low):
            return None
        halves = (max(0, low - NOW_POINTS // 2), low)  # the best block may hold the first points of the climb
        z = max(mann_whitney_z(curve.values[at : at + NOW_POINTS], curve.values[-NOW_POINTS:]) for at in halves)
        return Rise(best, int(curve.steps[low]), now, z, blocks) if z > policy.rank_z else None

    def _settled_start(self, curve: LossCurve) -> float:
        """The first level, or that of the second twentieth of the run where it is lower: a loss of squares or of
        several terms may begin at many times of what is ever seen again, and such a fall says nothing of a rise."""
        early = curve.values[len(curve) // 20 : len(curve) // 10]
        return min(curve.start, median(early)) if len(early) >= NOW_POINTS // 2 else curve.start

    def _level_before(self, curve: LossCurve, low: int) -> float:
        """Where the loss stood shortly before the point *low*: a rise that undoes the newest steps only is a swing."""
        before = curve.values[max(0, low - self.policy.undone - NOW_POINTS) : max(0, low - self.policy.undone)]
        return median(before) if len(before) == NOW_POINTS else 0.0

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

    def _beyond_noise(self, curve: LossCurve, rise: Rise) -> bool:
        """The lowest of many noisy medians lies sqrt(2 ln blocks) of their errors too low on average.

        Their error is what single points tell, or what the levels before showed: noise that varies slowly hides in the
        differences of points.
        """
        error = max(_error_of_level(curve, curve.tau, NOW_POINTS), self._swing_of_levels(curve))
        return log(rise.now / rise.best) > error * self._errors_asked(rise)

    def _is_beyond_noise_at(self, curve: LossCurve, rise: Rise, shift: int) -> bool:
        """The same of a step change at the point *shift*, which is no noise itself."""
        tau = self._tau_beside(curve, shift)
        if not self._is_new_level(curve, shift, _error_of_level(curve, tau, NOW_POINTS)):
            return False
        points = max(NOW_POINTS, min(self.policy.beside, shift, len(curve) - shift))
        error = max(_error_of_level(curve, tau, points), self._swing_beside(curve, shift))
        return log(rise.now / rise.best) > error * self._errors_asked(rise)

    def _errors_asked(self, rise: Rise) -> float:
        return sqrt(2 * log(rise.blocks)) + self.policy.noise_z * sqrt(2.0)

    def _is_new_level(self, curve: LossCurve, shift: int, error: float) -> bool:
        """True where the level from the point *shift* on lies above every one that the second half of what was before
        shows: one that the loss had reached before is a swing.  *error*: of a level on the even scale."""
        before = curve.values[shift // 2 : shift]
        blocks = len(before) // NOW_POINTS
        if blocks < 2:
            return True
        levels = block_medians(before[-blocks * NOW_POINTS :], blocks)
        after = median(curve.values[shift:])
        return after > 0 and log(after / float(levels.max())) > self.policy.new_level * error

    def _tau_beside(self, curve: LossCurve, shift: int) -> float:
        """Autocorrelation time of the newest points before the point *shift* and from it on, each less its own line."""
        cut = shift - (len(curve) - len(curve.recent))
        sides = [side for side in (curve.recent[: max(cut, 0)], curve.recent[max(cut, 0) :]) if len(side) >= NOW_POINTS]
        return integrated_time(np.concatenate([detrend(side) for side in sides])) if sides else curve.tau

    def _came_at_once(self, context: Context, curve: LossCurve, at: int) -> bool:
        """True where two points brought most of the step change, and nothing that the optimizer did led up to it.

        A loss is measured before its step: what changed it within one step is what the model was given.
        """
        policy = self.policy
        before = median(curve.values[max(0, at - policy.beside) : at])
        after = median(curve.values[at : at + NOW_POINTS])
        if median(curve.values[at : at + 3]) - before < policy.at_once * (after - before):
            return False
        step, schedule = int(curve.steps[at]), context.schedule
        if schedule is not None and any(step - policy.calm_steps <= raised <= step for raised in schedule.restarts):
            return False
        watched = (context.series(tag) for tag in (tags.UPDATE_RATIO, tags.GRAD_NORM))
        growths = [_growth_before(series, step, policy) for series in watched if series is not None]
        update = context.series(tags.UPDATE_RATIO)
        last = None if update is None else _median_within(update, step - policy.calm_steps, step - 1)
        return bool(growths) and max(growths) <= policy.calm_growth and (last or 0.0) <= policy.calm_update

    def _swing_of_levels(self, curve: LossCurve) -> float:
        """Noise from one median of NOW_POINTS to the next before the newest ones; 0 where too few came."""
        policy = self.policy
        cut = max(0, len(curve) - NOW_POINTS * policy.newest_levels)
        levels = self._levels(curve, curve.values[:cut])
        return difference_sigma(levels) if len(levels) >= policy.least_levels else 0.0

    def _swing_beside(self, curve: LossCurve, shift: int) -> float:
        """How much the levels on either side of the point *shift* swing about their own lines; 0 where too few came.

        The first half of what was before is left out: it may still descend.
        """
        sides = (self._levels(curve, side) for side in (curve.values[shift // 2 : shift], curve.values[shift:]))
        known = [levels for levels in sides if len(levels) >= self.policy.least_levels_beside]
        return max((max(difference_sigma(levels), mad_sigma(detrend(levels))) for levels in known), default=0.0)

    def _levels(self, curve: LossCurve, values: Floats) -> Floats:
        """Medians of NOW_POINTS each of the newest *values*, on the even scale."""
        newest = values[-NOW_POINTS * self.policy.levels :]
        blocks = len(newest) // NOW_POINTS
        return curve.even(block_medians(newest[-blocks * NOW_POINTS :], blocks)) if blocks else newest[:0]

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
        for window in self.policy.shift_windows:
            half = max(window // 2, 2 * stride)
            first = max(0, near - half)
            at = self._clean_step(curve.even(curve.values[first : near + half]))
            if at is not None:
                return first + at
        return None

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

    def _classes_changed(self, context: Context, step: int) -> bool:
        """Whether the classes of the batches became others with *step*: another task begins, as after pretraining."""
        chi2, policy = context.series(tags.ORDER_CHI2), self.policy
        if chi2 is None:
            return False
        before = _median_within(chi2, step - policy.usual_steps, step - 1)
        after = _median_within(chi2, step + 1, step + policy.beside)
        return before is not None and after is not None and after > policy.other_classes * max(before, 1.0)

    def _shifted(self, context: Context, curve: LossCurve, at: int) -> Sequence[Symptom]:
        since = len(curve) - at
        before = median(curve.values[max(0, at - self.policy.beside) : at])
        first, newest = (median(part) for part in (curve.values[at : at + 20], curve.values[-20:]))
        height = first - before
        step, last = int(curve.steps[at]), int(curve.steps[-1])
        settled = since >= self.policy.shift_wait and newest > first - self.policy.recovering * height
        settled = settled and not self._classes_changed(context, step)
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


def _highest_level(values: Floats) -> float:
    """The highest median of NOW_POINTS, wherever it begins, of at most the newest 2,000 of *values*."""
    windows = np.lib.stride_tricks.sliding_window_view(values[-2000:], NOW_POINTS)[:: NOW_POINTS // 4]
    return float(np.median(windows, axis=1).max())


def _error_of_level(curve: LossCurve, tau: float, points: int) -> float:
    """Of the median of so many *points*, on the even scale; *tau*: their autocorrelation time."""
    return 1.25 * curve.sigma * sqrt(tau / points)


def _median_within(series: Series, first: int, last: int) -> float | None:
    """Median of *series* from step *first* to *last*; None where nothing came."""
    found = usable_of(series.between(first, last).values)
    return median(found) if len(found) else None


def _growth_before(series: Series, step: int, policy: DivergencePolicy) -> float:
    """Median of the steps right before *step* over that of the usual ones before; 1 where nothing tells."""
    usual = _median_within(series, step - policy.usual_steps, step - policy.calm_steps - 1)
    newest = _median_within(series, step - policy.calm_steps, step - 1)
    return newest / usual if newest is not None and usual else 1.0


def _growth(then: Floats, now: Floats) -> float:
    """Median of the newest *now* over the median of *then*; 1 where either is missing."""
    then, newest = then[is_usable(then)], now[-NOW_POINTS:]
    newest = newest[is_usable(newest)]
    if len(then) == 0 or len(newest) == 0 or np.median(then) <= 0:
        return 1.0
    return float(np.median(newest) / np.median(then))
