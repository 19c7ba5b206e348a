"""Gradients, updates and who holds the parameters, as numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dettui.detect.amounts import inputs_of_update, weights_per_example
from dettui.detect.context import Context
from dettui.detect.decay import forgetting_rate
from dettui.detect.gradients import DepthProfile, GradientPolicy, depth_profile, early_depth_profile
from dettui.detect.layers import is_bias, is_weight
from dettui.detect.left_over import LeftOverPolicy, share_left_over
from dettui.detect.opening import OpeningPolicy, first_gain, read_opening, share_near_zero, share_tiny
from dettui.detect.resume import LostState
from dettui.detect.setup import ignored_arguments, images_per_norm, lr_over_recipe
from dettui.detect.signals.fields import Signals
from dettui.detect.tight_clip import norms_over_limit, sets_the_step
from dettui.detect.updates import passes_without_step
from dettui.domain.series import Floats, Series
from dettui.numerics.robust import median, quantile, usable_of
from dettui_probe import tags


def add_updates(context: Context, known: Signals) -> Signals:
    opening = read_opening(context, OpeningPolicy())
    return replace(
        known,
        log10_update_ratio=_log10(context.median(tags.UPDATE_RATIO, 100)),
        log10_update_ratio_early=_log10(context.early_median(tags.UPDATE_RATIO, 20)),
        update_unchanged_share=context.median(tags.UPDATE_UNCHANGED, 50),
        way=_way(context),
        weight_growth_early=None if opening is None else opening.growth,
        idle_passes=passes_without_step(context),
    )


def _way(context: Context) -> float | None:
    """What the steps since the newest start have moved the weights at most, as a share of their norm."""
    ratio = context.series(tags.UPDATE_RATIO)
    measured = np.empty(0) if ratio is None else usable_of(ratio.values)
    if ratio is None or not len(measured):
        return None
    return float(measured.mean()) * (context.step - int(ratio.steps[0]) + 1)


def add_gradients(context: Context, known: Signals) -> Signals:
    norms = context.window(tags.GRAD_NORM, 100)
    if not len(norms):  # none of the newest is a number: what came before them
        norms = context.window(tags.GRAD_NORM, 10**9)[-100:]
    first = context.early_median(tags.GRAD_NORM, 20)
    profile = depth_profile(context, GradientPolicy())
    clipped = norms_over_limit(context, 200) if sets_the_step(context.model) else np.empty(0)
    return replace(
        known,
        grad_norm_ratio=median(norms) / first if len(norms) and first else None,
        grad_norm_cv=_variation(norms),
        grad_agreement=context.median(tags.GRAD_AGREEMENT, 100, at_least=10),
        grad_agreement_lower=_lower_third(context.series(tags.GRAD_AGREEMENT)),
        grad_zero_share=context.median(tags.GRAD_ZERO, 50),
        grad_zero_share_first=context.early_median(tags.GRAD_ZERO, 3),
        grad_none_tensors=context.median(tags.GRAD_NONE, 50),
        grad_left_over=share_left_over(context, LeftOverPolicy()),
        grad_first_over_last_log10=_first_over_last(profile),
        grad_first_over_last_log10_early=_first_over_last(early_depth_profile(context, GradientPolicy())),
        grad_depth_straightness=None if profile is None else profile.straightness,
        clip_active_share=float(np.mean(clipped > 1.0)) if len(clipped) else None,
        clip_ratio=median(clipped) if len(clipped) else None,
        noise_over_batch=_noise_over_batch(context),
    )


def _lower_third(agreement: Series | None, at_least: int = 40, points: int = 1000) -> float | None:
    """What two in three of the cosines of the whole run reach, of long runs of so many *points*."""
    if agreement is None or len(agreement) < at_least:
        return None
    measured = usable_of(agreement.values[:: max(len(agreement) // points, 1)])
    return quantile(measured, 1 / 3) if len(measured) >= at_least else None


def _first_over_last(profile: DepthProfile | None) -> float | None:
    return None if profile is None else float(profile.values[0] - profile.values[-1])


USUAL_SHARE = 0.98
"""Of the norms whose variation is told: one outlier is no noise of all batches."""


def _variation(norms: Floats) -> float | None:
    """Deviation over mean, without the greatest norms."""
    usual = np.sort(norms)[: max(int(USUAL_SHARE * len(norms)), 1)]
    return float(usual.std() / usual.mean()) if len(usual) > 1 and usual.mean() > 0 else None


def add_directions(context: Context, known: Signals) -> Signals:
    """Where steps lead, as samples of gradients and weights tell."""
    return replace(
        known,
        update_overshoot=context.median(tags.UPDATE_OVERSHOOT, 100, at_least=10),
        update_ascent=context.median(tags.UPDATE_ASCENT, 100, at_least=5),
        update_decay_share=context.median(tags.UPDATE_DECAY, 100, at_least=10),
        weight_norm_ratio=context.ratio_to_first(tags.WEIGHT_NORM, 5),
        forgetting_rate=forgetting_rate(context),
        second_moment_lag=_second_moment_lag(context),
    )


YOUNG_STEPS = 20
"""In which Adam's second moment is made of a handful of gradients: a lag says nothing yet."""


