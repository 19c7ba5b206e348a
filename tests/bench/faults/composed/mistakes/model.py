"""Mistakes in the network and in its loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import torch
from bench.faults.composed.changes import Draft
from bench.faults.composed.composition import WITH_CLASSES
from bench.faults.composed.mistakes.mistake import (
    UNNORMED,
    WITH_BOXES,
    all_of,
    from_scratch,
    in_task,
    lacks,
    may_drop_out,
    mistake,
    uses,
    with_net,
)
from torch import Tensor, nn

Layer: TypeAlias = nn.Conv1d | nn.Conv2d | nn.Linear
_unnormed = all_of(from_scratch, with_net(*UNNORMED))
_plain = all_of(from_scratch, with_net("mlp", "cnn"))  # without norms and shortcuts


def on_layers(draft: Draft, change: Callable[[Layer], None], *, head: bool) -> None:
    """Changes every layer; the last one only where *head*."""

    def go(network: nn.Module) -> None:
        layers = [module for module in network.modules() if isinstance(module, Layer)]
        with torch.no_grad():
            for layer in layers if head else layers[:-1]:
                change(layer)

    draft.on_network.append(go)


def _strengthened(factor: float) -> Callable[[Layer], None]:
    def change(layer: Layer) -> None:
        layer.weight.mul_(factor)

    return change


@mistake("softmax_twice", fits=in_task(*WITH_CLASSES, "multi_label"), strength=(1.0, 0.5))
def softmax_twice(draft: Draft, sharpness: float) -> None:
    """The network ends in a softmax, and so does the loss; where it has labels of its own each, in a sigmoid."""

    def squashed(module: nn.Module, args: object, output: Tensor) -> Tensor:
        if draft.problem.task == "multi_label":
            return (sharpness * output).sigmoid()
        return (sharpness * output).softmax(-1 if draft.problem.task in ("tagging", "next_token") else 1)

    draft.on_network.append(lambda network: network.register_forward_hook(squashed) and None)


@mistake("loss_not_reduced", "lr_too_high", fits=all_of(uses("sgd"), lambda c: c.habits.clip is None), strength=(4, 16))
def summed(draft: Draft, factor: float) -> None:
    """``reduction="sum"``, over the batch and over more than it."""
    draft.on_loss.append(lambda loss: factor * draft.habits.batch * loss)


@mistake("vanishing_gradients", "saturated_activations", fits=_plain, strength=(5, 8))
def deep_sigmoid(draft: Draft, depth: float) -> None:
    """Many layers of sigmoids."""
    draft.problem = replace(draft.problem, activation="sigmoid", depth=round(depth))


@mistake(
    "dead_relu",
    "vanishing_gradients",
    fits=all_of(_unnormed, lambda c: c.problem.activation == "relu"),
    strength=(3, 10),
)
def dead_units(draft: Draft, depth: float) -> None:
    """Biases so low that no unit ever fires."""

    def lower(layer: Layer) -> None:
        if layer.bias is not None:
            layer.bias.fill_(-depth)

    on_layers(draft, lower, head=False)


@mistake("init_degenerate", "dead_relu", "vanishing_gradients", fits=all_of(from_scratch, with_net(*UNNORMED, "vit")))
def same_weights(draft: Draft, strength: float) -> None:
    """All weights alike, all but zero, or zero."""
    how = ("equal", "tiny", "zero")[int(torch.randint(3, (1,), generator=draft.draw))]
    value = {"equal": 0.02, "tiny": 1e-7, "zero": 0.0}[how]

    def fill(layer: Layer) -> None:
        layer.weight.fill_(value) if how != "tiny" else layer.weight.mul_(value)
        if layer.bias is not None:
            layer.bias.zero_()

    on_layers(draft, fill, head=True)


@mistake(
    "saturated_activations",
    "init_too_large",
    "vanishing_gradients",
    fits=all_of(_plain, lambda c: c.problem.activation == "tanh"),
    strength=(20, 60),
)
def saturated(draft: Draft, factor: float) -> None:
    """tanh driven far beyond its slope."""
    on_layers(draft, _strengthened(factor), head=False)


@mistake(
    "capacity_too_small",
    "unknown",
    "regularisation_too_strong",
    fits=all_of(from_scratch, lacks(in_task(*WITH_BOXES))),
    strength=(0.1, 0.02),
)
def narrow(draft: Draft, width: float) -> None:
    """A network of a few units."""
    draft.problem = replace(draft.problem, width=width)


@mistake("regularisation_too_strong", fits=may_drop_out, strength=(0.85, 0.95))
def heavy_dropout(draft: Draft, share: float) -> None:
    """Dropout meant as a keep probability."""
    draft.habits = replace(draft.habits, dropout=share)
