"""Healthy runs, hard negatives among them: each looks like a fault to some naive rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from dettui_probe import tags, wire
from scenarios.build import Setting, Values, resumed, run_messages
from scenarios.scenario import Scenario
from scenarios.shapes import (
    constant_lr,
    decay,
    detector,
    grid,
    noisy,
    one_cycle,
    pairing,
    restarts,
    smooth_noise,
    step_lr,
    warmup_cosine,
)

BALANCED = (0.0, 4.0, 3.0, 2.0)
Rng = np.random.Generator
Messages = list[wire.AnyMessage]


def _run(steps: int, series: dict[str, Values], **setting: Any) -> Messages:
    return run_messages(steps, setting=Setting(**{"targets": BALANCED, **setting}), **series)


def plain(rng: Rng) -> Messages:
    """A detector that learns."""
    return _run(600, detector(600, rng))


def long_power_law(rng: Rng) -> Messages:
    """Slow and steady for long: the loss always falls by a few percent per doubling."""
    return _run(6000, detector(6000, rng, noisy(decay(6000, 2.4, 0.0, 20.0, 0.25), rng, 0.1)))


def one_cycle_schedule(rng: Rng) -> Messages:
    """Flat and a little higher while the LR peaks, then down."""
    steps = 2000
    lr = one_cycle(steps, 0.1)
    level = decay(steps, 2.3, 0.3, 80.0) + 0.35 * (lr / lr.max()) ** 2
    return _run(steps, detector(steps, rng, noisy(level, rng, 0.1), lr))


def large_lr_drops(rng: Rng) -> Messages:
    """Steps down at each drop, flat in between."""
    steps = 3000
    lr = step_lr(steps, 0.1, (1000, 2000))
    level = 0.6 * decay(steps, 2.3, 0.25, 50.0) + 0.4 * np.where(lr > 0.05, 0.9, np.where(lr > 0.005, 0.45, 0.4))
    return _run(steps, detector(steps, rng, noisy(level, rng, 0.08), lr))


def warm_restarts(rng: Rng) -> Messages:
    """The loss jumps up at each restart of the schedule and comes back lower."""
    steps, cycle = 2000, 500
    lr = restarts(steps, 0.1, cycle)
    level = decay(steps, 2.3, 0.15, 80.0) * (0.7 + 0.6 * lr / lr.max())
    return _run(steps, detector(steps, rng, noisy(level, rng, 0.08), lr))


def long_warmup(rng: Rng) -> Messages:
    """Nothing happens for 800 steps, because the LR has hardly begun."""
    steps, warmup = 2000, 800
    lr = warmup_cosine(steps, 0.01, warmup)
    effort = np.cumsum(lr) / lr.max()
    level = 0.3 + 2.1 / (1 + effort / 100.0) ** 1.2
    return _run(steps, detector(steps, rng, noisy(level, rng, 0.05), lr), total_steps=steps)


def solved_easy_task(rng: Rng) -> Messages:
    """The loss reaches next to nothing and stays there."""
    level = np.maximum(2.3 * np.exp(-grid(1500) / 40.0), 2e-4)
    return _run(1500, detector(1500, rng, noisy(level, rng, 0.5)))


def exactly_zero(rng: Rng) -> Messages:
    """A hinge loss that ends at zero exactly, at most steps."""
    level = np.maximum(noisy(1.0 * np.exp(-grid(1500) / 60.0), rng, 0.2) - 0.02, 0.0)
    return _run(1500, detector(1500, rng, level + 0.0))


def frozen_backbone(rng: Rng) -> Messages:
    """Frozen by design: most elements do not require a gradient, the head learns."""
    series = detector(800, rng, noisy(decay(800, 1.6, 0.35, 40.0), rng, 0.1))
    return _run(800, {**series, tags.FROZEN_SHARE: 0.9}, trainable=10_000, held=10_000)


def head_only_optimizer(rng: Rng) -> Messages:
    """Only the head was given to the optimizer; the backbone was not frozen, as many tutorials do."""
    series = detector(800, rng, noisy(decay(800, 1.6, 0.35, 40.0), rng, 0.1))
    names = tuple(f"backbone.body.layer{i}.weight" for i in range(20))
    return _run(800, {**series, tags.MISSING_PARAMS: 20.0, tags.TRAINABLE_HELD_SHARE: 0.2}, missing=names)


def fine_tune_at_its_floor(rng: Rng) -> Messages:
    """Starts where it ends: loss far below a guesser's, noisy, hardly moving."""
    level = noisy(np.full(1500, 0.22), rng, 0.35)
    return _run(1500, {**detector(1500, rng, level, 1e-4), tags.UPDATE_RATIO: noisy(np.full(1500, 3e-5), rng, 0.2)})