def _second_moment_lag(context: Context) -> float | None:
    """The greatest one of the newest 200 points behind the first steps."""
    series = context.series(tags.UPDATE_LAG)
    if series is None:
        return None
    grown = series.values[-200:][series.steps[-200:] > series.steps[0] + YOUNG_STEPS]
    grown = usable_of(grown)
    return float(grown.max()) if len(grown) else None


def add_layers(context: Context, known: Signals) -> Signals:
    """Layers that are copies, dead or pinned."""
    zeros = context.tags_under(tags.LAYER_GRAD_ZERO)
    weights = [least for tag in zeros if is_weight(tag) and (least := _least(context, tag)) is not None]
    biases = [least for tag in zeros if is_bias(tag) and (least := _least(context, tag)) is not None]
    pinned = [context.median(tag, 20) or 0.0 for tag in context.tags_under(tags.SATURATED)]
    return replace(
        known,
        copied_layers=context.last(tags.WEIGHT_COPIES),
        copied_layers_first=context.early_median(tags.WEIGHT_COPIES, 1),
        dead_layers_share=sum(least >= 1.0 for least in weights) / len(weights) if weights else None,
        dead_bias_share=max(biases, default=None),
        saturated_share=max(pinned, default=None),
        weights_near_zero=share_near_zero(context),
        weights_tiny=share_tiny(context),
        first_gain=first_gain(context),
    )


def _least(context: Context, tag: str) -> float | None:
    """What all but a tenth of the newest measured shares reach."""
    newest = context.window(tag, 20)
    return quantile(newest, 0.1) if len(newest) >= 5 else None


def _noise_over_batch(context: Context) -> float | None:
    """``(E |g|^2 - E <g_t, g_t-1>) / E <g_t, g_t-1>`` over the newest steps: what two successive gradients share is the
    gradient of the whole, the rest is noise (diagnosis.md section 2)."""
    agreement, norm = context.series(tags.GRAD_AGREEMENT), context.series(tags.GRAD_NORM)
    if agreement is None or norm is None:
        return None
    at = np.searchsorted(norm.steps, agreement.steps[-200:])
    usable = (at > 0) & (at < len(norm))
    at = at[usable]
    cosine = agreement.values[-200:][usable]
    now, before = norm.values[at].astype(np.float64), norm.values[at - 1].astype(np.float64)
    fine = np.isfinite(cosine) & np.isfinite(now) & np.isfinite(before)
    if np.count_nonzero(fine) < 20:
        return None
    shared = float(np.mean((cosine * now * before)[fine]))
    whole = float(np.mean((now * before)[fine]))
    if whole <= 0:
        return None
    return (whole - shared) / shared if shared > 1e-6 * whole else 1e6


