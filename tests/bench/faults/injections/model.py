"""Mistakes in the network and in its loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from bench.faults.injection import (
    CLASSIFIERS,
    DETECTORS,
    IMAGES,
    LATER_PLAIN,
    NEWEST,
    SEVENTH_PLAIN,
    SIXTH_PLAIN,
    THIRD_PLAIN,
    injection,
)
from bench.faults.plan import Plan
from torch import Tensor, nn
from torch.nn import functional

Initialise = Callable[[nn.Module], None]
Layer: TypeAlias = nn.Conv1d | nn.Conv2d | nn.Linear


def _layers(model: nn.Module) -> list[Layer]:
    return [module for module in model.modules() if isinstance(module, Layer)]


def on_layers(plan: Plan, change: Callable[[Layer], None], *, head: bool) -> None:
    """Changes the weights of every layer; of the last one only where *head*."""

    def go(model: nn.Module) -> nn.Module:
        layers = _layers(model)
        with torch.no_grad():
            for layer in layers if head else layers[:-1]:
                change(layer)
        return model

    plan.on_model.append(go)


def _strengthened(factor: float) -> Callable[[Layer], None]:
    """Multiplies the weights of a layer."""

    def change(layer: Layer) -> None:
        layer.weight.mul_(factor)

    return change


CLASS_HEADS = {
    "detr": "class_embed",
    "mask": "roi_heads.box_predictor.cls_score",
    "tagger": "tags",
    "seq2seq": "head",
    "llama": "lm_head",
}
"""Where the classes come from, in networks whose loss is more than the cross-entropy of what they return."""


@injection("softmax_twice", on=(*CLASSIFIERS, "detr", "mask", "seq2seq", "llama"), levels=(2.0, 1.0, 0.5))
def softmax_twice(plan: Plan, sharpness: float) -> None:
    """The network ends in a softmax, and so does the loss."""
    if plan.name not in CLASS_HEADS:
        plan.loss = lambda model, x, y: functional.cross_entropy(functional.softmax(sharpness * model(x), dim=1), y)
        return

    def append(model: nn.Module) -> nn.Module:
        head = model.get_submodule(CLASS_HEADS[plan.name])
        head.register_forward_hook(lambda module, args, output: functional.softmax(sharpness * output, dim=-1))
        return model

    plan.on_model.append(append)


@injection(
    "loss_not_reduced",
    also=("lr_too_high",),
    on=(
        "mlp",
        "cnn_bn",
        "segmentation",
        "cnn",
        "resnet",
        "regressor",
        "mobile",
        "mixer",
        "depth",
        *THIRD_PLAIN,
        *NEWEST,
    ),
    levels=(1, 4, 16),
)
def summed(plan: Plan, factor: float) -> None:
    """``reduction="sum"``, over the batch (and over more than it)."""
    plan.on_loss.append(lambda step, loss, model: factor * plan.recipe.batch * loss)


@injection(
    "vanishing_gradients",
    also=("saturated_activations",),
    on=("mlp", "cnn", "regressor", "gru", "tcn", "tagger", "tabular", "points", "arcface"),
    levels=(3, 5, 8),
)
def deep_sigmoid(plan: Plan, depth: int) -> None:
    """Many layers of sigmoids."""
    plan.shape.activation, plan.shape.depth = nn.Sigmoid, depth


@injection(
    "dead_relu",
    also=("vanishing_gradients",),
    on=("mlp", "cnn", "regressor", "gru", "tcn", "tagger", "tabular", "points", "arcface"),
    levels=(1.0, 3.0, 10.0),
)
def dead_units(plan: Plan, depth: float) -> None:
    """Biases so low that no unit ever fires."""

    def lower(layer: Layer) -> None:
        if layer.bias is not None:
            layer.bias.fill_(-depth)

    on_layers(plan, lower, head=False)


@injection(
    "init_degenerate",
    also=("dead_relu", "vanishing_gradients"),
    on=(
        "mlp",
        "cnn",
        "vit",
        "regressor",
        "chars",
        "gru",
        "mixer",
        "convnext",
        "tcn",
        "detr",
        "mask",
        "tagger",
        "seq2seq",
        "tabular",
        *SIXTH_PLAIN,
        *SEVENTH_PLAIN,
    ),
    levels=("equal", "tiny", "zero"),
)
def same_weights(plan: Plan, how: str) -> None:
    """All weights alike, all but zero, or zero."""
    value = {"equal": 0.02, "tiny": 1e-7, "zero": 0.0}[how]

    def fill(layer: Layer) -> None:
        layer.weight.fill_(value) if how != "tiny" else layer.weight.mul_(value)
        if layer.bias is not None:
            layer.bias.zero_()

    on_layers(plan, fill, head=True)


@injection(
    "init_too_large",
    also=("exploding_gradients", "lr_too_high"),
    on=(
        "mlp",
        "cnn",
        "vit",
        "regressor",
        "chars",
        "gru",
        "mixer",
        "convnext",
        "tcn",
        "detr",
        "mask",
        "tagger",
        "seq2seq",
        "tabular",
        *SIXTH_PLAIN,
        *SEVENTH_PLAIN,
    ),
    levels=(4.0, 8.0, 20.0),
)
def large_init(plan: Plan, factor: float) -> None:
    """Weights drawn with the wrong deviation."""
    on_layers(plan, _strengthened(factor), head=True)


@injection(
    "exploding_gradients",
    also=("init_too_large", "lr_too_high"),
    on=("mlp", "regressor", "cnn", "gru", "tcn", "tagger", "tabular", "points", "arcface"),
    levels=((6, 3.0), (10, 3.0), (14, 3.5)),
)
def exploding(plan: Plan, level: tuple[int, float]) -> None:
    """Deep, unnormalised, every layer a little too strong."""
    plan.shape.depth = level[0]
    on_layers(plan, _strengthened(level[1]), head=False)


@injection(
    "saturated_activations",
    also=("init_too_large", "vanishing_gradients"),
    on=("mlp", "cnn", "regressor", "gru", "tcn", "tagger", "tabular", "points", "arcface"),
    levels=(8.0, 20.0, 60.0),
)
def saturated(plan: Plan, factor: float) -> None:
    """tanh driven far beyond its slope."""
    plan.shape.activation, plan.shape.depth = nn.Tanh, 1
    on_layers(plan, _strengthened(factor), head=False)


@injection(
    "capacity_too_small",
    also=("unknown", "regularisation_too_strong"),
    on=("mlp", "cnn_bn", "segmentation", "cnn", "resnet", "regressor", *LATER_PLAIN, *THIRD_PLAIN, *NEWEST),
    levels=(0.2, 0.1, 0.02),
)
def narrow(plan: Plan, width: float) -> None:
    """A network of a few units."""
    plan.shape.width = width


@injection(
    "regularisation_too_strong",
    on=(
        "mlp",
        "cnn_bn",
        "chars",
        "cnn",
        "resnet",
        "vit",
        "regressor",
        *LATER_PLAIN,
        *THIRD_PLAIN,
        "detr",
        "densenet",
        "tagger",
        "seq2seq",
        "tabular",
        *SIXTH_PLAIN,
        *SEVENTH_PLAIN,
    ),
    levels=(0.7, 0.85, 0.95),
)
def heavy_dropout(plan: Plan, share: float) -> None:
    """Dropout meant as a keep probability."""
    plan.shape.dropout = share


@injection(
    "regularisation_too_strong",
    also=("weight_decay_too_strong", "loss_terms_unbalanced"),
    on=("mlp", "cnn_bn", "segmentation", "cnn", "vit", "regressor", *LATER_PLAIN, *THIRD_PLAIN, *NEWEST),
    levels=(0.01, 0.1, 1.0),
)
def heavy_penalty(plan: Plan, weight: float) -> None:
    """An L1 penalty that outweighs the loss."""

    def add(step: int, loss: Tensor, model: nn.Module) -> Tensor:
        penalty: Any = sum(parameter.abs().sum() for parameter in model.parameters())
        return loss + weight * penalty

    plan.on_loss.append(add)


def _own_terms(model: nn.Module, x: Any, y: Any) -> dict[str, Tensor]:
    """Of a detector that is given its targets."""
    terms: dict[str, Tensor] = model(list(x), y)
    return terms


@injection("loss_terms_unbalanced", on=DETECTORS, levels=(30, 100, 1000))
def one_term_rules(plan: Plan, factor: float) -> None:
    """The terms of the boxes weigh so much more that the classes are not learnt."""

    def weighted(model: nn.Module, x: Any, y: Any) -> Tensor:
        terms = (plan.program.terms or _own_terms)(model, x, y)
        total: Any = sum(value * (factor if "box" in name or "giou" in name else 1.0) for name, value in terms.items())
        return total / factor  # type: ignore[no-any-return]

    plan.loss = weighted


@injection(
    "anchors_mismatch",
    on=("two_stage", "one_stage", "fcos", "ssd", "mask", "effdet", "retina", "darknet", "keypoints", "pyramid"),
    levels=(2.5, 4.0, 10.0),
)
def anchors_too_large(plan: Plan, factor: float) -> None:
    """Anchors of the pictures before they were made smaller."""

    def enlarge(model: nn.Module) -> nn.Module:
        for module in model.modules():
            if type(module).__name__ == "AnchorGenerator":
                module.cell_anchors = [cell * factor for cell in module.cell_anchors]
            elif type(module).__name__ == "DefaultBoxGenerator":
                module._wh_pairs = [sizes * factor for sizes in module._wh_pairs]
            elif type(module).__name__ == "Anchors":
                module.boxes = _enlarged(module.boxes, factor)
            elif type(module).__name__ == "YOLOLayer":
                module.anchors = module.anchors * factor
        return model

    plan.on_model.append(enlarge)


def _enlarged(boxes: Tensor, factor: float) -> Tensor:
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, factor * (boxes[:, 2:] - boxes[:, :2]) / 2
    return torch.cat([middle - half, middle + half], 1)


__all__ = ["IMAGES", "on_layers"]
