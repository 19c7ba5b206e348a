"""The discriminators that the diagnosis weighs: one number each, None where the stream does not carry it.

Names of diagnosis literature in brackets.  Nothing here judges; limits live in the policies of the rules and in the
catalogue of causes.
"""

from __future__ import annotations

from dataclasses import dataclass

from dettui.store.run_store import RunStore


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
    beats_other: float | None = None  # share
    beats_hflip: float | None = None
    beats_vflip: float | None = None
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


def measure(store: RunStore, step: int) -> Signals:
    """All discriminators that *store* carries at *step*."""
    raise NotImplementedError
