"""Mistakes in the optimizer, on the way of the update, and in the size of the batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from bench.faults.injection import (
    DETECTORS,
    FIFTH_PLAIN,
    FOURTH_PLAIN,
    NEWER,
    NEWEST,
    SEVENTH_PLAIN,
    SIXTH_PLAIN,
    THIRD_PLAIN,
    WITH_BATCHNORM,
    WITH_SGD,
    all_but,
    injection,
)
from bench.faults.plan import Gradients, Plan
from bench.faults.recipe import make_optimizer
from torch import nn
from torch.optim import Optimizer


@injection(
    "optimizer_not_stepping",
    on=("mlp", "cnn_bn", "two_stage", "chars", "cnn", "resnet", "vit", "one_stage", *NEWER),
    levels=(0.3, 0.1, 0.0),
)
def no_step(plan: Plan, share: float) -> None:
    """After a *share* of the run ``optimizer.step`` is no longer reached: a condition that never holds again."""
    last = share * plan.recipe.steps
    plan.steps_at = lambda step: step <= last
    plan.schedules_at = plan.steps_at


@injection(
    "params_not_in_optimizer",
    on=("mlp", "cnn_bn", "two_stage", "chars", "cnn", "resnet", "vit", "one_stage", *NEWER),
    levels=(0.3, 0.6, 1.0),
)
def stale_parameters(plan: Plan, share: float) -> None:
    """The last layers were rebuilt after the optimizer was made (all of them: the model was loaded again)."""

    def rebuild(optimizer: Optimizer, model: nn.Module) -> Optimizer:
        leaves = [m for m in model.modules() if list(m.parameters(recurse=False)) and hasattr(m, "reset_parameters")]
        for leaf in leaves[len(leaves) - max(round(share * len(leaves)), 1) :]:
            for name, parameter in list(leaf.named_parameters(recurse=False)):
                setattr(leaf, name, nn.Parameter(parameter.detach().clone()))
        return optimizer

    plan.on_optimizer.append(rebuild)


@injection(
    "gradients_not_zeroed",
    on=all_but("chars", "segmentation", "vit", "one_stage", "gru", "centre"),
    levels=(8, 40, 0),
)
def no_zero_grad(plan: Plan, every: int) -> None:
    """Gradients are zeroed every so many steps, or never."""
    plan.zeroes_at = (lambda step: step % every == 0) if every else (lambda step: False)


@injection(
    "loss_sign_flipped",
    on=("mlp", "cnn_bn", "chars", "segmentation", "cnn", "vit", "one_stage", "regressor", *NEWER),
    levels=(0.03, 0.3, 1.0),
)
def sign_flipped(plan: Plan, weight: float) -> None:
    """A reward is minimised."""
    plan.on_loss.append(lambda step, loss, model: -weight * loss)


def _is_called(layer: nn.Module) -> bool:
    """Not so the last layer of torch's attention, whose weights alone are used."""
    return not isinstance(layer, nn.modules.linear.NonDynamicallyQuantizableLinear)


@injection(
    "graph_detached",
    also=("frozen_params",),
    on=("mlp", "cnn_bn", "two_stage", "chars", "cnn", "resnet", "vit", "one_stage", *NEWER),
    levels=(0.3, 0.6, 0.9),
)
def detached(plan: Plan, depth: float) -> None:
    """The output of a layer is detached, *depth* of the way to the head."""

    def cut(model: nn.Module) -> nn.Module:
        leaves = [m for m in model.modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Linear) and _is_called(m)]
        layer = leaves[min(int(depth * len(leaves)), len(leaves) - 2)]
        layer.register_forward_hook(lambda module, args, output: output.detach())
        return model

    plan.on_model.append(cut)


@injection(
    "frozen_params",
    on=("mlp", "cnn_bn", "two_stage", "chars", "cnn", "resnet", "vit", "one_stage", *NEWER),
    levels=(0.6, 0.85, 0.97),
)
def frozen(plan: Plan, share: float) -> None:
    """The first layers of a network with random weights are frozen, as one freezes a pretrained one."""

    def freeze(model: nn.Module) -> nn.Module:
        parameters = list(model.parameters())
        for parameter in parameters[: min(round(share * len(parameters)), len(parameters) - 2)]:
            parameter.requires_grad_(False)
        return model

    plan.on_model.append(freeze)


@injection("clip_too_tight", also=("lr_too_low",), on=WITH_SGD, levels=(0.03, 0.01, 0.001))
def clip_tight(plan: Plan, max_norm: float) -> None:
    """A max_norm from another loss."""
    plan.recipe.clip = max_norm


