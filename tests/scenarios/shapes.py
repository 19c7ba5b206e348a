"""Curves of which the scenarios are made.  Every function takes its own generator: same seed, same curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dettui_probe import tags
from scenarios.build import Values

Curve = NDArray[np.float64]


def grid(steps: int) -> Curve:
    """0, 1, ..., steps - 1."""
    return np.arange(steps, dtype=np.float64)


def decay(steps: int, start: float, floor: float, scale: float, power: float = 1.0) -> Curve:
    """``floor + (start - floor) (1 + t / scale)^-power``: the usual fall of a loss."""
    return floor + (start - floor) * (1.0 + grid(steps) / scale) ** -power


def noisy(curve: ArrayLike, rng: np.random.Generator, sigma: float = 0.05, tail: float | None = None) -> Curve:
    """*curve* times log-normal noise of *sigma*, or Student-t noise with *tail* degrees of freedom."""
    level = np.asarray(curve, dtype=np.float64)
    shocks = rng.standard_normal(level.shape) if tail is None else rng.standard_t(tail, level.shape)
    return level * np.exp(sigma * shocks)


def smooth_noise(steps: int, rng: np.random.Generator, sigma: float, memory: float = 0.9) -> Curve:
    """A first-order autoregression with standard deviation *sigma*."""
    shocks = rng.standard_normal(steps) * sigma * np.sqrt(1 - memory**2)
    state, out = 0.0, np.empty(steps)
    for i, shock in enumerate(shocks):
        state = memory * state + shock
        out[i] = state
    return out


def constant_lr(steps: int, lr: float = 0.01) -> Curve:
    """The same LR throughout."""
    return np.full(steps, lr)


def step_lr(steps: int, lr: float, at: tuple[int, ...], factor: float = 0.1) -> Curve:
    """Divided at each step of *at*."""
    drops = np.sum([grid(steps) >= a for a in at], axis=0)
    return lr * factor**drops


def warmup_cosine(steps: int, lr: float, warmup: int, floor: float = 0.0) -> Curve:
    """Linear to *lr* over *warmup* steps, then half a cosine to *floor*."""
    t = grid(steps)
    share = np.clip((t - warmup) / max(steps - warmup, 1), 0, 1)
    return np.where(t < warmup, lr * (t + 1) / max(warmup, 1), floor + (lr - floor) * 0.5 * (1 + np.cos(np.pi * share)))


def one_cycle(steps: int, lr: float, up: float = 0.3) -> Curve:
    """From lr / 25 up to *lr* over a share *up* of the run, then down to nearly nothing."""
    share = grid(steps) / steps
    rise = lr / 25 + (lr - lr / 25) * 0.5 * (1 - np.cos(np.pi * np.clip(share / up, 0, 1)))
    fall = lr * 0.5 * (1 + np.cos(np.pi * np.clip((share - up) / (1 - up), 0, 1))) + lr * 1e-5
    return np.where(share < up, rise, fall)


def restarts(steps: int, lr: float, cycle: int) -> Curve:
    """Cosine with warm restarts every *cycle* steps."""
    return lr * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * (grid(steps) % cycle) / cycle)))


def detector(
    steps: int, rng: np.random.Generator, loss: ArrayLike | None = None, lr: ArrayLike = 0.01, images: int = 4
) -> dict[str, Values]:
    """What the probe sees of a small torchvision detector that trains well; *loss* replaces its total loss."""
    total = noisy(decay(steps, 2.4, 0.25, 60.0), rng, 0.12) if loss is None else np.asarray(loss, dtype=np.float64)
    return {
        **_losses(total, steps, rng),
        **_optimizer(total, np.broadcast_to(np.asarray(lr, dtype=np.float64), (steps,)), rng),
        **_targets(steps, rng, images),
        **_inputs(steps, rng),
        **_timing(steps, rng),
    }


def _losses(total: Curve, steps: int, rng: np.random.Generator) -> dict[str, Values]:
    share = np.clip(0.6 - 0.1 * grid(steps) / steps + 0.03 * rng.standard_normal(steps), 0.3, 0.8)
    return {
        tags.LOSS_TOTAL: total,
        tags.LOSS + "loss_classifier": total * share,
        tags.LOSS + "loss_box_reg": total * (1 - share) * 0.7,
        tags.LOSS + "loss_objectness": total * (1 - share) * 0.2,
        tags.LOSS + "loss_rpn_box_reg": total * (1 - share) * 0.1,
    }


def _optimizer(total: Curve, lr: Curve, rng: np.random.Generator) -> dict[str, Values]:
    steps = len(total)
    level = np.where(np.isfinite(total), np.maximum(total, 1e-3), 1.0)
    share_of_peak = lr / lr.max() if lr.max() > 0 else lr
    return {
        tags.LR + "0": lr,
        tags.MOMENTUM + "0": np.full(steps, 0.9),
        tags.WEIGHT_DECAY + "0": np.full(steps, 1e-4),
        tags.GRAD_NORM: noisy(1.5 * np.sqrt(level / level[0]), rng, 0.3),
        tags.GRAD_NONFINITE: np.zeros(steps),
        tags.GRAD_NONE: np.zeros(steps),
        tags.GRAD_ZERO: np.full(steps, 0.05),
        tags.GRAD_AGREEMENT: 0.05 + 0.1 * rng.standard_normal(steps),
        tags.UPDATE_RATIO: noisy(2e-3 * np.maximum(share_of_peak, 1e-12), rng, 0.2),
        tags.UPDATE_UNCHANGED: np.where(lr > 0, 0.0, 1.0),
        tags.WEIGHT_NORM: 40.0 + 0.01 * np.sqrt(grid(steps)),
        tags.WEIGHT_NONFINITE: np.zeros(steps),
        tags.MISSING_PARAMS: np.zeros(steps),
        tags.STRANGER_PARAMS: np.zeros(steps),
        tags.FROZEN_SHARE: np.zeros(steps),
        tags.TRAINABLE_HELD_SHARE: np.ones(steps),
    }


def _targets(steps: int, rng: np.random.Generator, images: int) -> dict[str, Values]:
    """Honest pixel boxes: a quarter of them has its centre in the top left quadrant (detection.md 0.7)."""
    boxes = images + rng.poisson(images, steps).astype(np.float64)
    zero = np.zeros(steps)
    top_left = rng.binomial(boxes.astype(int), 0.25).astype(np.float64)
    return {
        tags.BATCH_SIZE: np.full(steps, float(images)),
        tags.TARGET_BOXES: boxes,
        **dict.fromkeys(_CLEAN, zero),
        tags.TARGET_MAX_COORD: 100 + 28 * rng.random(steps),
        tags.TARGET_MIN_COORD: 20 * rng.random(steps),
        tags.TARGET_IMAGE_SIDE: np.full(steps, 128.0),
        tags.TARGET_LABEL_MIN: np.ones(steps),
        tags.TARGET_LABEL_MAX: np.full(steps, 3.0),
        tags.TARGET_TOP_LEFT: top_left,
        tags.TARGET_LEGAL_XYXY: boxes,
        tags.TARGET_LEGAL_XYWH: top_left,
        tags.TARGET_LEGAL_CXCYWH: rng.binomial(boxes.astype(int), 0.3).astype(np.float64),
        tags.TARGET_LEGAL_YXYX: boxes,
        **_pairing(boxes, rng, own=0.9),
    }


_CLEAN = (
    tags.TARGET_EMPTY, tags.TARGET_DEGENERATE, tags.TARGET_NONFINITE, tags.TARGET_OUTSIDE, tags.TARGET_TINY,
    tags.TARGET_LABEL_ILLEGAL, tags.TARGET_BACKGROUND, tags.TARGET_MISMATCH, tags.TARGET_DUPLICATES,
)  # fmt: skip


def pairing(
    steps: int, rng: np.random.Generator, *, own: float, hflip: float = 0.5, vflip: float = 0.5, boxes: float = 8.0
) -> dict[str, Values]:
    """How often boxes and their mirrors stand out more on the boxes' own image than on another: expected shares."""
    return _pairing(np.full(steps, boxes), rng, own=own, hflip=hflip, vflip=vflip)


