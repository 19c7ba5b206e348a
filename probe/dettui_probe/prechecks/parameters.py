"""The state of model and optimizer before the first step (rows O1, O2, O4, B1, B2)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from dettui_probe.capture.coverage import audit
from dettui_probe.capture.torchlib import Optimizer, nn, torch
from dettui_probe.prechecks import policy
from dettui_probe.prechecks.report import Check, abstained, failed, passed


def optimizer_coverage(model: nn.Module, optimizers: Sequence[Optimizer]) -> Check:
    """Does the optimizer hold what is to be trained, and nothing else?"""
    name = "optimizer"
    if not optimizers:
        return abstained(name, "no optimizer was given")
    coverage = audit(model, optimizers)
    remedy = "build the optimizer after the model is complete and on its device"
    if coverage.strangers:
        text = f"it holds {coverage.strangers} tensors that the model does not have"
        if coverage.missing:
            text += f", and misses {len(coverage.missing)} that it has: {_some(coverage.missing)}"
        return failed(name, "certain", "params_not_in_optimizer", text, remedy)
    if coverage.trainable == 0:
        text = "no parameter of the model requires a gradient"
        return failed(name, "certain", "frozen_params", text, "set requires_grad on what is to be trained")
    if coverage.missing:
        text = f"{len(coverage.missing)} trainable tensors are in no param group: {_some(coverage.missing)}"
        remedy = "add them to the optimizer, or freeze them with requires_grad_(False)"
        return failed(name, "warn", "params_not_in_optimizer", text, remedy)
    return passed(name, f"holds all {coverage.trainable:,} trainable elements")


def batch_norm_state(model: nn.Module) -> Check:
    """Are the running statistics of BatchNorm usable?"""
    name = "batchnorm_state"
    layers = [(at, layer) for at, layer in _batch_norms(model) if layer.running_var is not None]
    if not layers:
        return passed(name, "no BatchNorm with running statistics")
    for at, layer in layers:
        if not _is_sound(layer):
            text = f"{at or 'the model'}: running statistics hold a NaN, an infinity or a negative variance"
            remedy = "load other weights, or call reset_running_stats()"
            return failed(name, "certain", "batchnorm_poisoned", text, remedy)
    middle = float(torch.cat([_variance(layer).reshape(-1) for _, layer in layers]).median())
    at, top = max(((at, float(_variance(layer).max())) for at, layer in layers), key=lambda pair: pair[1])
    if middle > 0 and top > policy.VARIANCE_OF_MEDIAN * middle:
        text = f"{at}: a running variance of {top:.3g}, {top / middle:.1g} times the model's median"
        return failed(name, "info", "batchnorm_poisoned", text, "check where these weights come from")
    return passed(name, f"{len(layers)} BatchNorm layers with finite statistics")


def batch_norm_size(model: nn.Module, images: int | None) -> Check:
    """Does a batch hold enough images for BatchNorm?"""
    name = "batchnorm_batch"
    learning = sum(_takes_statistics(layer) for _, layer in _batch_norms(model))
    if not learning:
        return passed(name, "no BatchNorm takes statistics from the batch")
    if images is None:
        return abstained(name, "no batch")
    text = f"{learning} trainable BatchNorm layers, {images} images a batch"
    if images < policy.BATCH_NORM_MIN_IMAGES:
        remedy = "use FrozenBatchNorm2d, GroupNorm or SyncBatchNorm, or a larger batch"
        return failed(name, "warn", "batchnorm_small_batch", text, remedy)
    return passed(name, text)


def _batch_norms(model: nn.Module) -> Iterator[tuple[str, nn.modules.batchnorm._BatchNorm]]:
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            yield name, module


def _variance(layer: nn.modules.batchnorm._BatchNorm) -> torch.Tensor:
    assert layer.running_var is not None
    return layer.running_var.detach().float().cpu()


def _is_sound(layer: nn.modules.batchnorm._BatchNorm) -> bool:
    mean, variance = layer.running_mean, _variance(layer)
    finite = mean is None or math.isfinite(float(mean.detach().float().abs().sum()))
    return finite and bool(torch.isfinite(variance).all()) and bool((variance >= 0).all())


def _takes_statistics(layer: nn.modules.batchnorm._BatchNorm) -> bool:
    """A layer that normalises by the batch and trains.  ``SyncBatchNorm`` counts the batches of all ranks."""
    trains = layer.weight is not None and layer.weight.requires_grad
    return layer.training and trains and not isinstance(layer, nn.SyncBatchNorm)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
