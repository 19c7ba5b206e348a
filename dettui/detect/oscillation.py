"""Swings of the loss that are no noise of small batches: zigzags and periods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dettui.detect.base import Symptom, told_by
from dettui.detect.context import Context
from dettui.detect.loss_curve import LossCurve
from dettui.domain.finding import Abstention, Evidence
from dettui.domain.series import Floats
from dettui.numerics.autocorrelation import lag1_z
from dettui.numerics.oscillation import fisher_g, turning_points_z, wave, whitened
from dettui.numerics.robust import median
from dettui.numerics.spending import spent_p
from dettui.numerics.trend import detrend
from dettui_probe import tags


@dataclass(frozen=True)
class OscillationPolicy:
    """diagnosis.md 3.2, on the residual of ln L about its local line."""

    zigzag_points: int = 128
    wave_points: int = 256  # with 128, noise of memory 0.8 passed 6 times in 1,000 windows; with 256, 0 in 9,000
    wait_points: int = 40  # after warm-up
    zigzag_z: float = 4.0  # turning points
    alternate_z: float = -4.0  # lag-1 correlation times sqrt n
    p_value: float = 1e-6  # Fisher's g on whitened residuals, at the first look; spent over later ones
    amplitude: float = 0.05  # share of the level
    share: float = 0.3  # of the residual variance
    epoch_tolerance: float = 0.15  # a period this near to an epoch, or to 1/2 or 1/3 of it, is the order of the data
    shortest: float = 3.0  # a period of two steps is a zigzag
    longest: float = 40.0  # points; a longer period is not told from a bend within the window
    solved: float = 0.05  # share of the first level below which swings are harmless
    progress: float = 0.1  # fall of the level over the window that makes the swings harmless


@dataclass(frozen=True)
class Swing:
    """An oscillation of the newest points."""

    period: float
    amplitude: float  # on the even scale: share of the level
    share: float
    points: int  # newest ones in which it was found
    how: str  # in words
    measured: float  # below its limit
    limit: float


def find_swing(curve: LossCurve, policy: OscillationPolicy) -> Swing | None:
    """The swing of the newest points of *curve*, None where they may be noise."""
    return _zigzag(curve, policy) or _wave(curve, policy)


def _zigzag(curve: LossCurve, policy: OscillationPolicy) -> Swing | None:
    """Up and down at every other step."""
    residual = _residual(curve, policy.zigzag_points)
    if residual is None:
        return None
    z, sd = lag1_z(residual), float(residual.std())
    share = -z / float(np.sqrt(len(residual)))
    if z >= policy.alternate_z or share < policy.share or sd <= policy.amplitude:
        return None
    if turning_points_z(residual) <= policy.zigzag_z:
        return None
    how = "the loss goes up and down at every other step"
    return Swing(2.0, sd, share, len(residual), how, z, policy.alternate_z)


def _wave(curve: LossCurve, policy: OscillationPolicy) -> Swing | None:
    """One period stands out."""
    residual = _residual(curve, policy.wave_points)
    if residual is None:
        return None
    line = fisher_g(whitened(residual))
    looks = max(len(curve) // policy.wave_points, 1)
    if line.p_value >= spent_p(2 * policy.p_value, looks) or not policy.shortest < line.period <= policy.longest:
        return None
    amplitude, share = wave(residual, line.period)
    if amplitude <= policy.amplitude or share < policy.share:
        return None
    how = f"a wave of {line.period:.0f} steps carries {share:.0%} of the variance"
    return Swing(line.period, amplitude, share, len(residual), how, line.p_value, policy.p_value)


def _residual(curve: LossCurve, points: int) -> Floats | None:
    return detrend(curve.even(curve.values[-points:])) if len(curve) >= points else None


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
        past_warmup = context.points_past_warmup
        if past_warmup < policy.zigzag_points + policy.wait_points or curve.now < policy.solved * curve.start:
            return ()
        swing = find_swing(curve, policy)
        if swing is None or past_warmup < swing.points + policy.wait_points:
            return ()
        if _lr_swings(context, swing.points):
            return ()
        if self._is_order_of_data(context, swing.period):
            return (self._order(curve, swing),)
        return (self._symptom(curve, swing, self._falls(curve)),)

    def _order(self, curve: LossCurve, swing: Swing) -> Symptom:
        """A swing with the epoch is no swing of the optimizer: batches come in an order.  News only."""
        window = (int(curve.steps[-swing.points]), int(curve.steps[-1]))
        proof = Evidence(curve.tag, window, swing.measured, swing.limit, "<", swing.how)
        title = f"Loss swings with the epoch, every {swing.period:.0f} steps"
        return told_by([proof], "batch_order", "info", title, key="epoch")

    def _is_order_of_data(self, context: Context, period: float) -> bool:
        epoch = context.steps_per_epoch
        if not epoch:
            return False
        return any(abs(period * k / epoch - 1) < self.policy.epoch_tolerance for k in (1, 2, 3))

    def _falls(self, curve: LossCurve) -> bool:
        newest = curve.even(curve.values[-2 * self.policy.zigzag_points :])
        half = len(newest) // 2
        return median(newest[:half]) - median(newest[half:]) > self.policy.progress

    def _symptom(self, curve: LossCurve, swing: Swing, falls: bool) -> Symptom:
        window = (int(curve.steps[-swing.points]), int(curve.steps[-1]))
        return Symptom(
            kind="oscillation",
            severity="info" if falls else "warning",
            first_step=window[0],
            last_step=window[1],
            title=f"Loss swings by {swing.amplitude:.0%} with a period of {swing.period:.0f} steps",
            evidence=(
                Evidence(curve.tag, window, swing.measured, swing.limit, "<", swing.how),
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
