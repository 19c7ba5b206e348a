"""The discriminators that the diagnosis weighs: one number each, None where the stream does not carry it.

Names of diagnosis literature in brackets.  Nothing here judges; limits live in the policies of the rules and in the
catalogue of causes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dettui.detect.assignment import AssignmentPolicy, read_matches
from dettui.detect.classes import foreground
from dettui.detect.context import Context
from dettui.detect.evaluations import PREFIX, CollapsePolicy, direction
from dettui.detect.gradients import GradientPolicy, depth_profile
from dettui.detect.inputs import InputPolicy, read_pixels
from dettui.detect.opening import OpeningPolicy, read_opening
from dettui.detect.oscillation import OscillationPolicy, find_swing
from dettui.detect.setup import ignored_arguments, images_per_norm, lr_over_recipe
from dettui.detect.targets.pairing import learnt, mirrors, own_place, same_batch, swapped
from dettui.detect.targets.policy import DEFAULT_POLICY
from dettui.detect.targets.reading import read_targets
from dettui.domain.series import Floats
from dettui.numerics.autocorrelation import autocorrelations
from dettui.numerics.proportions import entropy
from dettui.numerics.robust import difference_sigma
from dettui.store.run_store import RunStore
from dettui_probe import tags


@dataclass(frozen=True)
class Signals:
    """Measured at one step; every field may be absent."""

    # progress
    steps: int = 0
    loss_first: float | None = None  # median of the first block of the total loss
    loss_last: float | None = None  # median of the newest block
    loss_drop_share: float | None = None  # 1 - last / first
    residual_r1: float | None = None  # lag-1 autocorrelation of the detrended log loss
    residual_sd: float | None = None  # of the detrended log loss
    oscillation_period: float | None = None  # steps, where a period is significant
    # learning rate
    lr_now: float | None = None
    lr_peak: float | None = None
    lr_drops: int | None = None  # falls by a factor of 3 or more within 5 % of the run
    lr_rising: bool | None = None
    sd_fell_after_lr_drop: bool | None = None
    schedule_share_done: float | None = None
    # updates and gradients
    log10_update_ratio: float | None = None  # median over the newest 100 steps [u]
    log10_update_ratio_early: float | None = None
    update_unchanged_share: float | None = None
    grad_norm_ratio: float | None = None  # newest median over early median [G_t / G_0]
    grad_norm_cv: float | None = None
    grad_agreement: float | None = None  # median cosine of successive gradients [c_t]
    grad_zero_share: float | None = None
    grad_none_tensors: float | None = None
    grad_first_over_last_log10: float | None = None  # depth profile of relative gradients
    clip_active_share: float | None = None
    # parameters
    missing_params: float | None = None
    stranger_params: float | None = None
    held_share: float | None = None
    frozen_share: float | None = None
    # targets, as shares over all boxes or images so far
    boxes_seen: float | None = None
    images_seen: float | None = None
    share_empty: float | None = None
    share_degenerate: float | None = None
    share_nonfinite_boxes: float | None = None
    share_outside: float | None = None
    share_tiny: float | None = None
    share_top_left: float | None = None
    share_legal_xyxy: float | None = None
    share_legal_xywh: float | None = None
    share_legal_cxcywh: float | None = None
    share_legal_yxyx: float | None = None
    share_duplicates: float | None = None
    share_legal_declared: float | None = None  # in the format that the head reads (xyxy where unknown)
    share_legal_other: float | None = None  # in the best of the other formats
    max_coord: float | None = None
    min_image_side: float | None = None
    label_min: float | None = None
    label_max: float | None = None
    labels_illegal: float | None = None
    labels_background: float | None = None
    length_mismatches: float | None = None
    # classes
    num_classes: int | None = None  # foreground classes of the head, else ids seen
    class_entropy: float | None = None  # H(pi) in nats
    imbalance_ratio: float | None = None  # most frequent over least frequent class that occurs
    classes_unseen: int | None = None
    # pairing of pixels and boxes
    pairing_boxes: float | None = None
    own_place_wins: float | None = None  # share of boxes that stand out more on their own image than on another one
    own_place_wins_at_most: float | None = None  # its upper bound
    mirror_wins: float | None = None  # the same share for the mirror that wins more often
    mirror_wins_at_least: float | None = None  # the greater lower bound of the two mirrors
    mirror_wins_at_most: float | None = None
    swap_wins: float | None = None  # the same share with the axes of boxes swapped, on square images
    swap_wins_at_least: float | None = None
    batch_wins: float | None = None  # of other images of the batch against one of another batch
    batch_wins_at_least: float | None = None
    learnt_wins: float | None = None  # share of boxes whose own image some learnt feature tells from another one
    learnt_wins_at_most: float | None = None
    # inputs
    input_mean: float | None = None
    input_std: float | None = None
    input_min: float | None = None
    input_max: float | None = None
    images_constant_share: float | None = None
    images_nonfinite: float | None = None
    # evaluation
    eval_best: float | None = None
    eval_last: float | None = None
    eval_standing: float | None = None  # of the newest: 0 at the worst so far or never above nothing, 1 at the best
    # set-up
    batch_size: float | None = None  # images per step, median over the newest 200
    momentum: float | None = None  # of the first param group
    log10_update_at_peak_lr: float | None = None  # median over the steps whose LR was at least half of its peak
    lr_burst: float | None = None  # greatest over median LR of the newest 200 points
    weight_growth_early: float | None = None  # greatest norm of all weights within the first 100 steps over the first
    lr_over_recipe: float | None = None  # peak LR over torchvision's own for this batch size
    eval_mode_share: float | None = None  # of the newest 3 steps [E6]
    poisoned_channels: float | None = None  # of BatchNorm layers [B1]
    images_per_norm: float | None = None  # over which trainable BatchNorm layers average [B2]
    ignored_arguments: int | None = None  # warnings that an argument of an augmentation was left out [G6]
    # assignment, as positives per object over the newest 50 steps
    rpn_positives: float | None = None
    roi_foreground: float | None = None
    head_positives: float | None = None


def measure(store: RunStore, step: int) -> Signals:
    """All discriminators that *store* carries at *step*."""
    return signals_of(Context(store, step))


def signals_of(context: Context) -> Signals:
    """All discriminators that *context* carries."""
    signals = Signals()
    for add in (
        _progress,
        _schedule,
        _updates,
        _gradients,
        _parameters,
        _boxes,
        _labels,
        _classes,
        _pairing,
        _inputs,
        _setup,
        _assignment,
    ):
        signals = add(context, signals)
    return _evaluation(context, signals)


def _progress(context: Context, known: Signals) -> Signals:
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


def _schedule(context: Context, known: Signals) -> Signals:
    schedule = context.schedule
    if schedule is None:
        return known
    total = context.total_steps
    return replace(
        known,
        lr_now=schedule.now,
        lr_peak=schedule.peak,
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


def _updates(context: Context, known: Signals) -> Signals:
    opening = read_opening(context, OpeningPolicy())
    return replace(
        known,
        log10_update_ratio=_log10(context.median(tags.UPDATE_RATIO, 100)),
        log10_update_ratio_early=_log10(context.early_median(tags.UPDATE_RATIO, 20)),
        update_unchanged_share=context.median(tags.UPDATE_UNCHANGED, 50),
        weight_growth_early=None if opening is None else opening.growth,
    )


def _gradients(context: Context, known: Signals) -> Signals:
    norms = context.window(tags.GRAD_NORM, 100)
    first = context.early_median(tags.GRAD_NORM, 20)
    profile = depth_profile(context, GradientPolicy())
    return replace(
        known,
        grad_norm_ratio=float(np.median(norms)) / first if len(norms) and first else None,
        grad_norm_cv=float(norms.std() / norms.mean()) if len(norms) > 1 and norms.mean() > 0 else None,
        grad_agreement=context.median(tags.GRAD_AGREEMENT, 100, at_least=10),
        grad_zero_share=context.median(tags.GRAD_ZERO, 50),
        grad_none_tensors=context.median(tags.GRAD_NONE, 50),
        grad_first_over_last_log10=None if profile is None else float(profile.values[0] - profile.values[-1]),
        clip_active_share=_clipped(context),
    )


def _clipped(context: Context) -> float | None:
    """Share of the newest steps whose gradient norm exceeded the norm it was clipped to."""
    norm, limit = context.series(tags.GRAD_NORM), context.series(tags.GRAD_CLIP)
    if norm is None or limit is None:
        return None
    _, mine, theirs = np.intersect1d(norm.steps[-200:], limit.steps[-200:], assume_unique=True, return_indices=True)
    if len(mine) == 0:
        return None
    return float(np.mean(norm.values[-200:][mine] > limit.values[-200:][theirs]))


def _parameters(context: Context, known: Signals) -> Signals:
    return replace(
        known,
        missing_params=context.last(tags.MISSING_PARAMS),
        stranger_params=context.last(tags.STRANGER_PARAMS),
        held_share=context.last(tags.TRAINABLE_HELD_SHARE),
        frozen_share=context.last(tags.FROZEN_SHARE),
    )


def _boxes(context: Context, known: Signals) -> Signals:
    reading = read_targets(context, DEFAULT_POLICY.horizon)
    if reading is None:
        return known
    legal = reading.legal_shares()
    others = {name: share for name, share in legal.items() if name != (reading.declared_format or "xyxy")}
    images, empty = reading.count(tags.BATCH_SIZE), reading.count(tags.TARGET_EMPTY)
    return replace(
        known,
        boxes_seen=reading.boxes,
        images_seen=images,
        share_empty=empty / images if images and empty is not None else None,
        share_degenerate=reading.share(tags.TARGET_DEGENERATE),
        share_nonfinite_boxes=reading.share(tags.TARGET_NONFINITE),
        share_outside=reading.share(tags.TARGET_OUTSIDE),
        share_tiny=reading.share(tags.TARGET_TINY),
        share_top_left=reading.share(tags.TARGET_TOP_LEFT),
        share_legal_xyxy=legal.get("xyxy"),
        share_legal_xywh=legal.get("xywh"),
        share_legal_cxcywh=legal.get("cxcywh"),
        share_legal_yxyx=legal.get("yxyx"),
        share_duplicates=reading.share(tags.TARGET_DUPLICATES),
        share_legal_declared=legal.get(reading.declared_format or "xyxy"),
        share_legal_other=max(others.values(), default=None),
        max_coord=reading.greatest(tags.TARGET_MAX_COORD),
        min_image_side=reading.least(tags.TARGET_IMAGE_SIDE),
    )


def _labels(context: Context, known: Signals) -> Signals:
    reading = read_targets(context, DEFAULT_POLICY.horizon)
    if reading is None:
        return known
    return replace(
        known,
        label_min=reading.least(tags.TARGET_LABEL_MIN),
        label_max=reading.greatest(tags.TARGET_LABEL_MAX),
        labels_illegal=reading.count(tags.TARGET_LABEL_ILLEGAL),
        labels_background=reading.count(tags.TARGET_BACKGROUND),
        length_mismatches=reading.count(tags.TARGET_MISMATCH),
    )


def _classes(context: Context, known: Signals) -> Signals:
    counts = context.counts("targets")
    if counts is None or counts.seen.sum() == 0:
        return known
    seen, _ = foreground(context, counts)
    occurring = seen[seen > 0]
    return replace(
        known,
        num_classes=len(seen) if context.model is not None and context.model.num_classes else len(occurring),
        class_entropy=entropy(seen),
        imbalance_ratio=float(occurring.max() / occurring.min()) if len(occurring) else None,
        classes_unseen=int(np.count_nonzero(seen == 0)),
    )


def _pairing(context: Context, known: Signals) -> Signals:
    own, mirrored = own_place(context, DEFAULT_POLICY), mirrors(context, DEFAULT_POLICY)
    turned, elsewhere = swapped(context, DEFAULT_POLICY), same_batch(context, DEFAULT_POLICY)
    told = learnt(context, DEFAULT_POLICY)
    best = max(mirrored, key=lambda wins: wins.share, default=None)
    return replace(
        known,
        pairing_boxes=None if own is None else own.compared,
        own_place_wins=None if own is None else own.share,
        own_place_wins_at_most=None if own is None else own.at_most,
        mirror_wins=None if best is None else best.share,
        mirror_wins_at_least=max((wins.at_least for wins in mirrored), default=None),
        mirror_wins_at_most=None if best is None else best.at_most,
        swap_wins=None if turned is None else turned.share,
        swap_wins_at_least=None if turned is None else turned.at_least,
        batch_wins=None if elsewhere is None else elsewhere.share,
        batch_wins_at_least=None if elsewhere is None else elsewhere.at_least,
        learnt_wins=None if told is None else told.share,
        learnt_wins_at_most=None if told is None else told.at_most,
    )


def _inputs(context: Context, known: Signals) -> Signals:
    pixels = read_pixels(context, tags.INPUT, InputPolicy()) or read_pixels(context, tags.IMAGE, InputPolicy())
    constant, size = context.window(tags.IMAGE_CONSTANT, 2000), context.median(tags.BATCH_SIZE, 200)
    broken = context.window(tags.IMAGE_NONFINITE, 2000)
    return replace(
        known,
        input_mean=None if pixels is None else pixels.mean,
        input_std=None if pixels is None else pixels.std,
        input_min=None if pixels is None else pixels.least,
        input_max=None if pixels is None else pixels.most,
        images_constant_share=float(constant.mean()) / size if len(constant) and size else None,
        images_nonfinite=float(broken.sum()) if len(broken) else None,
    )


def _setup(context: Context, known: Signals) -> Signals:
    rates = context.window(tags.LR + "0", 200)
    usual = float(np.median(rates)) if len(rates) else 0.0
    return replace(
        known,
        batch_size=context.median(tags.BATCH_SIZE, 200),
        momentum=context.last(tags.MOMENTUM + "0"),
        log10_update_at_peak_lr=_log10(_update_at_peak_lr(context)),
        lr_burst=float(rates.max()) / usual if usual > 0 else None,
        lr_over_recipe=lr_over_recipe(context),
        eval_mode_share=context.median(tags.EVAL_MODE, 3),
        poisoned_channels=context.last(tags.NORM_POISONED),
        images_per_norm=images_per_norm(context),
        ignored_arguments=len(ignored_arguments(context)) or None,
    )


def _assignment(context: Context, known: Signals) -> Signals:
    def per_object(tag: str) -> float | None:
        matches = read_matches(context, tag, AssignmentPolicy.window)
        return None if matches is None or matches.objects < AssignmentPolicy.objects else matches.per_object

    return replace(
        known,
        rpn_positives=per_object(tags.ASSIGN_RPN),
        roi_foreground=per_object(tags.ASSIGN_ROI),
        head_positives=per_object(tags.ASSIGN_POSITIVES),
    )


def _update_at_peak_lr(context: Context) -> float | None:
    """Median update ratio where the schedule was near its peak: elsewhere updates are small as planned."""
    ratio, lr = context.series(tags.UPDATE_RATIO), context.series(tags.LR + "0")
    if ratio is None or lr is None:
        return None
    rates = lr.values[np.maximum(np.searchsorted(lr.steps, ratio.steps, side="right") - 1, 0)]
    near = ratio.values[(rates >= 0.5 * np.nanmax(lr.values)) & np.isfinite(ratio.values)]
    return float(np.median(near[-2000:])) if len(near) else None


def _evaluation(context: Context, known: Signals) -> Signals:
    for tag in context.tags:
        sense = direction(tag) if tag.startswith(PREFIX) else 0
        series = context.series(tag)
        if sense and series is not None:
            best = series.values.max() if sense > 0 else series.values.min()
            return replace(
                known, eval_best=float(best), eval_last=series.last, eval_standing=_standing(sense * series.values)
            )
    return known


def _standing(scores: Floats) -> float | None:
    """Where the newest of *scores* (shape (n,), larger is better) stands between the worst and the best one."""
    if len(scores) < 2 or not np.isfinite(scores).all():
        return None
    worst, best = float(scores.min()), float(scores.max())
    if 0 <= best < CollapsePolicy().best:
        return 0.0  # a score that never left zero is at its worst, wherever its noise has it
    return (float(scores[-1]) - worst) / (best - worst) if best > worst else None


def _log10(value: float | None) -> float | None:
    return float(np.log10(value)) if value is not None and value > 0 else None
