"""Runs with one fault each, the findings that must be raised, and the cause behind them."""

from __future__ import annotations

from typing import Any

import numpy as np

from dettui_probe import tags, wire
from scenarios.build import Setting, Values, run_messages
from scenarios.healthy import BALANCED
from scenarios.scenario import Scenario
from scenarios.shapes import constant_lr, decay, detector, grid, noisy, pairing, step_lr, warmup_cosine

Rng = np.random.Generator
Messages = list[wire.AnyMessage]


def _run(steps: int, series: dict[str, Values], **setting: Any) -> Messages:
    return run_messages(steps, setting=Setting(**{"targets": BALANCED, **setting}), **series)


def _flat(steps: int, rng: Rng, level: float = 2.4, sigma: float = 0.04) -> Any:
    return noisy(np.full(steps, level), rng, sigma)


# --- update path ----------------------------------------------------------------------------------------------


def optimizer_not_stepping(rng: Rng) -> Messages:
    """The call of ``optimizer.step()`` moves nothing."""
    series = detector(400, rng, _flat(400, rng))
    return _run(400, {**series, tags.UPDATE_RATIO: 0.0, tags.UPDATE_UNCHANGED: 1.0})


def head_replaced_after_optimizer(rng: Rng) -> Messages:
    """The optimizer holds the old head."""
    series = detector(400, rng, noisy(decay(400, 2.4, 1.9, 60.0), rng, 0.08))
    names = ("roi_heads.box_predictor.cls_score.weight", "roi_heads.box_predictor.cls_score.bias")
    extra = {tags.MISSING_PARAMS: 4.0, tags.STRANGER_PARAMS: 4.0, tags.TRAINABLE_HELD_SHARE: 0.97}
    return _run(400, {**series, **extra}, missing=names, strangers=4)


def lr_is_zero(rng: Rng) -> Messages:
    """A scheduler that starts at nothing and stays there."""
    return _run(400, detector(400, rng, _flat(400, rng), np.zeros(400)))


def lr_decayed_to_nothing(rng: Rng) -> Messages:
    """The schedule ends at a third of the run."""
    lr = np.where(grid(900) < 300, 0.01 * (1 - grid(900) / 300), 0.0)
    return _run(900, detector(900, rng, noisy(decay(900, 2.4, 1.2, 60.0), rng, 0.06), lr), total_steps=900)


def lr_too_low(rng: Rng) -> Messages:
    """A thousandth of the LR: the loss crawls, the gradients agree."""
    series = detector(600, rng, noisy(2.4 - 1e-4 * grid(600), rng, 0.04), 1e-6)
    return _run(
        600,
        {
            **series,
            tags.UPDATE_RATIO: 4e-7,
            tags.GRAD_AGREEMENT: 0.6,
            tags.GRAD_NORM: noisy(np.full(600, 1.5), rng, 0.1),
        },
    )


def slow_but_moving(rng: Rng) -> Messages:
    """A thirtieth of the LR: a straight line downwards."""
    series = detector(800, rng, noisy(2.4 - 6e-4 * grid(800), rng, 0.03), 3e-4)
    return _run(
        800,
        {
            **series,
            tags.UPDATE_RATIO: 1.5e-5,
            tags.GRAD_AGREEMENT: 0.5,
            tags.GRAD_NORM: noisy(np.full(800, 1.5), rng, 0.1),
        },
    )


def lr_too_high_stuck(rng: Rng) -> Messages:
    """Violent updates, no progress."""
    series = detector(600, rng, noisy(np.full(600, 2.3), rng, 0.08), 1.0)
    return _run(600, {**series, tags.UPDATE_RATIO: noisy(np.full(600, 0.15), rng, 0.3), tags.GRAD_AGREEMENT: -0.3})


def lr_too_high_alternating(rng: Rng) -> Messages:
    """Every step overshoots: up, down, up, down."""
    sign = np.where(np.arange(800) % 2 == 0, 1.0, -1.0)
    level = 1.5 * np.exp(0.15 * sign + 0.05 * rng.standard_normal(800))
    level[:60] = np.linspace(2.4, 1.5, 60)
    return _run(800, {**detector(800, rng, level, 0.5), tags.GRAD_AGREEMENT: -0.5})


