"""What the diagnosis may weigh: one number each, None where the stream does not carry it."""

from __future__ import annotations

from dataclasses import dataclass


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
