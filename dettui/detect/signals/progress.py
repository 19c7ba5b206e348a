"""The course of the loss and of the learning rate, as numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dettui.detect.context import Context
from dettui.detect.oscillation import OscillationPolicy, find_swing
from dettui.detect.signals.fields import Signals
from dettui.numerics.autocorrelation import autocorrelations
from dettui.numerics.robust import difference_sigma
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
    )


def add_schedule(context: Context, known: Signals) -> Signals:
    schedule = context.schedule
    if schedule is None:
        return known
    total = context.total_steps
    return replace(
        known,
        lr_now=schedule.now,
        lr_peak=schedule.peak,
        lr_first_over_peak=schedule.first / schedule.peak if schedule.peak > 0 else None,
        amp_scale=context.last(tags.AMP_SCALE),
        lr_drops=len(schedule.drops),
        lr_rising=schedule.rising,
        sd_fell_after_lr_drop=_sd_fell(context, schedule.drops),
        schedule_share_done=context.step / total if total else None,
    )


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