def resumed_run(rng: Rng) -> Messages:
    """Stopped at a low loss and started again from the checkpoint."""
    first = detector(800, rng)
    second = detector(600, rng, noisy(np.full(600, 0.4), rng, 0.15))
    setting = Setting(targets=BALANCED)
    return resumed(
        run_messages(800, setting=setting, **first), Setting(targets=BALANCED, first_step=801), 600, **second
    )


def single_hard_batches(rng: Rng) -> Messages:
    """One batch in two hundred loses five times the usual."""
    level = noisy(decay(1500, 2.4, 0.3, 60.0), rng, 0.1)
    level[rng.integers(100, 1500, 8)] *= 5.0
    return _run(1500, detector(1500, rng, level))


def heavy_noise_small_batch(rng: Rng) -> Messages:
    """Batch size one: the loss varies by half its size from step to step."""
    return _run(3000, detector(3000, rng, noisy(decay(3000, 2.4, 0.4, 200.0, 0.8), rng, 0.5), images=1))


def heavy_tails(rng: Rng) -> Messages:
    """Student-t noise with three degrees of freedom."""
    return _run(2000, detector(2000, rng, noisy(decay(2000, 2.4, 0.3, 80.0), rng, 0.1, tail=3.0)))


def skewed_noise(rng: Rng) -> Messages:
    """Exponential noise: many easy batches, few hard ones."""
    level = decay(2000, 2.4, 0.3, 80.0) * (0.6 + 0.4 * rng.exponential(1.0, 2000))
    return _run(2000, detector(2000, rng, level))


def correlated_noise(rng: Rng) -> Messages:
    """The noise remembers: videos, hard negatives in a queue."""
    level = decay(2000, 2.4, 0.3, 80.0) * np.exp(smooth_noise(2000, rng, 0.12, 0.8))
    return _run(2000, detector(2000, rng, level))


def curriculum_switch(rng: Rng) -> Messages:
    """Harder data from step 800 on: up by half, and falling again."""
    t = grid(2000)
    level = decay(2000, 2.4, 0.3, 60.0) + np.where(t >= 800, 0.35 / (1 + np.maximum(t - 800, 0) / 60.0), 0.0)
    return _run(2000, detector(2000, rng, noisy(level, rng, 0.08)))


def augmentation_off(rng: Rng) -> Messages:
    """Mosaic is closed for the last quarter: the loss steps down."""
    level = decay(2000, 2.4, 0.4, 60.0) * np.where(grid(2000) >= 1500, 0.75, 1.0)
    return _run(2000, detector(2000, rng, noisy(level, rng, 0.08)))


def catapult(rng: Rng) -> Messages:
    """An early spike at the end of a short warm-up that recovers within a few steps, before anything is judged."""
    level = decay(1200, 2.3, 0.3, 60.0)
    level[20:34] += 1.5 * np.exp(-grid(14) / 4.0)
    return _run(1200, detector(1200, rng, noisy(level, rng, 0.06), warmup_cosine(1200, 0.05, 20)))


def cosine_to_zero(rng: Rng) -> Messages:
    """Flat at the end because the LR is gone, as planned."""
    steps = 3000
    lr = warmup_cosine(steps, 0.05, 100)
    effort = np.cumsum(lr) / lr.max()
    level = 0.35 + 2.0 / (1 + effort / 40.0)
    return _run(steps, detector(steps, rng, noisy(level, rng, 0.08), lr), total_steps=steps)


def high_floor_with_decay(rng: Rng) -> Messages:
    """A task whose loss cannot fall below 70 % of its start (noisy targets), trained to the end of its schedule."""
    steps = 3000
    lr = warmup_cosine(steps, 0.05, 50)
    effort = np.cumsum(lr) / lr.max()
    level = 0.7 + 0.3 / (1 + effort / 150.0)
    return _run(steps, detector(steps, rng, noisy(level, rng, 0.05), lr), total_steps=steps, family=None)


def long_tail_of_many_classes(rng: Rng) -> Messages:
    """Eighty classes, the most frequent a thousand times the rarest: learnable, and common."""
    rates = (0.0, *(8.0 / (1 + k) ** 1.6 for k in range(80)))
    return _run(2000, detector(2000, rng), num_classes=81, targets=rates)