def momentum_waves(rng: Rng) -> Messages:
    """Overshoot and return with a period of 24 steps."""
    level = 1.4 * (1 + 0.2 * np.sin(2 * np.pi * grid(800) / 24)) * np.exp(0.04 * rng.standard_normal(800))
    level[:60] = np.linspace(2.4, 1.4, 60)
    return _run(800, {**detector(800, rng, level), tags.MOMENTUM + "0": 0.99})


def diverges(rng: Rng) -> Messages:
    """Falls for 400 steps, then climbs, gradients and updates with it."""
    climb = np.exp(np.maximum(grid(600) - 400, 0) / 60.0)
    series = detector(600, rng, noisy(decay(600, 2.4, 0.4, 60.0) * climb, rng, 0.08))
    return _run(600, {**series, tags.GRAD_NORM: noisy(1.5 * climb, rng, 0.2), tags.UPDATE_RATIO: 2e-3 * climb})


def lr_burst(rng: Rng) -> Messages:
    """The LR is thirty times too large for ten steps; the loss jumps and needs sixty to recover."""
    lr = constant_lr(900)
    lr[500:510] *= 30
    since = grid(900) - 500
    jump = np.where(since >= 0, 1.8 * np.exp(-np.maximum(since, 0) / 20.0), 0.0)
    return _run(900, detector(900, rng, noisy(decay(900, 2.4, 0.4, 60.0) + jump, rng, 0.06), lr))


def becomes_nan(rng: Rng) -> Messages:
    """The loss is NaN from step 300 on."""
    level = noisy(decay(500, 2.4, 0.4, 60.0), rng, 0.08)
    level[299:] = np.nan
    bad = (grid(500) >= 299).astype(float)
    return _run(500, {**detector(500, rng, level), tags.GRAD_NONFINITE: 8 * bad, tags.WEIGHT_NONFINITE: 8 * bad})


# --- progress -------------------------------------------------------------------------------------------------


def never_learns(rng: Rng) -> Messages:
    """The loss of a guesser from the first step to the last."""
    return _run(600, detector(600, rng, _flat(600, rng)))


def stuck_high(rng: Rng) -> Messages:
    """Gains a fifth, then nothing."""
    return _run(2400, detector(2400, rng, noisy(decay(2400, 2.4, 1.9, 15.0, 2.0), rng, 0.05)))


def stuck_through_lr_drops(rng: Rng) -> Messages:
    """Two LR drops change nothing: the labels belong to other images."""
    lr = step_lr(2400, 0.05, (1000, 1700))
    series = detector(2400, rng, noisy(decay(2400, 2.4, 1.8, 15.0, 2.0), rng, 0.05), lr)
    return _run(2400, {**series, **pairing(2400, rng, own=0.5)})


def data_corrupted_midway(rng: Rng) -> Messages:
    """The loss steps up at step 700 and stays; LR, gradients and updates do not change."""
    level = decay(1400, 2.4, 0.4, 60.0) + np.where(grid(1400) >= 700, 0.9, 0.0)
    series = detector(1400, rng, noisy(level, rng, 0.06))
    return _run(1400, {**series, tags.GRAD_NORM: noisy(np.full(1400, 1.2), rng, 0.2)})


# --- targets --------------------------------------------------------------------------------------------------


def boxes_xywh(rng: Rng) -> Messages:
    """x, y, width, height given as corners."""
    series = detector(300, rng)
    boxes = np.asarray(series[tags.TARGET_BOXES])
    bad = np.round(0.4 * boxes)
    return _run(300, {**series, tags.TARGET_DEGENERATE: bad, tags.TARGET_LEGAL_XYXY: boxes - bad,
                      tags.TARGET_LEGAL_XYWH: boxes, tags.TARGET_TOP_LEFT: boxes})  # fmt: skip


def boxes_xywh_filtered(rng: Rng) -> Messages:
    """The same, with the degenerate ones dropped on the way: only the corner gives it away."""
    series = detector(300, rng)
    boxes = np.asarray(series[tags.TARGET_BOXES])
    return _run(300, {**series, tags.TARGET_LEGAL_XYWH: boxes, tags.TARGET_TOP_LEFT: boxes})