@injection(
    "loss_not_reduced",
    also=("lr_too_high",),
    on=tuple(name for name in WITH_SGD if name != "keypoints"),  # its steps take too long already
    levels=(4, 8, 16),
)
def accumulated_sum(plan: Plan, count: int) -> None:
    """Gradients of several micro-batches are added up and not divided."""
    plan.recipe.accumulate, plan.recipe.divide = count, False
    plan.recipe.batch = max(plan.recipe.batch // 4, 2)


@injection("momentum_too_high", also=("lr_too_high",), on=WITH_SGD, levels=(0.98, 0.995, 0.999))
def momentum_high(plan: Plan, momentum: float) -> None:
    """A nine too many."""
    plan.recipe.momentum = momentum


@injection(
    "weight_decay_too_strong",
    also=("regularisation_too_strong",),
    on=all_but("mlp", "segmentation", "regressor", "gru", "depth", "unet", "centre"),
    levels=(20, 100, 1000),
)
def decay_strong(plan: Plan, strength: float) -> None:
    """A weight decay that was tuned for another optimizer."""
    if plan.recipe.optimizer == "sgd":
        plan.recipe.weight_decay = 5e-4 * strength
    else:
        plan.recipe.weight_decay = 0.05 * strength


@injection(
    "adam_second_moment_lag",
    also=("lr_too_high", "loss_terms_unbalanced"),
    on=(
        "chars",
        "mlp",
        "vit",
        "regressor",
        "gru",
        "mixer",
        "depth",
        "convnext",
        "unet",
        "detr",
        "tagger",
        "effdet",
        "grid",
        "seq2seq",
        "corner",
        *SIXTH_PLAIN,
        "textlines",
        "llama",
    ),
    levels=((0.999, 30), (0.9995, 300), (0.9999, 3000)),
    from_onset=True,
)
def adam_quiet_phase(plan: Plan, level: tuple[float, float]) -> None:
    """A long second-moment memory, and a loss whose weight is small until it is raised midway."""
    beta2, ratio = level
    plan.recipe.betas = (0.9, beta2)
    plan.recipe.eps = 1e-12
    plan.recipe.clip = None
    plan.on_loss.append(lambda step, loss, model: loss / ratio if step < plan.onset else loss)


@injection(
    "batchnorm_small_batch",
    also=("batch_too_small", "train_eval_mismatch"),
    on=WITH_BATCHNORM,
    levels=(4, 2, 1),
)
def batchnorm_batch(plan: Plan, batch: int) -> None:
    """BatchNorm over a handful of images; SGD as for the usual batch."""
    plan.recipe.batch = min(batch, plan.recipe.batch // 2)


@injection(
    "batch_too_small",
    also=("lr_not_scaled_to_batch", "lr_too_high", "schedule_needs_decay"),
    on=all_but(*WITH_BATCHNORM),
    levels=(4, 2, 1),
)
def batch_small(plan: Plan, batch: int) -> None:
    """One or two examples a step."""
    plan.recipe.batch = min(batch, max(plan.recipe.batch // 2, 1))
    plan.recipe.schedule = "constant"


@injection(
    "batch_too_large",
    also=("lr_too_low", "lr_not_scaled_to_batch"),
    on=(
        "mlp",
        "cnn",
        "regressor",
        "gru",
        "mixer",
        "depth",
        *THIRD_PLAIN,
        *FOURTH_PLAIN,
        *FIFTH_PLAIN,
        "points",
        *SEVENTH_PLAIN,
    ),
    levels=(8, 16, 32),
)
def batch_large(plan: Plan, factor: int) -> None:
    """A large batch at the LR of a small one, so that an epoch holds a few steps; the usual number of epochs."""
    plan.recipe.batch *= factor
    plan.recipe.steps = max(plan.recipe.steps // 2, 210)
    plan.recipe.lr /= 4


@injection(
    "model_in_eval_mode",
    also=("train_eval_mismatch",),
    on=tuple(name for name in WITH_BATCHNORM if name not in DETECTORS or name in ("yolo", "effdet", "darknet", "dfl")),
    levels=("after", "train", "start"),
)
def eval_mode(plan: Plan, where: str) -> None:
    """``.train()`` is not called again after the first evaluation; or ``.eval()`` never; or it is called first.

    A detector of torchvision would break off: in eval mode it returns boxes and no loss, in training mode it asks for
    targets.
    """
    if where == "after":
        plan.after_evaluation = lambda model: None
    elif where == "start":
        plan.on_model.append(lambda model: model.eval())
        plan.after_evaluation = lambda model: None
    else:
        plan.prepare_evaluation = lambda model: model.train() and None
        plan.recipe.batch = 4


@injection(
    "batchnorm_poisoned",
    also=("non_finite_inputs",),
    on=WITH_BATCHNORM,
    levels=(1e6, 1e12, float("inf")),
    from_onset=True,
)
def norm_poisoned(plan: Plan, value: float) -> None:
    """One broken batch, passed forward only (a sanity check before training, a dry run), stays in the statistics."""

    def break_statistics(now: Gradients) -> None:
        if now.step == plan.onset:
            for module in now.model.modules():
                if isinstance(module, nn.BatchNorm2d) and module.running_var is not None:
                    module.running_var[0] = value
                    module.momentum = 1e-4
                    return

    plan.on_gradients.append(break_statistics)


def _half(now: Gradients, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    for parameter in now.model.parameters():
        if parameter.grad is not None:
            parameter.grad.copy_(change(parameter.grad))


@injection(
    "fp16_underflow",
    also=("vanishing_gradients",),
    on=("mlp", "cnn", "chars", "vit", "gru", "mixer", "convnext", "tcn", *NEWEST),
    levels=(1e-4, 1e-5, 1e-6),
)
def half_underflow(plan: Plan, scale: float) -> None:
    """Gradients of a loss of small scale pass through half precision without a scaler."""

    def through_half(now: Gradients) -> None:
        _half(now, lambda gradient: (gradient * scale).half().float() / scale)

    plan.on_gradients.append(through_half)


@injection(
    "fp16_overflow",
    on=("mlp", "cnn", "chars", "vit", "gru", "mixer", "convnext", "tcn", *NEWEST),
    levels=(2.0**18, 2.0**24, 2.0**40),
)
def half_overflow(plan: Plan, scale: float) -> None:
    """A scaler that starts far too high and grows at once: steps are skipped again and again."""
    plan.amp = {"init_scale": scale, "growth_interval": 1, "growth_factor": 4.0, "backoff_factor": 0.5}

    def through_half(now: Gradients) -> None:
        _half(now, lambda gradient: gradient.half().float())

    plan.on_gradients.append(through_half)


def rebuilt(plan: Plan) -> None:
    """Makes the optimizer anew; used by variants."""
    plan.on_optimizer.append(lambda optimizer, model: make_optimizer(plan.recipe, model.parameters()))


__all__ = ["rebuilt"]
