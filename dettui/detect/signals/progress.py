"""The course of the loss and of the learning rate, as numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from dettui.detect.context import Context
from dettui.detect.oscillation import OscillationPolicy, find_swing
from dettui.detect.signals.fields import Signals
from dettui.domain.series import Floats
from dettui.numerics.autocorrelation import autocorrelations
from dettui.numerics.robust import difference_sigma, median
from dettui_probe import tags


def add_progress(context: Context, known: Signals) -> Signals:
    curve = context.loss
    loss = context.series(tags.LOSS_TOTAL)
    known = replace(known, steps=0 if loss is None else len(loss))
    if curve is None:
        return known
    residual = curve.residual
    swing = find_swing(curve, OscillationPolicy())
    return replace(
        known,
        loss_first=curve.start,
        loss_last=curve.now,
        loss_drop_share=curve.drop_share,
        residual_r1=float(autocorrelations(residual, 1)[0]),
        residual_sd=float(residual.std()),
        oscillation_period=None if swing is None else swing.period,
        calm_before_non_finite=_calm_before(context),
    )


CALM_POINTS = 20
CALM_TIMES = 3.0


def _calm_before(context: Context) -> bool | None:
    """Were loss and gradient as usual at the step before the loss was no number?  Then not the steps made it, but what
    that one step was given.  None where the loss is finite, or broke off too early to have a usual level."""
    loss, grad = context.series(tags.LOSS_TOTAL), context.series(tags.GRAD_NORM)
    if loss is None or grad is None:
        return None
    broken = np.flatnonzero(~np.isfinite(loss.values))
    if not len(broken) or broken[0] < CALM_POINTS:
        return None
    before = int(np.searchsorted(grad.steps, loss.steps[broken[0]]))
    parts = loss.values[broken[0] - CALM_POINTS : broken[0]], grad.values[max(before - CALM_POINTS, 0) : before]
    return all(_ends_as_usual(part.astype(np.float64)) for part in parts)


def _ends_as_usual(values: Floats) -> bool:
    usual = median(np.abs(values)) if len(values) else 0.0
    return bool(usual > 0 and abs(values[-1]) <= CALM_TIMES * usual)


def add_schedule(context: Context, known: Signals) -> Signals:
    schedule = context.schedule
    if schedule is None:
        return known
    total = context.total_steps
    return replace(
        known,
        lr_now=schedule.now,
        lr_peak=schedule.held_peak,
        lr_first_over_peak=schedule.first / schedule.held_peak if schedule.held_peak > 0 else None,
        amp_scale=context.last(tags.AMP_SCALE),
        lr_drops=len(schedule.drops),
        lr_rising=schedule.rising,
        sd_fell_after_lr_drop=_sd_fell(context, schedule.drops),
        schedule_share_done=context.step / total if total else None,
        lr_low_since=_low_since(context, schedule.held_peak) if total else None,
    )


LOW: Final = 0.11
"""Of its peak: a learning rate that does the last touches only, as after one drop to a tenth."""


def _low_since(context: Context, peak: float) -> float | None:
    """Share of the declared run at which the LR fell below LOW times its *peak* and stayed there; None where it is not
    so low now, and of a resumed run, whose steps may count another way."""
    rates, total = context.series(tags.LR + "0"), context.total_steps
    if rates is None or not total or peak <= 0 or context.is_resumed:
        return None
    high = np.flatnonzero(rates.values >= LOW * peak)
    if not len(high) or high[-1] == len(rates) - 1:
        return None
    return float(rates.steps[high[-1] + 1]) / total


def _sd_fell(context: Context, drops: tuple[int, ...]) -> bool | None:
    """Did the noise of the log loss fall by 30 % or more at the newest drop?  (diagnosis.md S2)"""
    curve = context.loss
    if curve is None or not drops:
        return None
    at = int(np.searchsorted(curve.steps, drops[-1]))
    before, after = curve.values[max(0, at - 128) : at], curve.values[at : at + 128]
    if min(len(before), len(after)) < 40:
        return None
    return difference_sigma(curve.even(after)) <= 0.7 * difference_sigma(curve.even(before))