def evaluations_that_waver(rng: Rng) -> Messages:
    """mAP rises and varies by a point from one evaluation to the next."""
    points = {100 * i: 0.5 * (1 - np.exp(-i / 6.0)) + 0.01 * float(rng.standard_normal()) for i in range(1, 21)}
    return _run(2000, {**detector(2000, rng), "eval/mAP": points})


def amp_finding_its_scale(rng: Rng) -> Messages:
    """The GradScaler halves its scale in the first steps; the skipped gradients are infinite."""
    steps = 1000
    skipped = np.zeros(steps)
    skipped[[1, 2, 4, 600]] = 1.0
    scale = 65536.0 * 0.5 ** np.cumsum(skipped)
    extra = {
        tags.AMP_SKIPPED: skipped,
        tags.AMP_SCALE: scale,
        tags.GRAD_NONFINITE: skipped,
        tags.UPDATE_UNCHANGED: skipped,
    }
    return _run(steps, {**detector(steps, rng), **extra})


def symmetric_scenes(rng: Rng) -> Messages:
    """Streets: where a car stands on the left, something stands on the right more often than not."""
    return _run(800, {**detector(800, rng), **pairing(800, rng, own=0.95, hflip=0.62)})


def textureless_images(rng: Rng) -> Messages:
    """Boxes stand out a little only."""
    return _run(800, {**detector(800, rng), **pairing(800, rng, own=0.62)})


def rare_objects(rng: Rng) -> Messages:
    """Two images in three have no box."""
    series = detector(800, rng)
    none_of = dict.fromkeys((tags.TARGET_TOP_LEFT, tags.TARGET_LEGAL_XYWH, tags.TARGET_LEGAL_CXCYWH), 0.0)
    boxes = rng.poisson(1.5, 800).astype(float)
    return _run(
        800,
        {
            **series,
            tags.TARGET_BOXES: boxes,
            tags.TARGET_LEGAL_XYXY: boxes,
            tags.TARGET_EMPTY: 2.7,
            **none_of,
        },
    )


def classifier(rng: Rng) -> Messages:
    """A classifier with ImageNet-style inputs and only a loss, an LR and counts to see."""
    level = noisy(decay(1500, 2.3, 0.15, 60.0), rng, 0.15)
    series: dict[str, Values] = {tags.LOSS_TOTAL: level, tags.LR + "0": constant_lr(1500)}
    return _run(1500, series, family="classification", num_classes=10, background=None, targets=(6.4,) * 10)


def signed_loss(rng: Rng) -> Messages:
    """A loss that falls below zero (a log-density), as it should."""
    return _run(1500, {tags.LOSS_TOTAL: decay(1500, 3.0, -2.0, 100.0) + 0.1 * rng.standard_normal(1500)}, family=None)


def loss_only(rng: Rng) -> Messages:
    """A user who logs a loss and nothing else."""
    return run_messages(
        1200,
        setting=Setting(family=None, num_classes=None),
        **{tags.LOSS_TOTAL: noisy(decay(1200, 10.8, 3.4, 90.0, 0.6), rng, 0.03)},
    )


def straight_line(rng: Rng) -> Messages:
    """A large batch: hardly any noise, and a loss that falls by the same little amount at every step."""
    return _run(3000, detector(3000, rng, noisy(8.0 - 1.2e-3 * grid(3000), rng, 0.01)), family=None)


def epoch_waves(rng: Rng) -> Messages:
    """Small data, no shuffling across shards: a wave with the period of the epoch."""
    t = grid(2000)
    level = decay(2000, 2.4, 0.3, 80.0) * (1 + 0.15 * np.sin(2 * np.pi * t / 32))
    return _run(2000, detector(2000, rng, noisy(level, rng, 0.05)), steps_per_epoch=32)


HEALTHY: tuple[Scenario, ...] = tuple(
    Scenario(build.__name__, build)
    for build in (
        plain, long_power_law, one_cycle_schedule, large_lr_drops, warm_restarts, long_warmup, solved_easy_task,
        exactly_zero, frozen_backbone, head_only_optimizer, fine_tune_at_its_floor, resumed_run, single_hard_batches,
        heavy_noise_small_batch, heavy_tails, skewed_noise, correlated_noise, curriculum_switch, augmentation_off,
        catapult, cosine_to_zero, high_floor_with_decay, long_tail_of_many_classes, evaluations_that_waver,
        amp_finding_its_scale, symmetric_scenes, textureless_images, rare_objects, classifier, signed_loss, loss_only,
        epoch_waves, straight_line,
    )
)  # fmt: skip