def add_parameters(context: Context, known: Signals) -> Signals:
    return replace(
        known,
        missing_params=context.last(tags.MISSING_PARAMS),
        stranger_params=context.last(tags.STRANGER_PARAMS),
        held_share=context.last(tags.TRAINABLE_HELD_SHARE),
        frozen_share=context.last(tags.FROZEN_SHARE),
        frozen_untrained=context.last(tags.FROZEN_UNTRAINED),
        frozen_untrained_share=_share(context.last(tags.FROZEN_UNTRAINED), context.last(tags.FROZEN_WEIGHTS)),
    )


def _share(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def add_setup(context: Context, known: Signals) -> Signals:
    rates = context.window(tags.LR + "0", 200)
    at_peak = _update_at_peak_lr(context)
    return replace(
        known,
        batch_size=context.median(tags.BATCH_SIZE, 200),
        inputs_of_update=inputs_of_update(context),
        steps_of_epoch=context.steps_per_epoch,
        weights_per_example=weights_per_example(context),
        momentum=context.last(tags.MOMENTUM + "0"),
        weight_decay=context.last(tags.WEIGHT_DECAY + "0"),
        beta2=context.last(tags.BETA2 + "0"),
        dropout=context.last(tags.DROPOUT),
        fresh_state=_lost_state(context),
        log10_update_at_peak_lr=_log10(at_peak),
        way_at_peak_lr=None if at_peak is None else at_peak * (context.step - context.start_step),
        lr_burst=_burst(rates),
        lr_over_recipe=lr_over_recipe(context),
        eval_mode_share=context.median(tags.EVAL_MODE, 3),
        poisoned_channels=_poisoned(context),
        images_per_norm=images_per_norm(context),
        ignored_arguments=len(ignored_arguments(context)) or None,
    )


def _burst(rates: Floats) -> float | None:
    """Greatest of the newest LRs over the usual one on either side of it: at a drop, one side is as high."""
    top = np.flatnonzero(rates >= 0.99 * rates.max()) if len(rates) else np.empty(0, dtype=np.int64)
    if not len(top):
        return None
    sides = [median(side) for side in (rates[: top[0]], rates[top[-1] + 1 :]) if len(side)]
    usual = max(sides, default=0.0) if len(sides) == 2 else float(rates.max())
    return float(rates.max()) / usual if usual > 0 else None


def _poisoned(context: Context) -> float | None:
    """Channels whose statistics are no numbers, unless they were met behind a loss that was none: training does not
    read them, so that they are its consequence."""
    channels, loss = context.series(tags.NORM_POISONED), context.series(tags.LOSS_TOTAL)
    if channels is None or not channels.last or loss is None:
        return None if channels is None else channels.last
    met = channels.steps[channels.values > 0][0]
    return None if np.any(~np.isfinite(loss.values[loss.steps < met])) else channels.last


def _update_at_peak_lr(context: Context) -> float | None:
    """Median update ratio where the schedule was near its peak: elsewhere updates are small as planned."""
    ratio, lr = context.series(tags.UPDATE_RATIO), context.series(tags.LR + "0")
    if ratio is None or lr is None:
        return None
    rates = lr.values[np.maximum(np.searchsorted(lr.steps, ratio.steps, side="right") - 1, 0)]
    near = ratio.values[(rates >= 0.5 * np.nanmax(lr.values)) & np.isfinite(ratio.values)]
    return median(near[-2000:]) if len(near) else None


def _lost_state(context: Context) -> bool | None:
    if context.series(tags.FRESH_STATE) is None:
        return None
    return LostState().evaluate(context) != ()


def _log10(value: float | None) -> float | None:
    return float(np.log10(value)) if value is not None and value > 0 else None
