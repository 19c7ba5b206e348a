"""Swings of the loss that are no noise of small batches: zigzags and periods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom
from dettui.detect.context import Context
from dettui.detect.loss_curve import LossCurve
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Floats
from dettui.numerics.autocorrelation import lag1_z
from dettui.numerics.oscillation import fisher_g, turning_points_z, wave, whitened
from dettui.numerics.trend import detrend
from dettui_probe import tags


@dataclass(frozen=True)
class OscillationPolicy:
    """diagnosis.md 3.2, on the residual of ln L about its local line."""

    points: int = 128
    wait_points: int = 40  # after warm-up
    zigzag_z: float = 4.0  # turning points
    alternate_z: float = -4.0  # lag-1 correlation times sqrt n
    p_value: float = 1e-5  # Fisher's g
    amplitude: float = 0.05  # share of the level
    share: float = 0.3  # of the residual variance
    epoch_tolerance: float = 0.15  # a period this near to an epoch, or to 1/2 or 1/3 of it, is the order of the data
    longest: float = 40.0  # points; a longer period is not told from a bend within the window
    progress: float = 0.1  # fall of the level over the window that makes the swings harmless


@dataclass(frozen=True)
class Swing:
    """An oscillation of the newest points."""

    period: float
    amplitude: float  # on the even scale: share of the level
    share: float
    how: str  # in words
    measured: float
    limit: float
    relation: str


def find_swing(residual: Floats, policy: OscillationPolicy) -> Swing | None:
    """The swing in *residual* (shape (n,), detrended), None where it may be noise."""
    line = fisher_g(whitened(residual))
    sd = float(residual.std())
    zigzag, alternate = turning_points_z(residual), lag1_z(residual)
    if zigzag > policy.zigzag_z and alternate < policy.alternate_z and sd > policy.amplitude:
        share = -alternate / np.sqrt(len(residual))
        if share >= policy.share:
            how = "the loss goes up and down at every other step"
            return Swing(2.0, sd, float(share), how, alternate, policy.alternate_z, "<")
    if line.p_value >= policy.p_value:
        return None
    amplitude, share = wave(residual, line.period)
    if amplitude > policy.amplitude and share >= policy.share:
        how = f"a wave of {line.period:.0f} steps carries {share:.0%} of the variance"
        return Swing(line.period, amplitude, share, how, line.p_value, policy.p_value, "<")
    return None


@dataclass(frozen=True)
class Oscillation:
    """The loss swings, and not with the epochs or the LR."""

    policy: OscillationPolicy = OscillationPolicy()
    name: str = "oscillation"

    def evaluate(self, context: Context) -> Sequence[Symptom] | Abstention:
        """At most one symptom; info while the level still falls."""
        curve, policy = context.loss, self.policy
        if curve is None:
            return Abstention(self.name, (tags.LOSS_TOTAL,))
        past_warmup = len(curve) - int(np.searchsorted(curve.steps, context.warmup_end))
        if past_warmup < policy.points + policy.wait_points or curve.now < 0.05 * curve.start:
            return ()
        newest = curve.even(curve.values[-policy.points :])
        swing = find_swing(detrend(newest), policy)
        if swing is None or swing.period > policy.longest or self._is_order_of_data(context, swing.period):
            return ()
        if _lr_swings(context, policy.points):
            return ()
        return (self._symptom(curve, swing, self._falls(curve)),)

    def _is_order_of_data(self, context: Context, period: float) -> bool:
        epoch = context.steps_per_epoch
        if not epoch:
            return False
        return any(abs(period * k / epoch - 1) < self.policy.epoch_tolerance for k in (1, 2, 3))

    def _falls(self, curve: LossCurve) -> bool:
        newest = curve.even(curve.values[-2 * self.policy.points :])
        half = len(newest) // 2
        return float(np.median(newest[:half]) - np.median(newest[half:])) > self.policy.progress

    def _symptom(self, curve: LossCurve, swing: Swing, falls: bool) -> Symptom:
        window = (int(curve.steps[-self.policy.points]), int(curve.steps[-1]))
        return Symptom(
            kind="oscillation",
            severity="info" if falls else "warning",
            first_step=window[0],
            last_step=window[1],
            title=f"Loss swings by {swing.amplitude:.0%} with a period of {swing.period:.0f} steps",
            evidence=(
                Evidence(curve.tag, window, swing.measured, swing.limit, swing.relation, swing.how),
                Evidence(curve.tag, window, swing.amplitude, self.policy.amplitude, ">",
                         f"amplitude {swing.amplitude:.1%} of the level"),
            ),
            facts={"period": swing.period, "amplitude": swing.amplitude},
        )  # fmt: skip


def _lr_swings(context: Context, points: int) -> bool:
    """True where the LR itself goes up and down within the window."""
    lr = context.window(tags.LR + "0", points)
    moves = np.sign(np.diff(lr))
    moves = moves[moves != 0]
    return bool(np.any(moves[1:] != moves[:-1]))