def boxes_normalised(rng: Rng) -> Messages:
    """Coordinates between 0 and 1 for a head that takes pixels."""
    series = detector(300, rng)
    boxes = np.asarray(series[tags.TARGET_BOXES])
    return _run(300, {**series, tags.TARGET_MAX_COORD: 0.9 + 0.1 * rng.random(300), tags.TARGET_MIN_COORD: 0.05,
                      tags.TARGET_TINY: boxes, tags.TARGET_TOP_LEFT: boxes, tags.TARGET_LEGAL_XYWH: boxes})  # fmt: skip


def boxes_of_larger_image(rng: Rng) -> Messages:
    """Boxes were not resized with their image."""
    series = detector(300, rng)
    boxes = np.asarray(series[tags.TARGET_BOXES])
    return _run(300, {**series, tags.TARGET_OUTSIDE: np.round(0.7 * boxes), tags.TARGET_MAX_COORD: 250.0,
                      tags.TARGET_LEGAL_XYXY: boxes - np.round(0.7 * boxes),
                      tags.TARGET_LEGAL_YXYX: boxes - np.round(0.7 * boxes)})  # fmt: skip


def some_degenerate_rows(rng: Rng) -> Messages:
    """Two broken rows in the whole set."""
    broken = np.zeros(500)
    broken[[120, 410]] = 1.0
    return _run(500, {**detector(500, rng), tags.TARGET_DEGENERATE: broken})


def labels_above_the_head(rng: Rng) -> Messages:
    """A class id that the head does not have."""
    return _run(300, {**detector(300, rng), tags.TARGET_LABEL_MAX: 4.0, tags.TARGET_LABEL_ILLEGAL: 2.0})


def labels_from_zero(rng: Rng) -> Messages:
    """Ids shifted by one: the first class is taken for background, the last never occurs."""
    extra = {tags.TARGET_LABEL_MIN: 0.0, tags.TARGET_LABEL_MAX: 2.0, tags.TARGET_BACKGROUND: 3.0}
    return _run(300, {**detector(300, rng), **extra}, targets=(4.0, 3.0, 2.0, 0.0))


def labels_of_dropped_boxes(rng: Rng) -> Messages:
    """A crop drops boxes and leaves their labels."""
    return _run(300, {**detector(300, rng), tags.TARGET_MISMATCH: rng.poisson(1.5, 300).astype(float)})


def no_boxes_at_all(rng: Rng) -> Messages:
    """The class filter lets nothing through."""
    zero = np.zeros(300)
    counted = (tags.TARGET_BOXES, tags.TARGET_TOP_LEFT, tags.TARGET_LEGAL_XYXY, tags.TARGET_LEGAL_XYWH,
               tags.TARGET_LEGAL_CXCYWH, tags.TARGET_LEGAL_YXYX, tags.PAIRING_BOXES,
               tags.PAIRING_HFLIP_BOXES, tags.PAIRING_VFLIP_BOXES)  # fmt: skip
    return _run(300, {**detector(300, rng), **dict.fromkeys(counted, zero), tags.TARGET_EMPTY: 4.0}, targets=())


def boxes_not_flipped(rng: Rng) -> Messages:
    """Every other image is flipped without its boxes."""
    return _run(500, {**detector(500, rng), **pairing(500, rng, own=0.7, hflip=0.7)})


def boxes_not_flipped_either_way(rng: Rng) -> Messages:
    """Both flips at even odds, without the boxes: three images of four are wrong."""
    return _run(500, {**detector(500, rng), **pairing(500, rng, own=0.6, hflip=0.6, vflip=0.6)})


def boxes_of_other_images(rng: Rng) -> Messages:
    """Targets and images went out of step: the loss learns where boxes usually are, and stops."""
    series = detector(1600, rng, noisy(decay(1600, 2.4, 1.9, 15.0, 2.0), rng, 0.05))
    return _run(1600, {**series, **pairing(1600, rng, own=0.5)})


# --- inputs, classes, the rest --------------------------------------------------------------------------------


def _pixels(mean: float, std: float, low: float, high: float) -> dict[str, Values]:
    return {tags.INPUT_MEAN: mean, tags.INPUT_STD: std, tags.INPUT_MIN: low, tags.INPUT_MAX: high}


def inputs_0_255(rng: Rng) -> Messages:
    """Never divided by 255 (measured: mean 208, std 191)."""
    return _run(
        300,
        {**detector(300, rng), **_pixels(208.0, 191.0, -2.0, 1100.0), tags.IMAGE_MAX: 255.0, tags.IMAGE_MEAN: 110.0},
    )


