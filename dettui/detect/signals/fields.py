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
    lr_first_over_peak: float | None = None
    amp_scale: float | None = None
    lr_drops: int | None = None  # falls by a factor of 3 or more within 5 % of the run
    lr_rising: bool | None = None
    sd_fell_after_lr_drop: bool | None = None
    schedule_share_done: float | None = None
    lr_low_since: float | None = (
        None  # share of the declared run at which the LR fell below a tenth of its peak, for good
    )
    # updates and gradients
    log10_update_ratio: float | None = None  # median over the newest 100 steps [u]
    log10_update_ratio_early: float | None = None
    update_unchanged_share: float | None = None
    way: float | None = None  # lengths of all steps so far over the norm of what they move: the most that weights moved
    way_at_peak_lr: float | None = None  # the same had every step been as long as those near the peak of the schedule
    grad_norm_ratio: float | None = None  # newest median over early median [G_t / G_0]
    grad_norm_cv: float | None = None
    grad_agreement: float | None = None  # median cosine of successive gradients [c_t]
    grad_agreement_lower: float | None = None  # what two in three of all cosines of the run reach
    grad_zero_share: float | None = None
    grad_zero_share_first: float | None = None  # at the first steps
    grad_none_tensors: float | None = None
    grad_first_over_last_log10: float | None = None  # depth profile of relative gradients
    grad_first_over_last_log10_early: float | None = None  # the same profile over the first steps
    grad_depth_straightness: float | None = None  # R^2 of that profile against depth
    grad_left_over: float | None = None  # share of the newest steps that began with the gradients of the one before
    clip_active_share: float | None = None
    clip_ratio: float | None = None  # usual gradient norm over the norm it is clipped to
    idle_passes: float | None = None  # backward passes since the last optimizer step, where they are far too many
    noise_over_batch: float | None = None  # gradient noise scale over the batch [B_noise / B]; inf where nothing agrees
    update_overshoot: float | None = None  # median cosine of a gradient with the step before it; > 0 went too far
    update_ascent: float | None = None  # median cosine of a step with its own gradient; > 0 climbs
    update_decay_share: float | None = None  # median cosine of a step with the weights pointing to zero
    forgetting_rate: float | None = None  # share of itself that a step takes from a weight without gradient [S10]
    weight_norm_ratio: float | None = None  # newest over first norm of all weights [S10]
    second_moment_lag: float | None = None  # greatest of the newest 200 steps [S38: RMS_l]
    weights_tiny: float | None = None  # share of the weights that began as next to nothing, and not as zero
    first_gain: float | None = None  # rms(w) sqrt(fan in) of the usual layer ahead of the first step
    copied_layers: float | None = None  # weights whose rows are all equal [S15]
    copied_layers_first: float | None = None  # the same when it was measured first
    dead_layers_share: float | None = None  # of the layers, those with gradients of exactly 0 [S13]
    dead_bias_share: float | None = None  # of the units of the layer with the most of them: bias gradients of exactly 0
    saturated_share: float | None = None  # of the squashing layer that is pinned most [S14]
    # parameters
    missing_params: float | None = None
    stranger_params: float | None = None
    held_share: float | None = None
    frozen_share: float | None = None
    frozen_untrained: float | None = None  # frozen weights that are as a random initialisation left them
    frozen_untrained_share: float | None = None  # of the frozen weights that were looked at
    # targets, as shares over all boxes or images so far
    boxes_seen: float | None = None
    images_seen: float | None = None
    batches_with_one_image: float | None = None  # where nearly all are such, though batches are of four and more
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
    read_as: int | None = None  # the format that suits boxes of a head that nobody knows: its place in READINGS
    read_legal: float | None = None  # share of legal boxes in it
    read_start: float | None = None  # smallest left or top edge in it, as a share of the side of the image
    read_reach: float | None = None  # largest right or bottom edge
    read_fits: float | None = None  # share of boxes that stand out more on their own image than on another, read so
    read_fits_at_least: float | None = None
    misread_as: float | None = None  # index among MISREADINGS of what explains boxes that lie outside, once undone
    misread_legal: float | None = None  # share of the boxes within their images then
    max_coord: float | None = None
    min_image_side: float | None = None
    label_min: float | None = None
    label_max: float | None = None
    labels_illegal: float | None = None
    share_below_zero: float | None = None  # of the boxes of a head that is not known, those with a class id below 0
    labels_background: float | None = None
    labels_named_background: float | None = None  # objects with id 0, where the class names call that background
    length_mismatches: float | None = None
    # classes
    num_classes: int | None = None  # foreground classes of the head, else ids seen
    class_entropy: float | None = None  # H(pi) in nats
    imbalance_ratio: float | None = None  # most frequent over least frequent class that occurs
    parts_unseen_share: float | None = None  # of the classes of tokens, pixels and the like, those that never occur
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
    aside_wins: float | None = None  # share of boxes that stand out more than the place a quarter of their size aside
    aside_wins_at_most: float | None = None
    learnt_wins: float | None = None  # share of boxes whose own image some learnt feature tells from another one
    learnt_wins_at_most: float | None = None
    # what a settled detector is surest of
    surest_unexplained: float | None = None  # share of these answers that meet no object
    surest_overlap: float | None = None  # mean IoU of the others with theirs
    # order and repetition of batches
    order_chi2: float | None = None  # median D_t [S23]
    order_carry: float | None = None  # mean cosine of the class deviations of successive batches
    batch_lag: float | None = None  # median of the newest, in steps since the same batch came; 0 where it never did
    batch_lag_epochs: float | None = None  # the same in epochs; where their length is not told, 0 for a few steps
    distinct_batches: float | None = None  # distinct inputs over inputs of a step
    distinct_inputs: float | None = None  # among those fingerprinted, while new ones hardly come any more [S25]
    outlier_ratio: float | None = None  # of the inputs of single wild batches to those of usual ones [S37]
    # answers and loss
    first_epoch_over_guess: float | None = None  # loss at the end of the first epoch over H(pi) [S19]
    fit_accuracy: float | None = None
    fit_wrong: float | None = None  # share of confident answers that contradict their target [S20]
    top_answer_share: float | None = None  # of the class named most often [S22]
    top_target_share: float | None = None  # of the most frequent class in the targets
    own_targets_share: float | None = None  # of pairs of inputs, those whose answers fit their own targets better
    own_targets_at_least: float | None = None  # lower bound of it
    own_targets_at_most: float | None = None  # upper bound of it; one half by chance
    own_targets_at_first_sight: float | None = None  # lower bound of it, of inputs that were not met before
    output_spread: float | None = None  # over a batch, as a share of the size of the output [S18]
    softmax_twice: float | None = None  # in the graph of the loss [S27]
    loss_summed: float | None = None  # [E14]
    loss_has_penalty: float | None = None  # 1 where the size of the weights is added to the loss
    penalty_share: float | None = None  # of the loss, what the size of the weights adds to it
    loss_negated: float | None = None  # [E13]
    terms_climb: float | None = (
        None  # least growth of a term since the start, where none is below zero and the total is
    )
    falls_without_end: float | None = None  # size of a total below zero, over its first one, where gradients grew too
    top_term_share: float | None = None  # of the greatest loss term in their sum [S29]
    term_weights_apart: float | None = None  # greatest over least factor of the terms in their total
    untold_weights_apart: float | None = None  # the same of a detector that tells no terms, by the graph of its loss
    # inputs
    input_mean: float | None = None
    input_std: float | None = None
    input_min: float | None = None
    input_max: float | None = None
    given_std: float | None = None  # the same of what the model is given, before it may normalise that itself
    given_size: float | None = None  # of its greatest value, whatever its sign
    given_span: float | None = None  # of images, from the least pixel to the greatest
    images_constant_share: float | None = None
    blank_rows: float | None = None  # share of the inputs that hold one number each, whatever evaluations hold
    images_nonfinite: float | None = None
    calm_before_non_finite: bool | None = None  # loss and gradient as usual up to the step that gave no number
    # evaluation
    eval_means_apart: float | None = None  # of inputs in evaluation and training, in standard deviations
    eval_std_ratio: float | None = None  # of the inputs in evaluation over training
    roughness_ratio: float | None = None  # of the inputs in training over evaluation
    normalised_apart: bool | None = None  # inputs of the one lie within 0..1 or 0..255, of the other around 0
    eval_overlap: float | None = None  # share of evaluation inputs that were met in training [S35]
    eval_training_mode: float | None = None  # share of evaluation passes in training mode [E8]
    eval_loss_over_train: float | None = None  # newest evaluation loss over the training loss
    eval_loss_over_train_first: float | None = None  # the same at the first evaluation [S34]
    eval_over_fresh: float | None = None  # growth of evaluation over training loss while training met new inputs only
    classes_renamed: float | None = None  # classes that evaluations call by other names than training
    classes_evaluated: float | None = None  # classes of which evaluations have enough inputs to tell
    eval_loss_over_guess: float | None = None  # least evaluation loss over H(pi) [S19]
    eval_best: float | None = None
    eval_last: float | None = None
    score_fallen_from: float | None = None  # best of a score that is next to nothing while training learns on
    score_fallen_to: float | None = None
    eval_standing: float | None = None  # of the newest: 0 at the worst so far or never above nothing, 1 at the best
    # set-up
    batch_size: float | None = None  # images per step, median over the newest 200
    inputs_of_update: float | None = None  # inputs that a step of the optimizer follows, at most 32 of a pass counted
    steps_of_epoch: int | None = None  # as declared
    weights_per_example: float | None = None  # weights of the network over examples of the training set, at most
    momentum: float | None = None  # of the first param group
    weight_decay: float | None = None  # of the first param group
    beta2: float | None = None  # of the first param group
    dropout: float | None = None  # greatest rate of a dropout layer
    fresh_state: bool | None = None  # an optimizer lost its state at a resume
    memory_growth_kib: float | None = None  # per step, where memory grows
    log10_update_at_peak_lr: float | None = None  # median over the steps whose LR was at least half of its peak
    lr_burst: float | None = None  # greatest over median LR of the newest 200 points
    weights_near_zero: float | None = None  # share of the weights whose norm was next to nothing at the first step
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
    point_size: float | None = None  # of an FCOS, over the distance between its points
    unlike_anchors: float | None = None  # share of the objects that no anchor of an unknown head could meet
    anchor_times: float | None = None  # how much wider the likest anchor is than the object
