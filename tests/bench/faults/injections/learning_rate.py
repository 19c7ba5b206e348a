"""Mistakes in the learning rate and its schedule."""

from __future__ import annotations

import torch
from bench.faults.injection import (
    EVERY,
    LATER_PLAIN,
    NEWER,
    NEWEST,
    SEVENTH_PLAIN,
    SIXTH_PLAIN,
    THIRD,
    THIRD_PLAIN,
    WITH_LAYERNORM,
    WITH_SGD,
    all_but,
    injection,
)
from bench.faults.plan import Gradients, Plan
from torch.optim import Optimizer


@injection(
    "lr_too_high",
    also=("warmup_missing", "lr_not_scaled_to_batch"),
    on=EVERY,
    levels=(10, 30, 100),
)
def lr_high(plan: Plan, factor: float) -> None:
    """The LR of somebody else's recipe."""
    plan.recipe.lr *= factor


@injection(
    "lr_too_low",
    on=EVERY,
    levels=(30, 300, 3000),
)
def lr_low(plan: Plan, divisor: float) -> None:
    """A few zeros too many."""
    plan.recipe.lr /= divisor


@injection(
    "lr_too_high",
    on=("mlp", "cnn_bn", "chars", "cnn", "vit", *LATER_PLAIN, *THIRD_PLAIN, *NEWEST),
    levels=(30, 100, 300),
    from_onset=True,
)
def lr_burst(plan: Plan, factor: float) -> None:
    """For twenty steps midway the LR is far too high."""
    usual: dict[int, float] = {}

    def look(now: Gradients) -> None:
        for index, group in enumerate(now.optimizer.param_groups):
            if now.step == plan.onset:
                usual[index] = group["lr"]
            if plan.onset <= now.step < plan.onset + 20:
                group["lr"] = usual[index] * factor
            elif now.step == plan.onset + 20:
                group["lr"] = usual[index]

    plan.on_gradients.append(look)


@injection(
    "schedule_too_fast",
    also=("lr_zero", "lr_too_low"),
    on=("mlp", "cnn_bn", "two_stage", "cnn", "resnet", "one_stage", *NEWER),
    levels=(0.98, 0.95, 0.9),
)
def schedule_per_batch(plan: Plan, gamma: float) -> None:
    """An ExponentialLR meant for epochs, stepped after every batch."""
    base = plan.recipe.lr

    def look(now: Gradients) -> None:
        for group in now.optimizer.param_groups:
            group["lr"] = group.get("initial_lr", base) * gamma**now.step

    plan.on_gradients.append(look)


@injection(
    "lr_zero",
    also=("schedule_too_fast",),
    on=("mlp", "chars", "segmentation", "cnn", "vit", "one_stage", "gru", "mixer", "depth", "fcos", *THIRD, *NEWEST),
    levels=(0.3, 0.15, 0.0),
)
def lr_is_zero(plan: Plan, share: float) -> None:
    """The schedule ends at nothing after a *share* of the run: its length was counted in epochs."""
    begin = share * plan.recipe.steps

    def look(now: Gradients) -> None:
        if now.step > begin:
            for group in now.optimizer.param_groups:
                group["lr"] = 0.0

    plan.on_gradients.append(look)


@injection("warmup_missing", also=("lr_too_high",), on=(*WITH_LAYERNORM, "tagger"), levels=(5, 12, 30))
def no_warmup(plan: Plan, factor: float) -> None:
    """Adam at a high LR from the first step."""
    plan.recipe.warmup = 0
    plan.recipe.clip = None
    plan.recipe.lr *= factor


@injection(
    "schedule_too_fast",
    also=("lr_zero", "lr_too_low"),
    on=all_but("chars", "segmentation", "one_stage", "regressor", "depth", "unet", "centre"),
    levels=(0.2, 0.12, 0.06),
)
def schedule_fast(plan: Plan, share: float) -> None:
    """The LR falls to a hundredth early in the run."""
    plan.recipe.schedule = "step"
    plan.recipe.warmup = 0
    plan.recipe.milestones = (share, share * 1.5)


@injection(
    "warmup_never_ends",
    also=("lr_too_low",),
    on=all_but("cnn_bn", "segmentation", "resnet", "regressor", "mobile", "depth", "unet", "tabular", "corner"),
    levels=(1.5, 10, 100),
)
def warmup_long(plan: Plan, runs: float) -> None:
    """The warm-up is longer than the run: its length was meant for another batch size."""
    plan.recipe.warmup = int(runs * plan.recipe.steps)


@injection(
    "schedule_needs_decay",
    also=("lr_too_high", "batch_too_small"),
    on=WITH_SGD,
    levels=(1.5, 3, 6),
)
def no_decay(plan: Plan, factor: float) -> None:
    """The schedule was left out: a constant LR, near the highest that trains."""
    plan.recipe.schedule = "constant"
    plan.recipe.lr *= factor


@injection(
    "lr_not_scaled_to_batch",
    also=("batch_too_small", "lr_too_high", "batchnorm_small_batch", "schedule_needs_decay"),
    on=(
        "cnn_bn",
        "segmentation",
        "cnn",
        "resnet",
        "mobile",
        "depth",
        "unet",
        "tcn",
        "yolo",
        "detr",
        "densenet",
        "tagger",
        "effdet",
        "grid",
        "seq2seq",
        "tabular",
        "darknet",
        "corner",
        *SIXTH_PLAIN,
        "dfl",
        *SEVENTH_PLAIN,
    ),
    levels=(4, 8, 16),
)
def batch_cut(plan: Plan, divisor: int) -> None:
    """The batch was cut to fit into memory and the LR, four times the usual one, was not."""
    plan.recipe.batch = max(plan.recipe.batch // divisor, 2)
    plan.recipe.lr *= 4


@injection(
    "resume_state_lost",
    also=("lr_too_high", "warmup_missing"),
    on=("cnn_bn", "chars", "mlp", "resnet", "vit", "cnn", *LATER_PLAIN, *THIRD_PLAIN, *NEWEST),
    levels=(1, 3, 10),
    from_onset=True,
)
def resume_fresh(plan: Plan, factor: float) -> None:
    """Resumed late from a checkpoint of the weights alone: optimizer and schedule begin again, at a peak LR."""
    plan.restart_at = int(0.75 * plan.recipe.steps)
    plan.onset = plan.restart_at

    def reset(optimizer: Optimizer, scheduler: object) -> None:
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] = group.get("initial_lr", plan.recipe.lr) * factor
        if isinstance(scheduler, torch.optim.lr_scheduler.LambdaLR):
            scheduler.base_lrs = [rate * factor for rate in scheduler.base_lrs]

    plan.on_restart.append(reset)