def inputs_normalised_twice(rng: Rng) -> Messages:
    """Normalised by the user and by the model (measured: mean -7.1, std 3.4)."""
    return _run(
        300, {**detector(300, rng), **_pixels(-7.1, 3.4, -12.0, 10.0), tags.IMAGE_MIN: -2.1, tags.IMAGE_MAX: 2.6}
    )


def inputs_divided_twice(rng: Rng) -> Messages:
    """Divided by 255 twice (measured: mean -2.0, std 0.13)."""
    return _run(
        300, {**detector(300, rng), **_pixels(-2.0, 0.13, -2.1, -1.8), tags.IMAGE_MAX: 1 / 255, tags.IMAGE_MEAN: 0.002}
    )


def blank_images(rng: Rng) -> Messages:
    """A quarter of the images does not decode."""
    return _run(300, {**detector(300, rng), tags.IMAGE_CONSTANT: 1.0})


def imbalanced(rng: Rng) -> Messages:
    """One class is a hundred times as frequent as another."""
    return _run(800, detector(800, rng), targets=(0.0, 6.0, 3.0, 0.04))


def class_never_seen(rng: Rng) -> Messages:
    """One of three classes has no object."""
    return _run(600, detector(600, rng), targets=(0.0, 4.0, 4.0, 0.0))


def overfits(rng: Rng) -> Messages:
    """mAP falls from its best while the training loss keeps falling."""
    curve = [0.1, 0.25, 0.38, 0.45, 0.48, 0.46, 0.42, 0.38, 0.34, 0.31, 0.28, 0.26, 0.25, 0.24]
    points = {100 * (i + 1): value + 0.004 * float(rng.standard_normal()) for i, value in enumerate(curve)}
    return _run(1500, {**detector(1500, rng), "eval/mAP": points})


def amp_scale_collapses(rng: Rng) -> Messages:
    """Every tenth step overflows, long after the scale should have settled."""
    skipped = (np.arange(600) % 10 == 0).astype(float)
    scale = 65536.0 * 0.5 ** np.cumsum(skipped)
    return _run(
        600, {**detector(600, rng), tags.AMP_SKIPPED: skipped, tags.AMP_SCALE: scale, tags.GRAD_NONFINITE: skipped}
    )


def loader_starves(rng: Rng) -> Messages:
    """Four fifths of the step are spent waiting for data."""
    return _run(300, {**detector(300, rng), tags.TIME_STEP: noisy(np.full(300, 0.5), rng, 0.1), tags.TIME_DATA: 0.4})


def gradient_vanishes(rng: Rng) -> Messages:
    """Eight sigmoid layers: the first gets a ten-thousandth of the gradient of the last."""
    layers: dict[str, Values] = {}
    for i in range(8):
        layers[f"{tags.LAYER_GRAD_NORM}layers.{i}.weight"] = noisy(np.full(400, 10.0 ** (-4 + 4 * i / 7)), rng, 0.1)
        layers[f"{tags.LAYER_WEIGHT_NORM}layers.{i}.weight"] = 5.0
    return _run(400, {**detector(400, rng, _flat(400, rng)), **layers})


def warmed_up_and_stuck(rng: Rng) -> Messages:
    """The LR warms up as it should, and the loss does not move."""
    lr = warmup_cosine(1200, 0.01, 100)
    return _run(1200, detector(1200, rng, _flat(1200, rng), lr), total_steps=1200)