def _pairing(
    boxes: Curve, rng: np.random.Generator, *, own: float, hflip: float = 0.5, vflip: float = 0.5
) -> dict[str, Values]:
    n = boxes.astype(int)
    return {
        tags.PAIRING_BOXES: boxes,
        tags.PAIRING_BEATS_OTHER: rng.binomial(n, own).astype(np.float64),
        tags.PAIRING_HFLIP_BOXES: boxes,
        tags.PAIRING_HFLIP_FITS: rng.binomial(n, hflip).astype(np.float64),
        tags.PAIRING_VFLIP_BOXES: boxes,
        tags.PAIRING_VFLIP_FITS: rng.binomial(n, vflip).astype(np.float64),
    }


def _inputs(steps: int, rng: np.random.Generator) -> dict[str, Values]:
    zero = np.zeros(steps)
    return {
        tags.IMAGE_MEAN: 0.45 + 0.03 * rng.standard_normal(steps),
        tags.IMAGE_STD: 0.25 + 0.01 * rng.standard_normal(steps),
        tags.IMAGE_MIN: zero,
        tags.IMAGE_MAX: np.ones(steps),
        tags.INPUT_MEAN: 0.1 * rng.standard_normal(steps),
        tags.INPUT_STD: 1.1 + 0.05 * rng.standard_normal(steps),
        tags.INPUT_MIN: np.full(steps, -2.1),
        tags.INPUT_MAX: np.full(steps, 2.6),
        tags.IMAGE_CONSTANT: zero,
        tags.IMAGE_NONFINITE: zero,
    }


def _timing(steps: int, rng: np.random.Generator) -> dict[str, Values]:
    step = noisy(np.full(steps, 0.1), rng, 0.1)
    return {
        tags.TIME_STEP: step,
        tags.TIME_DATA: 0.1 * step,
        tags.TIME_FORWARD: 0.4 * step,
        tags.TIME_BACKWARD: 0.4 * step,
        tags.TIME_OPTIMIZER: 0.1 * step,
        tags.PROBE_OVERHEAD: np.full(steps, 0.004),
    }