FAULTY: tuple[Scenario, ...] = (
    Scenario(
        "optimizer_not_stepping",
        optimizer_not_stepping,
        ("no_update",),
        "optimizer_not_stepping",
        30,
        ("not_learning",),
    ),
    Scenario(
        "head_replaced_after_optimizer",
        head_replaced_after_optimizer,
        ("no_update",),
        "params_not_in_optimizer",
        30,
        ("plateau",),
    ),
    Scenario("lr_is_zero", lr_is_zero, ("no_update",), "lr_zero", 60, ("not_learning",)),
    Scenario("lr_decayed_to_nothing", lr_decayed_to_nothing, ("no_update",), "lr_zero", 360, ("plateau",)),
    Scenario("lr_too_low", lr_too_low, ("update_too_small",), "lr_too_low", 320, ("slow_descent", "not_learning")),
    Scenario("slow_but_moving", slow_but_moving, ("slow_descent",), "lr_too_low", 320, ("not_learning", "plateau")),
    Scenario(
        "lr_too_high_stuck", lr_too_high_stuck, ("update_too_large",), "lr_too_high", 200, ("not_learning", "plateau")
    ),
    Scenario("lr_too_high_alternating", lr_too_high_alternating, ("oscillation",), "lr_too_high", 320, ("plateau",)),
    Scenario("momentum_waves", momentum_waves, ("oscillation",), "momentum_too_high", 400, ("plateau",)),
    Scenario("diverges", diverges, ("divergence",), "lr_too_high", 520, ("spike",)),
    Scenario("lr_burst", lr_burst, ("spike",), "lr_too_high", 540, ("divergence",)),
    Scenario("becomes_nan", becomes_nan, ("non_finite",), None, 320),
    Scenario("never_learns", never_learns, ("not_learning",), None, 300),
    Scenario("stuck_high", stuck_high, ("plateau",), None, 1500, ("not_learning",)),
    Scenario(
        "stuck_through_lr_drops",
        stuck_through_lr_drops,
        ("plateau_after_lr_drop",),
        "labels_shuffled",
        1500,
        ("plateau",),
    ),
    Scenario(
        "data_corrupted_midway",
        data_corrupted_midway,
        ("distribution_shift",),
        "data_corrupted_midway",
        900,
        ("spike", "plateau"),
    ),
    Scenario("boxes_xywh", boxes_xywh, ("bad_targets",), "boxes_wrong_format", 60),
    Scenario("boxes_xywh_filtered", boxes_xywh_filtered, ("bad_targets",), "boxes_wrong_format", 60),
    Scenario("boxes_normalised", boxes_normalised, ("bad_targets",), "boxes_wrong_scale", 60),
    Scenario("boxes_of_larger_image", boxes_of_larger_image, ("bad_targets",), "boxes_outside_image", 60),
    Scenario("some_degenerate_rows", some_degenerate_rows, ("bad_targets",), "degenerate_boxes", 180),
    Scenario("labels_above_the_head", labels_above_the_head, ("bad_targets",), "labels_out_of_range", 60),
    Scenario("labels_from_zero", labels_from_zero, ("bad_targets",), "background_label_used", 60, ("class_unseen",)),
    Scenario("labels_of_dropped_boxes", labels_of_dropped_boxes, ("bad_targets",), "labels_boxes_mismatch", 60),
    Scenario("no_boxes_at_all", no_boxes_at_all, ("bad_targets",), "empty_targets", 100),
    Scenario("boxes_not_flipped", boxes_not_flipped, ("bad_targets",), "boxes_not_transformed", 200),
    Scenario(
        "boxes_not_flipped_either_way", boxes_not_flipped_either_way, ("bad_targets",), "boxes_not_transformed", 300
    ),
    Scenario("boxes_of_other_images", boxes_of_other_images, ("plateau",), "labels_shuffled", 1500),
    Scenario("inputs_0_255", inputs_0_255, ("bad_inputs",), "inputs_not_normalised", 60),
    Scenario("inputs_normalised_twice", inputs_normalised_twice, ("bad_inputs",), "inputs_normalised_twice", 60),
    Scenario("inputs_divided_twice", inputs_divided_twice, ("bad_inputs",), "inputs_normalised_twice", 60),
    Scenario("blank_images", blank_images, ("bad_inputs",), "inputs_constant", 60),
    Scenario("imbalanced", imbalanced, ("imbalance",), "class_imbalance", 800),
    Scenario("class_never_seen", class_never_seen, ("class_unseen",), "class_missing", 200),
    Scenario("overfits", overfits, ("overfit",), "overfitting", 1400),
    Scenario("amp_scale_collapses", amp_scale_collapses, ("amp_overflow",), "fp16_overflow", 480, ("non_finite",)),
    Scenario("loader_starves", loader_starves, ("input_bound",), "loader_starves_gpu", 200),
    Scenario(
        "gradient_vanishes", gradient_vanishes, ("gradient_vanishing",), "vanishing_gradients", 300, ("not_learning",)
    ),
    Scenario("warmed_up_and_stuck", warmed_up_and_stuck, ("not_learning",), None, 600, ("plateau",)),
)
